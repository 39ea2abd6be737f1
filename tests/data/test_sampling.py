"""Batches: P x K counts, passes over all identities, HR and LR drawn apart, exact resumption."""

from collections import Counter

import pytest
import torch

from cadnet_edu.data.resolution import degrade
from cadnet_edu.data.sampling import Batches, PKSampler

COUNTS = [2, 3, 4, 5, 9, 4, 2]  # images of each identity
Y = torch.tensor([label for label, n in enumerate(COUNTS) for _ in range(n)])


def numbered(height: int = 8, width: int = 4) -> torch.Tensor:
    """Image i is i everywhere in its red, its column in green and its row in blue."""
    n = len(Y)
    red = torch.arange(n).view(n, 1, 1).expand(n, height, width)
    green = (10 * torch.arange(width)).expand(n, height, width)
    blue = (10 * torch.arange(height)).view(height, 1).expand(n, height, width)
    return torch.stack([red, green, blue], 1).to(torch.uint8)


def batches(**changes) -> Batches:
    given = {"num_identities": 3, "num_instances": 4, "flip": False, **changes}
    return Batches(given.pop("images", numbered()), given.pop("y", Y), **given)


def rows(x: torch.Tensor) -> list[int]:
    return (x[:, 0] * 255).round().amax((1, 2)).long().tolist()


@pytest.mark.parametrize(("P", "K"), [(1, 2), (3, 4), (7, 3), (2, 1), (7, 2), (7, 4), (7, 5), (7, 11)])
def test_p_identities_with_k_images_each(P, K):
    sampler = PKSampler(Y, P, K)
    for _ in range(20):
        drawn = sampler.draw()
        assert drawn.shape == (P * K,)
        assert len(Y[drawn].unique()) == P
        for group in drawn.view(P, K):
            assert (Y[group] == Y[group[0]]).all()
            n, repeats = COUNTS[Y[group[0]]], Counter(group.tolist()).values()
            assert len(repeats) == min(n, K)
            assert max(repeats) - min(repeats) <= 1 if n <= K else max(repeats) == 1


@pytest.mark.parametrize("P", [1, 2, 3, 4, 5, 6, 7])
def test_every_identity_comes_once_a_pass(P):
    """Also where the passes do not end with a batch."""
    sampler = PKSampler(Y, P, 2, seed=P)
    sequence = [label for _ in range(7 * 6) for label in Y[sampler.draw()][::2].tolist()]
    for i in range(0, len(sequence), 7):
        assert sorted(sequence[i : i + 7]) == list(range(7))
    y = [70, 5, 70, 5, 1501, 1501]  # labels may be any numbers in any order
    drawn = PKSampler(y, 2, 2, seed=P).draw().tolist()
    assert y[drawn[0]] == y[drawn[1]] != y[drawn[2]] == y[drawn[3]]
    assert len({tuple(sequence[i : i + 7]) for i in range(0, 35, 7)}) > 1  # passes differ in order


@pytest.mark.parametrize(
    ("y", "P", "K", "message"),
    [
        (Y, 8, 4, "a batch of 8 identities cannot be drawn from 7"),
        ([], 1, 2, "a batch of 1 identities cannot be drawn from 0"),
        ([0, 0, 1, 2, 2, 3], 2, 2, "2 of 4 training identities have a single image"),
        (Y, 0, 4, "a batch needs at least 1 of each"),
        (Y, 2, 0, "a batch needs at least 1 of each"),
    ],
)
def test_what_cannot_be_drawn(y, P, K, message):
    with pytest.raises(ValueError, match=message):
        PKSampler(y, P, K)


def test_all_images_come_up_alike():
    sampler, seen = PKSampler(Y, 7, 2), Counter()
    for _ in range(300):
        seen.update(sampler.draw().tolist())
    assert set(seen) == set(range(len(Y)))
    for row, n in seen.items():
        assert n == pytest.approx(300 * 2 / COUNTS[Y[row]], rel=0.35)


def test_what_is_in_a_batch():
    batch = next(batches(rates=(2, 4)))
    for x in (batch.x_H, batch.x_L, batch.x_L_gt):
        assert x.shape == (12, 3, 8, 4)
        assert x.dtype == torch.float32
        assert 0 <= x.min() <= x.max() <= 1
    for x, y in ((batch.x_H, batch.y_H), (batch.x_L_gt, batch.y_L)):
        assert y.dtype == torch.int64
        assert y.tolist() == Y[rows(x)].tolist()
        torch.testing.assert_close(x, numbered()[rows(x)].float() / 255)  # each image as it was
    assert set(batch.r_L.tolist()) <= {2.0, 4.0}
    torch.testing.assert_close(batch.x_L, degrade(batch.x_L_gt, batch.r_L), rtol=0, atol=0)
    assert not torch.equal(batch.x_L, batch.x_L_gt)


def test_hr_and_lr_are_drawn_independently():
    """Sec. 3.2: both sets are shuffled; one identity's HR and LR images need not meet."""
    supply = batches()
    drawn = [next(supply) for _ in range(20)]
    assert sum(rows(b.x_H) == rows(b.x_L_gt) for b in drawn) == 0
    together = [len(set(b.y_H.tolist()) & set(b.y_L.tolist())) for b in drawn]
    assert len(set(together)) > 1  # sometimes they do, sometimes not
    for labels in (torch.cat([b.y_H for b in drawn]), torch.cat([b.y_L for b in drawn])):
        assert set(labels.tolist()) == set(range(7))


def test_each_rate_comes_up_alike():
    supply, seen = batches(rates=(2, 3, 4)), Counter()
    for _ in range(100):
        seen.update(next(supply).r_L.tolist())
    assert set(seen) == {2.0, 3.0, 4.0}
    assert min(seen.values()) > 1200 / 3 * 0.85
    batch = next(batches(rates=(1,)))  # trains on HR only
    assert torch.equal(batch.x_L, batch.x_L_gt)
    batch = next(batches(flip=True, max_shift=2, rates=(2, 3)))  # LR and its ground truth are augmented together
    torch.testing.assert_close(batch.x_L, degrade(batch.x_L_gt, batch.r_L), rtol=0, atol=0)


def test_flips_mirror_about_half_of_the_images():
    supply, flipped = batches(flip=True), []
    for _ in range(30):
        batch = next(supply)
        for x in (batch.x_H, batch.x_L_gt):
            plain = numbered()[rows(x)].float() / 255
            for image, before in zip(x, plain):
                mirrored = torch.equal(image, before.flip(2))
                assert mirrored or torch.equal(image, before)
                flipped.append(mirrored)
    assert 0.4 < sum(flipped) / len(flipped) < 0.6


def test_max_shift_shifts_by_up_to_so_many_pixels_and_repeats_the_edge():
    supply, shifts = batches(max_shift=2), set()
    for _ in range(20):
        for image in (next(supply).x_H * 255).round().long():
            columns, lines = image[1, 0] // 10, image[2, :, 0] // 10
            found = [
                (dy, dx)
                for dy in range(-2, 3)
                for dx in range(-2, 3)
                if torch.equal(columns, (torch.arange(4) + dx).clamp(0, 3))
                and torch.equal(lines, (torch.arange(8) + dy).clamp(0, 7))
            ]
            assert len(found) == 1
            shifts.update(found)
    assert shifts == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


@pytest.mark.parametrize("after", [0, 1, 5])
def test_resuming_is_exact(tmp_path, after):
    """What a batch is depends on the seed and the batches before it alone: not on torch's own random numbers."""
    images, before = numbered(), torch.get_rng_state()
    supply, other = (batches(images=images, flip=True, max_shift=1, seed=seed) for seed in (0, 1))
    for _ in range(after):
        assert not torch.equal(next(supply).x_H.zero_(), next(other).x_H)
    assert torch.equal(images, numbered())  # they stay as they are
    state = supply.state_dict()
    expected = [next(supply) for _ in range(6)]
    assert not any(torch.equal(batch.x_H, next(other).x_H) for batch in expected)
    assert torch.equal(torch.get_rng_state(), before)
    torch.save(state, tmp_path / "state.pt")
    resumed = batches(flip=True, max_shift=1, seed=99)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for one in expected:
        assert all(torch.equal(a, b) for a, b in zip(one, next(resumed)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": Y[:-1]}, "29 images but 28 labels"),
        ({"images": numbered().float()}, "give uint8 images"),
        ({"images": numbered()[0]}, "give uint8 images"),
        ({"rates": ()}, "give at least one rate"),
        ({"max_shift": -1}, "0 or more pixels"),
        ({"num_identities": 8}, "cannot be drawn from 7"),
    ],
)
def test_what_batches_cannot_be_made_of(changes, message):
    with pytest.raises(ValueError, match=message):
        batches(**changes)
