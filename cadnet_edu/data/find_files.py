"""Walk a data set's folder: its files, and the images among them."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

IMAGES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
OTHER_IMAGES = (  # images too, which Pillow alone does not open
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd",
)  # fmt: skip
SYSTEM = (  # files and folders that operating systems and network disks add
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle", "$recycle.bin",
    "system volume information", "lost+found",
)  # fmt: skip


def entries_below(root: Path, depth: int | None = None) -> Iterator[Path]:
    """Everything in a data set's folder except folders, in an order that depends on names alone.

    Links to files and folders are followed. Left out are hidden files and folders (``.git``, ``._0001.jpg``), those of
    ``SYSTEM``, and links to a folder that they lie in.

    Args:
        root: the folder; a root that is no folder yields itself.
        depth: how many levels of folders below the root to enter; without it, all.
    """
    if root.is_dir():
        yield from _below(root, depth, ())
    else:
        yield root


def _below(folder: Path, depth: int | None, parents: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in parents or (depth is not None and len(parents) > depth):
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if is_hidden(entry.name):
            continue
        if path.is_dir() if entry.is_symlink() else entry.is_dir():
            yield from _below(path, depth, (*parents, real))
        else:
            yield path


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or was added by an operating system.

    >>> [is_hidden(name) for name in ("._a.jpg", ".DS_Store", "__MACOSX", "Thumbs.db", "a.jpg")]
    [True, True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in SYSTEM


def images_below(folder: Path, depth: int | None = None) -> list[Path]:
    """The image files of a folder. Broken links are included, so that reading them raises an error.

    Raises:
        ValueError: when there are images of a type that cannot be read, with their number.
    """
    found = list(entries_below(folder, depth))
    closed = [path for path in found if path.suffix.lower() in OTHER_IMAGES]
    if closed:
        raise ValueError(
            f"{closed[0]}: images of this kind cannot be opened here, {len(closed)} of them. Save them as JPEG or PNG, "
            "or take them out of the folder."
        )
    return [path for path in found if path.suffix.lower() in IMAGES]


def unused_images(root: Path, used: Iterable[Path]) -> Counter[str]:
    """The number of images below a folder that a data set does not use, by folder."""
    known = set(used)
    kinds = (*IMAGES, *OTHER_IMAGES)
    others = (path for path in entries_below(root) if path not in known and path.suffix.lower() in kinds)
    return Counter(path.parent.relative_to(root).as_posix() for path in others)
