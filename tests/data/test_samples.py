"""Samples, splits and image files of every kind that lies about in real folders."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from cadnet_edu.data.samples import Sample, Split, load_images, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
RAMP = np.linspace(0, 1, 12 * 8, dtype=np.float32).reshape(12, 8)


NAN, INF = float("nan"), float("inf")


def person(pid: int, camera: int = 0, **changes) -> Sample:
    return Sample(PIXELS, pid, camera, **changes)


def split(train=((0, 0), (0, 1), (1, 0), (1, 1)), query=((2, 0),), gallery=((2, 1), (3, 1)), name="set") -> Split:
    return Split(*(tuple(person(*p) for p in part) for part in (train, query, gallery)), name=name)


def test_a_file_names_its_sample():
    assert Sample(Path("folder/0001_c1.jpg"), 1, 1).name == "0001_c1.jpg"
    assert Sample(Path("folder/0001_c1.jpg"), 1, 1, name="Ada").name == "Ada"
    assert person(1).name == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": PIXELS[:, :, 0]}, r"shape \(12, 8\) and type uint8"),
        ({"image": PIXELS / 255}, r"type float64"),
        ({"image": PIXELS.transpose(2, 0, 1)}, r"shape \(3, 12, 8\)"),
        ({"image": np.zeros((0, 8, 3), np.uint8)}, r"shape \(0, 8, 3\)"),
        ({"image": "a.jpg"}, "Give a Path or an array of pixels"),
        ({"pid": -1}, "Both start at 0"),
        ({"camera": -1}, "Both start at 0"),
        ({"pid": 2**63}, r"below 2\^63"),
        ({"camera": 10**30}, r"below 2\^63"),
        *(({"rate": r}, f"rate = {r}. A down-sampling rate is a number from 1 up") for r in (0.5, 0, -2, NAN, INF)),
    ],
)
def test_what_no_sample_can_be_made_of(changes, message):
    assert person(2**63 - 1, 2**63 - 1).pid == 2**63 - 1
    with pytest.raises(ValueError, match=message):
        Sample(**{"image": PIXELS, "pid": 1, "camera": 1, **changes})


def test_load_resizes_like_pillow():
    expected = np.asarray(Image.fromarray(PIXELS).resize((4, 6), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(person(1).load(6, 4), expected)
    np.testing.assert_array_equal(person(1).load(), PIXELS)
    np.testing.assert_array_equal(person(1).load(12, 8), PIXELS)


def test_a_good_split_passes():
    assert split().check() == split()
    assert str(split()).startswith("set: train 4 images of 2 identities, query 1 images of 1 identities, gallery 2")
    assert split(train=()).check(train=False).train == ()  # which is needed for training alone
    assert split(query=((2, 0), (9, 0))).check()  # a query without match beside one with a match


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ()}, "set: the train part holds no image"),
        ({"query": ()}, "set: the query part holds no image"),
        ({"gallery": ()}, "set: the gallery part holds no image"),
        ({"query": ((2, 0), (1, 0))}, r"1 identities are in train and in test \(for example 1\)"),
        ({"gallery": ((2, 1), (0, 0), (1, 1))}, r"2 identities are in train and in test \(for example 0\)"),
        ({"train": ((0, 0), (0, 1), (7, 0))}, r"1 training identities have a single image \(for example 7\)"),
        ({"query": ((2, 1),), "gallery": ((2, 1), (3, 0))}, "no query has a match from another camera"),
        ({"gallery": ((3, 1),)}, "query and gallery hold different people"),
    ],
)
def test_each_mistake_of_a_split_is_named(changes, message):
    for train in (True,) if "train" in changes else (True, False):
        with pytest.raises(ValueError, match=message):
            split(**changes).check(train=train)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS[:, :, 0], np.stack([PIXELS[:, :, 0]] * 3, 2)),
        (np.zeros((12, 8), np.uint16), np.zeros((12, 8, 3))),
        ((RAMP * 65535).astype(np.uint16), np.stack([(RAMP * 65535).astype(np.uint16) // 256] * 3, 2)),
    ],
)
def test_colour_grey_and_16_bits(tmp_path, stored, expected):
    for suffix in ("png", "tif", "pgm") if stored.ndim == 2 else ("png", "tif"):
        Image.fromarray(stored).save(tmp_path / f"a.{suffix}")
        picture = read_image(tmp_path / f"a.{suffix}")
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), expected)
    Image.new("CMYK", (8, 12), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert np.abs(np.asarray(read_image(tmp_path / "a.jpg")).astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("P", "png"), ("P", "gif")])
def test_what_is_transparent_becomes_white(tmp_path, mode, suffix):
    picture = Image.new(mode, (8, 12), (10, 200, 30, 255) if mode == "RGBA" else 1)
    picture.putpixel((0, 0), (0, 0, 0, 0) if mode == "RGBA" else 0)
    if mode == "P":
        picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.save(tmp_path / f"a.{suffix}", **({"transparency": 0} if mode == "P" else {}))
    pixels = np.asarray(read_image(tmp_path / f"a.{suffix}"))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [10, 200, 30]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_followed(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    wide = Image.new("RGB", (12, 8), "black")
    wide.paste("white", (0, 0, 6, 8))  # left half white, so that the upper half of the upright picture is
    wide.save(tmp_path / f"a.{suffix}", exif=exif)
    pixels = np.asarray(read_image(tmp_path / f"a.{suffix}"))
    assert pixels.shape == (12, 8, 3)
    assert pixels[:4].min() > 200
    assert pixels[-4:].max() < 50


NO_IMAGE = r"this file cannot be read as an image .*replace it"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), NO_IMAGE),
        (lambda path: path.write_bytes(path.read_bytes()[:30]), NO_IMAGE),
        (lambda path: path.write_bytes(b"<html>404 not found</html>"), NO_IMAGE),
        (lambda path: path.write_bytes(b""), NO_IMAGE),
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: (path.unlink(), path.mkdir()), "this is a folder"),
        (lambda path: (path.unlink(), path.symlink_to("/gone.jpg")), "leads to .*gone.jpg"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path, make, message):
    path = tmp_path / "0001_c1.jpg"
    Image.fromarray(PIXELS).resize((64, 128)).save(path)
    make(path)
    with pytest.raises(ValueError, match=rf"0001_c1\.jpg: .*{message}"):
        read_image(path)


def test_an_image_too_large_is_not_called_damaged(tmp_path, monkeypatch):
    Image.new("1", (3000, 2000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_000_000)
    with pytest.raises(ValueError, match=r"a\.png: this image is too large: more than 4 megapixels") as told:
        read_image(tmp_path / "a.png")
    assert "damaged" not in str(told.value)


@pytest.mark.parametrize(
    ("function", "error", "raised", "message"),
    [
        # Pillow's decoders meet damage with errors of many kinds: struct.error, ValueError, IndexError ...
        ("ImageOps.exif_transpose", IndexError("tile"), ValueError, r"a\.png: .* cannot be read as an image \(tile\)"),
        ("Image.open", PermissionError(13, "denied"), ValueError, r"a\.png: this file cannot be opened \(denied\)\.$"),
        ("ImageOps.exif_transpose", MemoryError("full"), MemoryError, "full"),  # is no damage
    ],
)
def test_errors_of_the_decoder(tmp_path, monkeypatch, function, error, raised, message):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(f"cadnet_edu.data.samples.{function}", Mock(side_effect=error))
    with pytest.raises(raised, match=message):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (RAMP, "floating-point"), (RAMP * 255, "floating-point"), (RAMP - 0.5, "floating-point"),
        ((RAMP * 255).astype(np.int32), "32-bit integers"), ((RAMP * 2**30).astype(np.int32), "32-bit integers"),
    ],
)  # fmt: skip
def test_pixels_without_a_known_range_are_refused(tmp_path, pixels, kind):
    for name in ("a.tif", "a.pfm") if pixels is RAMP else ("a.tif",):
        Image.fromarray(pixels).save(tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name}: its pixels are {kind}.*Save it with 8 bits") as told:
            read_image(tmp_path / name)
        assert "damaged" not in str(told.value)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_stored_in_16_are_reported_once_a_folder(tmp_path, bits):
    for name in ("a.png", "b.png"):
        Image.fromarray((RAMP * (2**bits - 1)).astype(np.uint16)).save(tmp_path / name)
    message = rf"a\.png: 16 bits a pixel.*writes {bits} bits.*divide by {2 ** (bits - 8)}\."
    with pytest.warns(UserWarning, match=message):
        read_image(tmp_path / "a.png")
    read_image(tmp_path / "b.png")  # a second warning would be an error here


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGBA", "CMYK", "YCbCr"])
def test_white_stays_white_in_every_mode(tmp_path, mode):
    Image.new("L", (8, 12), 255).convert(mode if mode != "PA" else "RGB").convert(mode).save(tmp_path / "a.tif")
    assert np.asarray(read_image(tmp_path / "a.tif")).min() >= 254


def test_load_images_keeps_order_and_turns_channels_first(tmp_path):
    arrays = [np.full((12, 8, 3), i, np.uint8) for i in range(40)]
    arrays[7] = PIXELS
    Image.fromarray(arrays[3]).save(tmp_path / "3.png")
    samples = [Sample(tmp_path / "3.png" if i == 3 else a, i, 0) for i, a in enumerate(arrays)]
    images = load_images(samples, 12, 8)
    assert images.dtype == torch.uint8
    assert images.shape == (40, 3, 12, 8)
    for i, a in enumerate(arrays):
        np.testing.assert_array_equal(images[i].permute(1, 2, 0).numpy(), a)


def test_load_images_resizes_but_never_degrades():
    images = load_images([person(1, rate=4.0), person(1)], 24, 16)
    assert images.shape == (2, 3, 24, 16)
    assert torch.equal(images[0], images[1])
    assert load_images([], 12, 8).shape == (0, 3, 12, 8)
    with torch.inference_mode():
        assert torch.equal(load_images([person(1)], 24, 16)[0], images[0])
    before = PIXELS.copy()
    load_images([person(1)], 12, 8).zero_()  # a copy
    np.testing.assert_array_equal(PIXELS, before)
