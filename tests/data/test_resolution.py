"""Degradation (Sec. 3.1) against Pillow and by hand; the MLR protocol (Sec. 4.4)."""

import numpy as np
import pytest
import torch
from PIL import Image

from cadnet_edu.data.resolution import degrade, mlr
from cadnet_edu.data.samples import Sample, Split


def images(b: int = 3, height: int = 32, width: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(b, 3, height, width, generator=torch.Generator().manual_seed(seed))


def pillow(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear resizing of one channel to (height, width), in floating point."""
    return np.asarray(Image.fromarray(x, mode="F").resize(size[::-1], Image.Resampling.BILINEAR))


@pytest.mark.parametrize("r", [2, 3, 4, 8, 1.5, 2.7])
@pytest.mark.parametrize("size", [(64, 32), (31, 17)])
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_against_pillow(r, size):
    """Pillow's BILINEAR is antialiased when it makes images smaller; making them larger it is plain bilinear."""
    x = images(1, *size)
    small = (round(size[0] / r), round(size[1] / r))
    expected = np.stack([pillow(pillow(c, small), size) for c in x[0].numpy()])
    np.testing.assert_allclose(degrade(x, r)[0].numpy(), expected, atol=1e-5)


def test_by_hand():
    x = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]).expand(1, 3, 8, 8)
    # The left small pixel lies between pixels 1 and 2. Its triangle, 4 pixels to either side, weighs pixels 0 to 5
    # with 5 7 7 5 3 1 eighths; the last two are bright.
    left = (3 + 1) / (5 + 7 + 7 + 5 + 3 + 1)
    between = torch.tensor([0, 0, 1, 3, 5, 7, 8, 8]) / 8  # where the eight pixels lie between the two
    torch.testing.assert_close(degrade(x, 4)[0, 0, 0], left + between * (1 - 2 * left))


def test_rate_1_leaves_images_untouched():
    x = images()
    for r in (1, 1.0, torch.tensor(1.0), torch.ones(3)):
        assert torch.equal(degrade(x, r), x)


def test_one_rate_an_image_is_each_image_by_itself():
    x = images(6)
    rates = torch.tensor([4, 1, 2.5, 4, 1, 3])
    together = degrade(x, rates)
    for i, r in enumerate(rates.tolist()):
        torch.testing.assert_close(together[i : i + 1], degrade(x[i : i + 1], r), rtol=0, atol=0)
    assert torch.equal(together[1], x[1])
    assert torch.equal(x, images(6))  # the input stays as it is


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 5), (33, 15)])
@pytest.mark.parametrize("r", [1.01, 2, 3, 100])
def test_sizes_are_kept_and_values_stay_in_range(size, r):
    x = images(2, *size)
    low = degrade(x, r)
    assert low.shape == x.shape
    assert low.dtype == x.dtype
    assert low.min() >= x.min() - 1e-6
    assert low.max() <= x.max() + 1e-6
    if r == 100:  # one pixel is left
        torch.testing.assert_close(low, low[:, :, :1, :1].expand_as(low))


def test_gradients_pass_through():
    x = images().double().requires_grad_()
    degrade(x, torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    torch.testing.assert_close(x.grad[0], torch.ones(3, 32, 16, dtype=torch.float64))
    assert (x.grad[1:].flatten(1).abs().sum(1) > 0).all()


RATES = [0.5, 0, -2, float("nan"), float("inf"), torch.tensor([1.0, 2.0, 0.9])]


@pytest.mark.parametrize(
    ("x", "r", "message"),
    [
        *((images(), r, "a down-sampling rate is a number of 1 or more") for r in RATES),
        (images(), torch.tensor([2.0, 3.0]), "2 rates for 3 images"),
        (torch.zeros(3, 8, 4), 2, "give a float batch"),
        (torch.zeros(2, 3, 8, 4, dtype=torch.uint8), 2, "give a float batch"),
    ],
)
def test_what_cannot_be_degraded(x, r, message):
    with pytest.raises(ValueError, match=message):
        degrade(x, r)


PIXELS = np.zeros((4, 2, 3), np.uint8)


def people(cameras: int = 2, distractors: bool = False) -> Split:
    def shots(pids, which=None) -> tuple[Sample, ...]:
        return tuple(
            Sample(PIXELS, p, c, name=f"{p}_{c}_{k}") for p in pids for c in (which or range(cameras)) for k in range(3)
        )

    gallery = shots(range(20, 40), range(1, cameras))
    if distractors:
        gallery += shots([0])
    return Split(shots(range(1, 20)), shots(range(20, 40), [0]), gallery, name="set")


@pytest.mark.parametrize("cameras", [2, 5])
@pytest.mark.parametrize("lr_camera", [None, 0, 1])
def test_section_4_4(cameras, lr_camera):
    split = people(cameras)
    low = mlr(split, (2, 3, 4), seed=1, lr_camera=lr_camera)
    assert (
        low == mlr(split, (2, 3, 4), seed=1, lr_camera=lr_camera) != mlr(split, (2, 3, 4), seed=2, lr_camera=lr_camera)
    )
    assert {s.rate for part in (split.train, split.query, split.gallery) for s in part} == {1.0}  # unchanged
    assert {s.rate for s in mlr(split, rates=(2.5,), lr_camera=lr_camera).query} == {2.5}
    assert low.name == "MLR-set"
    # Images of one camera are LR, each with its own rate; the others stay as they are.
    for before, after in zip(split.train, low.train, strict=True):
        assert (before.name, before.pid, before.camera) == (after.name, after.pid, after.camera)
    lr_cameras: dict[int, set[int]] = {}
    for s in (*low.train, *low.query):
        if s.rate > 1:
            lr_cameras.setdefault(s.pid, set()).add(s.camera)
    assert all(len(cams) == 1 for cams in lr_cameras.values())
    if lr_camera is not None:
        assert set().union(*lr_cameras.values()) == {lr_camera}
    else:
        assert len(set().union(*lr_cameras.values())) > 1
    assert set(lr_cameras) == set(range(1, 40))  # every identity has LR images
    for s in low.train:
        assert (s.rate > 1) == (s.camera in lr_cameras[s.pid])
    # Queries are LR, the gallery is HR, and no identity's gallery comes from its LR camera.
    assert {s.rate for s in low.query} == {2.0, 3.0, 4.0}
    assert {s.rate for s in low.gallery} == {1.0}
    assert all(s.camera not in lr_cameras[s.pid] for s in low.gallery)
    # Nobody is lost and nobody comes twice.
    assert sorted(s.name for s in (*low.query, *low.gallery)) == sorted(s.name for s in (*split.query, *split.gallery))
    low.check()


def test_rates_are_drawn_evenly_and_for_each_image():
    rates = [s.rate for s in mlr(people()).train if s.rate > 1]
    assert all(0.15 < rates.count(r) / len(rates) < 0.55 for r in (2, 3, 4))
    one = [s.rate for s in mlr(people(cameras=5), seed=2).train if s.rate > 1 and s.pid < 10]
    assert any(len(set(one[i : i + 3])) > 1 for i in range(0, len(one), 3))  # within one identity


@pytest.mark.parametrize(("lr_camera", "kept"), [(None, {0, 1, 2}), (1, {0, 2})])
def test_distractors_are_never_queries(lr_camera, kept):
    """Market-1501's 0000 images share a number but no person: asking for them would score nonsense."""
    low = mlr(people(cameras=3, distractors=True), lr_camera=lr_camera)
    assert not any(s.pid == 0 for s in low.query)
    distractors = [s for s in low.gallery if s.pid == 0]
    assert {s.camera for s in distractors} == kept
    assert {s.rate for s in distractors} == {1.0}


ONE_CAMERA = Split(people().train, people().query, people().query, name="set")


@pytest.mark.parametrize(
    ("split", "settings", "message"),
    [
        *((people(), {"lr_camera": c}, f"set: with camera {c} as the LR camera there are 0 queries") for c in (7, -1)),
        (ONE_CAMERA, {"lr_camera": 0}, "with camera 0 as the LR camera there are 120 queries and 0 gallery"),
        (ONE_CAMERA, {}, "with one camera of each identity as the LR camera there are 120 queries and 0 gallery"),
        *((people(), {"rates": r}, "each 1 or more") for r in [(), (2, 0.5), (float("nan"),), (float("inf"),)]),
        (people(), {"rate_per": "batch"}, "drawn per 'image' or 'identity'"),
        (people(), {"gallery_images": 0}, "at least one gallery image"),
    ],
)
def test_what_cannot_be_built(split, settings, message):
    with pytest.raises(ValueError, match=message):
        mlr(split, **settings)
