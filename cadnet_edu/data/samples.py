"""Samples, splits of samples into train, query and gallery, and reading of image files."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from cadnet_edu.config import Config
from cadnet_edu.data.hdf5 import H5Image


@dataclass(frozen=True)
class Sample:
    """One image of one person from one camera.

    Args:
        image: a file path, or an ``H5Image`` (an address inside an HDF5 file), or the pixels themselves as ``uint8`` of
            shape ``(height, width, 3)``, RGB. The first two are read by each ``load``, in any process.
        pid: person identity, an integer ``>= 0``. Identities of train and test never overlap.
        camera: camera index, an integer ``>= 0``.
        rate: the down-sampling rate ``r`` of this image (Sec. 4.4); 1 for HR.
        name: of the image in figures and messages; for a path by default the file name.

    Raises:
        ValueError: for pixels of another shape or type, an identity or camera that is negative or beyond 64 bits, or a
            rate below 1.
    """

    image: Path | H5Image | np.ndarray = field(repr=False)
    pid: int
    camera: int
    rate: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name and isinstance(self.image, Path):
            object.__setattr__(self, "name", self.image.name)
        if isinstance(self.image, np.ndarray):
            shape, dtype = self.image.shape, self.image.dtype
            if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
                raise ValueError(
                    f"sample {self.name!r}: pixels of shape {shape} and type {dtype}. "
                    "They must be RGB, (height, width, 3), whole numbers 0-255 of type uint8."
                )
        elif not isinstance(self.image, Path | H5Image):
            raise ValueError(f"sample {self.name!r}: image = {self.image!r}. Give a Path or an array of pixels.")
        if not (0 <= self.pid < 2**63 and 0 <= self.camera < 2**63):
            raise ValueError(
                f"sample {self.name!r}: identity {self.pid}, camera {self.camera}. Both start at 0 and end below 2^63."
            )
        if not 1 <= self.rate < float("inf"):
            raise ValueError(f"sample {self.name!r}: rate = {self.rate}. A down-sampling rate is a number from 1 up.")

    def load(self, height: int | None = None, width: int | None = None) -> np.ndarray:
        """The pixels, ``uint8`` of shape ``(height, width, 3)``, resized when a size is given (bilinear, antialiased).

        Raises:
            ValueError: when the file is missing, no image, or cut short; the message names the file.
        """
        if isinstance(self.image, np.ndarray):
            pixels = self.image
            if height is None or width is None or pixels.shape[:2] == (height, width):
                return pixels
            picture = Image.fromarray(pixels)
        elif isinstance(self.image, H5Image):
            picture = Image.fromarray(self.image.load())
        else:
            picture = read_image(self.image)
        if height is not None and width is not None and picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture)


@dataclass(frozen=True)
class Split:
    """A data set, split for re-identification."""

    train: tuple[Sample, ...]  # training images
    query: tuple[Sample, ...]  # query images, of other identities than ``train``
    gallery: tuple[Sample, ...]  # gallery images, of the identities of ``query`` and perhaps distractors
    name: str = "unnamed"  # the data set's name, for messages, figures and provenance

    def __str__(self) -> str:
        parts = [
            f"{role} {len(samples)} images of {len({s.pid for s in samples})} identities"
            for role, samples in (("train", self.train), ("query", self.query), ("gallery", self.gallery))
        ]
        return f"{self.name}: " + ", ".join(parts)

    def check(self, train: bool = True) -> Split:
        """Validate the split, and return it.

        Args:
            train: whether a training part is required.

        Raises:
            ValueError: for an empty part, an identity in both train and test, an identity with one training
                image, or queries without any match from another camera in the gallery.
        """
        for role in ("train", "query", "gallery") if train else ("query", "gallery"):
            if not getattr(self, role):
                raise ValueError(f"{self.name}: the {role} part holds no image. Check the folder given as the root.")
        shared = {s.pid for s in self.train} & {s.pid for s in (*self.query, *self.gallery)}
        if shared:
            raise ValueError(
                f"{self.name}: {len(shared)} identities are in train and in test (for example {min(shared)}). "
                "A score on people seen in training means nothing: give each identity to one side only."
            )
        single = [pid for pid, n in Counter(s.pid for s in self.train).items() if n < 2]
        if single:
            raise ValueError(
                f"{self.name}: {len(single)} training identities have a single image (for example {single[0]}). "
                "The triplet loss of eq. (5) needs at least two images an identity: add images or leave them out."
            )
        cameras: dict[int, set[int]] = {}
        for s in self.gallery:
            cameras.setdefault(s.pid, set()).add(s.camera)
        if not any(cameras.get(q.pid, set()) - {q.camera} for q in self.query):
            raise ValueError(
                f"{self.name}: no query has a match from another camera in the gallery, so nothing can be scored. "
                "Usual causes: every image carries the same camera number, or query and gallery hold different people."
            )
        return self


def read_image(path: str | Path) -> Image.Image:
    """Open an image file as RGB, upright (its EXIF orientation is followed); a transparent background becomes white.

    Of 16 bits a channel the upper eight are used, so 65535 is white. Floating-point and 32-bit pixels are refused,
    since their range is unknown: white may be 1, 255, 4095 or another number.

    Args:
        path: the file.

    Raises:
        ValueError: when the file is missing, no image, cut short, too large, or of refused pixels, with its name and
            the remedy.

    Warns:
        UserWarning: for 16-bit pixels below a quarter of the range, as cameras of 10, 12 or 14 bits write; once for
            each folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: this is a folder, not an image. Give the files in it.")
    if path.is_symlink() and not path.exists():
        raise ValueError(f"{path}: this link leads to {os.readlink(path)}, which is not there. Fetch that file.")
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file. Check the path.")
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith(("I", "F")):
                picture = eight_bits(picture, file.format or "", path)
            if "A" in picture.getbands() or "transparency" in picture.info:
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
            return picture.convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # damaged files make the decoders raise errors of many kinds
        raise ValueError(f"{path}: {why_unreadable(error)}") from None


class UnknownRangeError(ValueError):
    """Pixels of unknown range."""


def eight_bits(picture: Image.Image, kind: str, path: Path) -> Image.Image:
    """A grey image of more than 8 bits a pixel with the upper eight of 16 bits; see ``read_image``."""
    if picture.mode == "F" or (picture.mode == "I" and kind not in ("PNG", "PPM")):  # these have 16 bits at most
        numbers = "floating-point numbers" if picture.mode == "F" else "32-bit integers"
        raise UnknownRangeError(numbers)
    pixels = np.asarray(picture)
    brightest = int(pixels.max())
    if 0 < brightest < 2**14 and path.parent not in _TOLD:
        _TOLD.add(path.parent)
        warnings.warn(
            f"{path}: 16 bits a pixel, but the brightest is {brightest} of 65535, so the image is dark. If your camera "
            f"writes {brightest.bit_length()} bits or so, save the images with 8 bits: divide by "
            f"{2 ** max(0, brightest.bit_length() - 8)}. Further images of this folder are not reported.",
            stacklevel=3,
        )
    return Image.fromarray((pixels // 256).astype(np.uint8))


_TOLD: set[Path] = set()  # folders with a dark 16-bit image


def why_unreadable(error: Exception) -> str:
    """The reason and the remedy for an unreadable image file, from Pillow's error."""
    if isinstance(error, UnknownRangeError):
        return (
            f"its pixels are {error}, and the file does not say which number is white. Save it with 8 bits a pixel, "
            "for example, where 1 is white: Image.fromarray((255 * pixels).clip(0, 255).astype('uint8'))."
        )
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        return f"this image is too large: more than {most} megapixels. Make it smaller first."
    if isinstance(error, OSError) and error.errno is not None:
        return f"this file cannot be opened ({error.strerror})."
    kind = "its content is no known type of image" if isinstance(error, UnidentifiedImageError) else str(error)
    return (
        f"this file cannot be read as an image ({kind}). It is damaged or of an unknown type: "
        "replace it or take it out of the folder."
    )


def load_images(samples: Sequence[Sample], height: int, width: int) -> torch.Tensor:
    """All images of one size in one tensor.

    Args:
        samples: to load; ``Sample.rate`` is not applied here (see ``cadnet_edu.data.resolution``).
        height, width: pixels.

    Returns:
        ``uint8`` tensor ``(n, 3, height, width)``, RGB.

    Raises:
        ValueError: for an unreadable image, by name.
    """
    images = np.empty((len(samples), 3, height, width), dtype=np.uint8)  # a tensor made in inference mode is read-only

    def load(i: int) -> None:
        images[i] = np.asarray(samples[i].load(height, width)).transpose(2, 0, 1)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(load, range(len(samples))))
    return torch.from_numpy(images)


def noise_split(config: Config, identities: int | None = None) -> Split:
    """Training images of noise, to measure time and memory of a step; by default identities for 16 batches."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (config.data.height, config.data.width, 3), dtype=np.uint8)
    people = 16 * config.data.num_identities if identities is None else identities
    shots = max(2, config.data.num_instances)
    return Split(tuple(Sample(image, pid, shot) for pid in range(people) for shot in range(shots)), (), (), "noise")
