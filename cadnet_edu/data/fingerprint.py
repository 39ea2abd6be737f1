"""Fingerprint of a data set's content, used by records, checkpoints, run keys and caches.

Paths, file names and times of change do not count. The same images unpacked elsewhere are the same data; one
changed byte of one image makes other data.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from tqdm.auto import tqdm

from cadnet_edu.config import Config, cache_dir
from cadnet_edu.data.hdf5 import H5Image
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.io import write_atomically

SETTLED = 2.0  # seconds since its last change after which a file's time of change can be relied upon


class FileContent(NamedTuple):
    """A file's size in bytes and the hash of its content."""

    size: int
    digest: str


def fingerprint(samples: Sequence[Sample]) -> str:
    """A hash of images in their order, 24 hexadecimal digits: the content, identity, camera and rate of each.

    Raises:
        ValueError: for a file that cannot be read, by name.

    >>> from numpy import zeros
    >>> pixels = zeros((2, 1, 3), dtype="uint8")
    >>> fingerprint([Sample(pixels, 7, 1, name="a")]) == fingerprint([Sample(pixels.copy(), 7, 1, name="b")])
    True
    >>> fingerprint([Sample(pixels, 7, 1)]) == fingerprint([Sample(pixels, 7, 2)])
    False
    """
    files = file_contents(path_of(s) for s in samples if not isinstance(s.image, np.ndarray))
    lines = (f"{image_digest(s, files)}\0{s.pid}\0{s.camera}\0{float(s.rate)!r}\n" for s in samples)
    return _short("".join(lines).encode())


def data_fingerprint(config: Config) -> str | None:
    """The fingerprint of the data set on disk that a configuration names.

    None for the embedded set, which is code, and when no folder is given.
    """
    from cadnet_edu.data import open_split

    if config.data.dataset == "walkers" or config.data.root is None:
        return None
    return split_fingerprint(open_split(config))


def describe(samples: Sequence[Sample]) -> str:
    """Number of images and their fingerprint, as stored in checkpoints."""
    return f"{len(samples):,} images ({fingerprint(samples)})"


def split_fingerprint(split: Split) -> str:
    """The fingerprint of all three parts of a split."""
    parts = [fingerprint(part) for part in (split.train, split.query, split.gallery)]
    return _short("\n".join(parts).encode())


def image_digest(sample: Sample, files: dict[Path, FileContent]) -> str:
    """The hash of one image: of its file, of its file and its address in there, or of its pixels in memory."""
    image = sample.image
    if isinstance(image, np.ndarray):
        return f"{image.shape} {hashlib.sha256(image.tobytes()).hexdigest()}"
    digest = files[path_of(sample)].digest
    return f"{digest}#{image.fragment}" if isinstance(image, H5Image) else digest


def path_of(sample: Sample) -> Path:
    """The file that an image is in."""
    return sample.image.path if isinstance(sample.image, H5Image) else cast(Path, sample.image)


def file_digest(path: Path) -> str:
    """The SHA-256 of one file, see ``file_contents``."""
    return file_contents([path])[path].digest


def file_contents(paths: Iterable[Path]) -> dict[Path, FileContent]:
    """Size and SHA-256 of files. Each file is read once: its hash is stored in the cache folder.

    A stored hash is valid as long as path, size and both times of change of the file are unchanged; a file changed
    within the last seconds is read again next time. A cache folder that cannot be written costs time only.

    Raises:
        ValueError: for a file that cannot be read, by name.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(paths):
        by_folder.setdefault(path.parent, []).append(path)
    found: dict[Path, FileContent] = {}
    count = sum(map(len, by_folder.values()))
    with (
        ThreadPoolExecutor(max(4, os.cpu_count() or 1)) as pool,
        tqdm(total=count, desc="Reading files", unit="file", delay=2) as bar,
    ):
        for folder, files in by_folder.items():
            store = cache_dir() / "digests" / f"{_short(os.fsencode(os.path.abspath(folder)))}.json"
            known = _read_store(store)
            signs = dict(zip(files, pool.map(_sign, files), strict=True))
            changed = [path for path in files if known.get(path.name, [None])[:-1] != signs[path]]
            digests = {path: known[path.name][-1] for path in files if path not in set(changed)}
            for path, digest in zip(changed, pool.map(_sha256, changed), strict=True):
                digests[path] = digest
                bar.update()
            bar.update(len(files) - len(changed))
            found |= {path: FileContent(signs[path][0], digests[path]) for path in files}
            settled = time.time_ns() - int(SETTLED * 1e9)
            new = {p.name: [*signs[p], digests[p]] for p in changed if max(signs[p][1:]) < settled}
            if new:
                text = json.dumps(known | new).encode()  # ASCII: names that are not UTF-8 survive as escapes
                with contextlib.suppress(OSError):
                    write_atomically(store, text)
    return found


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


def _read_store(store: Path) -> dict[str, list[Any]]:
    try:
        return dict(json.loads(store.read_bytes()))
    except (OSError, ValueError, TypeError):  # none yet, or damaged: the files are read again
        return {}


def _sign(path: Path) -> list[int]:
    with _reading(path):
        s = path.stat()
    return [s.st_size, s.st_mtime_ns, s.st_ctime_ns]


def _sha256(path: Path) -> str:
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file. Check the path.") from None
    except OSError as error:
        raise ValueError(f"{path}: this file cannot be read ({error.strerror}).") from None
