"""Walkers, the embedded data set: procedurally drawn pedestrians, no real persons.

Nothing is downloaded: images are computed, with the same bytes each time, so every figure of the book can be reproduced
on any machine. ``cadnet_edu.walkers`` draws single images; this module makes a data set of them: the list of images, a
cache of their pixels, and Market-1501's layout on disk.
"""

import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, NamedTuple

import numpy as np
import PIL
from PIL import Image
from tqdm import tqdm

from cadnet_edu.config import cache_dir
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.io import write_atomically
from cadnet_edu.walkers import render
from cadnet_edu.walkers.render import Drawing, Keypoint, check_size, draw

__all__ = ["SIZES", "Drawing", "Keypoint", "draw", "walkers", "write_market1501"]

CACHE_FROM = 200  # a set with fewer images is drawn faster than a file is worth
POOL_FROM = 800  # with fewer, starting processes costs more time than it saves
CHUNK = 32  # images a worker draws between two reports


class SetSize(NamedTuple):
    """Training and test identities, cameras, and images of a person by a camera (0: as many as Market-1501 has)."""

    train: int
    test: int
    cameras: int
    shots: int


SIZES = {"S": SetSize(32, 32, 4, 2), "M": SetSize(120, 100, 4, 3), "L": SetSize(751, 750, 6, 0),
         "XL": SetSize(1200, 100, 6, 3)}  # fmt: skip
PRETRAINING_SEED = 2019  # of the people, cameras and streets that ``weights="walkers"`` was trained on


class Shot(NamedTuple):
    """One image to draw, and the part of the split it goes to."""

    identity: int
    camera: int
    shot: int
    role: str


def _spread(total: int, bins: int) -> list[int]:
    """Distribute ``total`` items over ``bins`` as evenly as possible.

    >>> _spread(7, 3)
    [2, 2, 3]
    """
    return [(i + 1) * total // bins - i * total // bins for i in range(bins)]


def _visits(identities: range, pairs: int, cameras: int, seed: int) -> list[tuple[int, int]]:
    """Pairs of (identity, camera), for sets in which a person passes only some of the cameras."""
    found = []
    for identity, n in zip(identities, _spread(pairs, len(identities))):
        order = np.random.default_rng([seed, 8, identity]).permutation(cameras)
        found += [(identity, int(c)) for c in sorted(order[: max(2, min(n, cameras))])]
    return found


def planned_shots(train: range, test: range, cameras: int, shots: int, seed: int) -> list[Shot]:
    """All images of a set, ordered by identity so that a worker draws the clothes of each person once."""
    if shots:
        seen = {ids: [(i, c) for i in ids for c in range(cameras)] for ids in (train, test)}
        counts = {train: [shots] * len(seen[train]), test: [max(shots - 1, 1)] * len(seen[test])}
    else:  # Market-1501: 12,936 training images, 3,368 queries, 15,913 in the gallery, for 751 and 750 identities
        pairs = {train: len(train) * 3373 // 751, test: len(test) * 3368 // 750}
        images = {train: len(train) * 12936 // 751, test: len(test) * 15913 // 750}
        seen = {ids: _visits(ids, pairs[ids], cameras, seed) for ids in (train, test)}
        counts = {ids: _spread(images[ids], len(seen[ids])) for ids in (train, test)}
    found = [Shot(i, c, k, "train") for (i, c), n in zip(seen[train], counts[train]) for k in range(n)]
    for (i, c), n in zip(seen[test], counts[test]):
        found += [Shot(i, c, 0, "query"), *(Shot(i, c, k + 1, "gallery") for k in range(n))]
    return found


def walkers(
    size: str = "M",
    height: int = 128,
    width: int = 64,
    seed: int = 0,
    *,
    identities: tuple[int, int] | None = None,
    cameras: int | None = None,
    shots: int | None = None,
    train: bool = True,
    progress: bool | None = None,
) -> Split:
    """The embedded data set, cut into train, query and gallery.

    Args:
        size: ``"S"`` (32 + 32 identities, 512 images, for quick checks), ``"M"`` (120 + 100, 2,640 images), ``"L"``
            (751 + 750 and the image counts of Market-1501, 32,217 images) or ``"XL"`` (1,200 + 100, 23,400 images,
            for pretraining).
        height, width: pixels of each image. The scenes do not depend on them.
        seed: another seed gives other people, cameras and streets. ``PRETRAINING_SEED`` is for size ``"XL"`` only.
        identities: number of training and test identities, instead of the size's.
        cameras: number of cameras, instead of the size's.
        shots: images of one person by one camera, instead of the size's. In the test part one of them is the query
            and the others, at least one, go to the gallery.
        train: whether to draw the training part.
        progress: show a progress bar; by default for sets that take more than a few seconds.

    Returns:
        A `Split` whose identities are ``0 .. n-1`` in train and ``n ..`` in query and gallery. Pixels of sets of 200
        images or more are cached in one file below ``cache_dir() / "walkers"``, which is mapped into memory.

    Raises:
        ValueError: for an unknown size, invalid pixel sizes, too few identities, cameras or shots, or the people of
            the pretraining.

    Choice:
        Training on all images of a person by all cameras, and one query for each test person and camera, follow
        Market-1501; unlike there, in small sets every camera has images of everyone.
    """
    if size not in SIZES:
        raise ValueError(f"There is no Walkers size {size!r}. Choose one of {', '.join(map(repr, SIZES))}.")
    check_size(height, width)
    if seed == PRETRAINING_SEED and size != "XL":
        raise ValueError(
            f"seed {seed} draws the people that weights='walkers' was trained on: a test on them would measure memory. "
            "Choose another seed."
        )
    base = SIZES[size]
    n_train, n_test = identities or (base.train, base.test)
    n_cameras, n_shots = cameras or base.cameras, base.shots if shots is None else shots
    if n_train < 2 or n_test < 1 or n_cameras < 2 or n_shots < 0 or (shots is not None and shots < 1) or seed < 0:
        raise ValueError(
            f"identities=({n_train}, {n_test}), cameras={n_cameras}, shots={shots}, seed={seed}: Walkers needs at "
            "least 2 training identities, 1 test identity, 2 cameras (a query is searched in other cameras), 1 "
            "shot, and a seed of 0 or more."
        )
    jobs = planned_shots(range(n_train), range(n_train, n_train + n_test), n_cameras, n_shots, seed)
    jobs = [job for job in jobs if train or job.role != "train"]
    pixels = _pixels(jobs, height, width, seed, progress)
    parts: dict[str, list[Sample]] = {"train": [], "query": [], "gallery": []}
    for job, image in zip(jobs, pixels):
        name = f"{job.identity:04d}_c{job.camera + 1}_{job.shot:02d}"
        parts[job.role].append(Sample(image, job.identity, job.camera, name=name))
    name = f"walkers-{size}-{height}x{width}-seed{seed}"
    return Split(tuple(parts["train"]), tuple(parts["query"]), tuple(parts["gallery"]), name).check(train)


# --- pixels: drawn once, stored in a file ------------------------------------------------------------------------


def _source_key() -> str:
    """A hash of the drawing code; each version has its own cache files."""
    here = Path(render.__file__).parent
    sources = b"".join(p.read_bytes() for p in sorted(here.glob("*.py")))
    return hashlib.sha256(sources + f"{np.__version__} {PIL.__version__}".encode()).hexdigest()


def _pixels(jobs: list[Shot], height: int, width: int, seed: int, progress: bool | None) -> np.ndarray:
    """``(n, height, width, 3)`` uint8, read only, from the cache if possible."""
    if len(jobs) < CACHE_FROM:
        pixels = np.concatenate(list(_drawn(jobs, height, width, seed, progress)))
        pixels.flags.writeable = False
        return pixels
    key = json.dumps([_source_key(), [job[:3] for job in jobs], height, width, seed])
    path = cache_dir() / "walkers" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    cached = _read(path, jobs, height, width, seed)
    if cached is not None:
        return cached
    try:
        _write(path, _drawn(jobs, height, width, seed, progress), (len(jobs), height, width, 3))
    except OSError as error:
        warnings.warn(
            f"{path.parent}: the images of Walkers cannot be stored here ({error}), so they stay in memory and are "
            "drawn again next time. Free some space or point CADNET_EDU_CACHE to a folder that can be written.",
            RuntimeWarning,
            stacklevel=3,
        )
        return np.concatenate(list(_drawn(jobs, height, width, seed, progress)))
    cached = _read(path, jobs, height, width, seed)
    if cached is None:
        raise OSError(f"{path}: just written, and it reads back differently. The disk or its file system is at fault.")
    return cached


def _read(path: Path, jobs: list[Shot], height: int, width: int, seed: int) -> np.ndarray | None:
    """The cache file mapped into memory; None if it is missing, truncated or of other images.

    Three of the images are drawn again and compared, to find a file of the right size with wrong content.
    """
    try:
        pixels = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if pixels.shape != (len(jobs), height, width, 3) or pixels.dtype != np.uint8:
        return None
    for i in (0, len(jobs) // 2, len(jobs) - 1):
        if not np.array_equal(pixels[i], draw(*jobs[i][:3], height=height, width=width, seed=seed).image):
            return None
    return pixels


def _write(path: Path, chunks: Iterator[np.ndarray], shape: tuple[int, ...]) -> None:
    """Write an ``.npy`` file in pieces, atomically, without all images in memory."""

    def write(file: BinaryIO) -> None:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for chunk in chunks:
            file.write(chunk.tobytes())

    write_atomically(path, write)


def _draw_chunk(task: tuple[list[Shot], int, int, int]) -> np.ndarray:
    jobs, height, width, seed = task
    return np.stack([draw(j.identity, j.camera, j.shot, height=height, width=width, seed=seed).image for j in jobs])


def _drawn(jobs: list[Shot], height: int, width: int, seed: int, progress: bool | None) -> Iterator[np.ndarray]:
    """Draw all images, in order, in chunks: on all cores if there are many, with a progress bar if it takes a while."""
    tasks = [(jobs[i : i + CHUNK], height, width, seed) for i in range(0, len(jobs), CHUNK)]
    long = len(jobs) * max(height * width, 4096) > 1500 * 128 * 64
    shown = long if progress is None else progress
    done = 0
    with tqdm(total=len(jobs), desc=f"Drawing Walkers {height}x{width}", unit="image", disable=not shown) as bar:
        for chunk in _pooled(tasks) if len(jobs) >= POOL_FROM else iter(()):
            done += 1
            bar.update(len(chunk))
            yield chunk
        for task in tasks[done:]:  # all of them without a pool, the rest if the pool broke
            chunk = _draw_chunk(task)
            bar.update(len(chunk))
            yield chunk


def _workers() -> int:
    """Number of worker processes: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pooled(tasks: list[tuple[list[Shot], int, int, int]]) -> Iterator[np.ndarray]:
    """Chunks drawn by a pool of processes, in order; ends early, without an error, if processes cannot be used.

    Choice:
        ``fork`` on Linux, since workers start at once and only compute with NumPy; ``spawn`` elsewhere. Workers started
        by ``spawn`` usually import the script that started them, which fails without ``if __name__ == "__main__"``.
        These do not need it, so it is hidden from them.
    """
    if _workers() < 2 or multiprocessing.current_process().daemon:
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: the workers use none of theirs
            pool = ProcessPoolExecutor(min(_workers(), len(tasks)), mp_context=context)
            with _hidden_main():
                results = pool.map(_draw_chunk, tasks)  # all workers are started here
        with pool:
            yield from results
    except (BrokenProcessPool, OSError):
        return


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Processes started in here by ``spawn`` do not import the script or notebook that starts them."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


# --- Market-1501's layout ---------------------------------------------------------------------------------------

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def write_market1501(split: Split, folder: str | Path) -> Path:
    """Write Walkers as files in the layout in which Market-1501 is published.

    ``bounding_box_train``, ``query`` and ``bounding_box_test`` hold files such as ``0001_c1s1_000151_01.jpg``:
    identity, camera, sequence, frame, box. The reader of Market-1501 reads them as well. Identities and cameras count
    from 1 there, so ``pid`` and ``camera`` are written plus one; ``0000`` would mark distractors.

    Args:
        split: what `walkers` returned; images are written at the size they have.
        folder: must not exist or be empty.

    Returns:
        The folder.

    Raises:
        ValueError: when the folder holds something already.
        OSError: when it cannot be written; nothing is left behind then.

    Choice:
        JPEG, as in Market-1501, but of quality 97 without chroma sub-sampling (4:4:4), to preserve the fine stripes of
        Walkers.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: there is something here already. Give a new or an empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:32]}-"))
    try:
        for role, name in FOLDERS.items():
            (temporary / name).mkdir()
            _write_images(getattr(split, role), temporary / name, first=1 if role != "gallery" else 500_001)
        temporary.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _write_images(samples: tuple[Sample, ...], folder: Path, first: int) -> None:
    for frame, sample in enumerate(samples, first):
        name = f"{sample.pid + 1:04d}_c{sample.camera + 1}s1_{frame:06d}_01.jpg"
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(sample.load())).save(buffer, "JPEG", quality=97, subsampling=0)
        (folder / name).write_bytes(buffer.getvalue())
