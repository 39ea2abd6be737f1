"""A cache of decoded and resized images: stored in a few large files, and read a batch at a time.

A *shard* is a pair of files: ``NAME.npy`` holds some thousand images ``uint8 (n, 3, H, W)``, ``NAME.keys`` one line
for each, the key of its file. Shards are written once and never changed. Images are looked up one by one, so all splits
and MLR versions of a data set use the same shards, and only new or changed files are decoded.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self, cast, overload

import numpy as np
import PIL
import torch
from torch import Tensor
from tqdm.auto import tqdm

from cadnet_edu.config import cache_dir
from cadnet_edu.data.fingerprint import file_contents, image_digest, path_of
from cadnet_edu.data.samples import Sample, load_images
from cadnet_edu.io import write_atomically
from cadnet_edu.locks import locked

WORTH = 64 << 20  # bytes: smaller sets, in their files and decoded, are decoded each time
SHARD = 8192  # images a file
CHUNK = 256  # images decoded side by side, then written


class Images:
    """Images in shards. As with a tensor, a slice is a view and rows are a copy; only rows are read.

    Args:
        shards: arrays ``uint8 (m, 3, H, W)``, mapped into memory.
        places: shard and row of each image, int ``(n, 2)``.
    """

    dtype = torch.uint8
    ndim = 4

    def __init__(self, shards: Sequence[np.ndarray], places: np.ndarray) -> None:
        self.shards, self.places = shards, places
        self.shape = torch.Size((len(places), *shards[0].shape[1:]))

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, rows: slice) -> Self: ...
    @overload
    def __getitem__(self, rows: Tensor | Sequence[int]) -> Tensor: ...
    def __getitem__(self, rows: slice | Tensor | Sequence[int]) -> Self | Tensor:
        part = type(self)(self.shards, self.places[rows.numpy() if isinstance(rows, Tensor) else rows])
        return part if isinstance(rows, slice) else part.to("cpu")

    def to(self, device: torch.device | str) -> Tensor:
        """Read all of them: ``uint8 (n, 3, H, W)``."""
        out = np.empty(self.shape, np.uint8)
        for i in np.unique(self.places[:, 0]):
            mine = self.places[:, 0] == i
            out[mine] = self.shards[i][self.places[mine, 1]]
        return torch.from_numpy(out).to(device)


class CacheEntry(NamedTuple):
    """The cached images of one size and one version of the decoding code."""

    folder: Path
    images: int
    bytes: int
    current: bool  # written by the present version of the code; other versions' shards are never read


def cached_images(samples: Sequence[Sample], height: int, width: int) -> Tensor:
    """All images of one size, as :func:`load_images` gives them, decoded once and not held in memory.

    Args:
        samples: to load; ``Sample.rate`` is not applied here.
        height, width: pixels.

    Returns:
        ``uint8`` ``(n, 3, height, width)``, RGB. Of large sets it is an :class:`Images`, of which a batch at a time
        can be read, ``images[rows]``. Small sets, and those whose pixels are in memory anyway, are a tensor.

    Raises:
        ValueError: for an unreadable image, by name. Complete shards are kept, partial ones are removed.
        OSError: when the disk is full, with the space needed and the remedy.

    Choice:
        Images are identified by the content of their files, not by path; see ``cadnet_edu.data.fingerprint``.
    """
    keys, read = _keys(samples)
    if None in keys or max(read, len(samples) * 3 * height * width) < WORTH:
        return load_images(samples, height, width)
    folder = folder_of(height, width)
    by_key = dict(zip(cast(list[str], keys), samples, strict=True))  # an image that is listed twice is stored once
    shards, places = _open(folder, height, width, by_key)
    if len(places) < len(by_key):
        _decode_missing(folder, height, width, by_key)
        shards, places = _open(folder, height, width, by_key)
    if len(places) < len(by_key):
        raise OSError(errno.EIO, f"{folder}: just written, and it reads back differently. The disk is at fault")
    return cast(Tensor, Images(shards, np.array([places[key] for key in cast(list[str], keys)])))


def folder_of(height: int, width: int) -> Path:
    """The folder of the images of this size, decoded by the present version of the code."""
    return cache_dir() / "images" / f"{height}x{width}-{decoder_version()}"


def cache_entries() -> list[CacheEntry]:
    """The content of the cache, one entry for each size of images and version of the code."""
    entries = []
    for folder in sorted(p for p in (cache_dir() / "images").glob("*") if p.is_dir()):
        images = sum(len(path.read_text().split()) for path in folder.glob("*.keys"))
        size = sum(path.stat().st_size for path in folder.iterdir())
        entries.append(CacheEntry(folder, images, size, folder.name.endswith(f"-{decoder_version()}")))
    return entries


def clear() -> None:
    """Delete all decoded images; the next run decodes those that it needs."""
    if (cache_dir() / "images").exists():
        shutil.rmtree(cache_dir() / "images")


@cache
def decoder_version() -> str:
    """A hash of the decoding code; each version has its own shards."""
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in ("samples.py", "hdf5.py"))
    return hashlib.sha256(sources + PIL.__version__.encode()).hexdigest()[:8]


def _keys(samples: Sequence[Sample]) -> tuple[list[str | None], int]:
    """A key for the content of each image, None for pixels in memory; and the total size of all files."""
    files = file_contents(path_of(s) for s in samples if not isinstance(s.image, np.ndarray))

    def key(s: Sample) -> str | None:
        digest = hashlib.blake2b(image_digest(s, files).encode(), digest_size=12)
        return None if isinstance(s.image, np.ndarray) else digest.hexdigest()

    return [key(s) for s in samples], sum(content.size for content in files.values())


def _open(
    folder: Path, height: int, width: int, by_key: dict[str, Any]
) -> tuple[list[np.ndarray], dict[str, tuple[int, int]]]:
    """The shards that hold any of the images, and the shard and row of each image found."""
    shards: list[np.ndarray] = []
    places: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.keys")):
        keys = path.read_text().split()
        pixels = _map(path.with_suffix(".npy"), (len(keys), 3, height, width))
        here = {key: (len(shards), row) for row, key in enumerate(keys) if key in by_key}
        if pixels is not None and here:
            places |= here
            shards.append(pixels)
    return shards, places


def _map(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """A shard's pixels mapped into memory; None if they are missing, truncated or of another shape."""
    try:
        pixels = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return pixels.view(np.ndarray) if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _decode_missing(folder: Path, height: int, width: int, by_key: dict[str, Sample]) -> None:
    """Decode the missing images. Of several processes that need the same ones, one decodes and the others wait."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", "decodes these images"):
            _sweep(folder, height, width)
            _, places = _open(folder, height, width, by_key)
            missing = {key: sample for key, sample in by_key.items() if key not in places}
            needed, free = len(missing) * 3 * height * width, shutil.disk_usage(folder).free
            if needed > free:
                why = f"the decoded images take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
                raise OSError(errno.ENOSPC, why)
            _write(folder, height, width, missing)
    except OSError as error:
        where = f"Decoded images are kept below {cache_dir()}; the variable CADNET_EDU_CACHE names another place"
        raise OSError(error.errno, f"{error.strerror or error}. {where}") from None


def _sweep(folder: Path, height: int, width: int) -> None:
    """Remove incomplete and damaged shards, while holding the lock."""
    for half in folder.glob(".*.part"):
        half.unlink()
    for path in folder.glob("*.npy"):
        keys = path.with_suffix(".keys")
        n = len(keys.read_text().split()) if keys.exists() else -1
        if _map(path, (n, 3, height, width)) is None:
            keys.unlink(missing_ok=True)
            path.unlink()


def _write(folder: Path, height: int, width: int, missing: dict[str, Sample]) -> None:
    """Decode images on all cores and write them in shards, with some hundred in memory at a time."""
    keys, samples = list(missing), list(missing.values())
    workers = max(4, os.cpu_count() or 1)  # Pillow decodes outside the interpreter's lock
    name = f"Decoding images to {height}x{width}"
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(keys), desc=name, unit="image", delay=2) as bar:

        def decoded(part: Sequence[Sample]) -> Iterator[np.ndarray]:
            for i in range(0, len(part), CHUNK):
                pixels = np.stack(list(pool.map(lambda s: s.load(height, width), part[i : i + CHUNK])))
                yield np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
                bar.update(len(pixels))

        for start in range(0, len(keys), SHARD):
            part = samples[start : start + SHARD]

            def write(file: BinaryIO, part: Sequence[Sample] = part) -> None:
                header = {"descr": "|u1", "fortran_order": False, "shape": (len(part), 3, height, width)}
                np.lib.format.write_array_header_1_0(file, header)
                for pixels in decoded(part):
                    file.write(pixels.data)

            path = write_atomically(folder / f"{secrets.token_hex(8)}.npy", write)
            lines = "\n".join(keys[start : start + SHARD]).encode()
            write_atomically(path.with_suffix(".keys"), lines)  # now the shard is complete
