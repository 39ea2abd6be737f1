"""The one walk over a data set's folder: which files belong to it, and which of them are images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

IMAGES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
OTHER_IMAGES = (  # images too, which Pillow alone does not open
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd",
)  # fmt: skip
SYSTEM = (  # files and folders that operating systems and network disks add
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle", "$recycle.bin",
    "system volume information", "lost+found",
)  # fmt: skip


def files_below(root: Path) -> Iterator[Path]:
    """All regular files of a data set, in an order that depends on names alone.

    Links to files and folders are followed. Left out are hidden files and folders (``.git``, ``._0001.jpg``), those of
    ``SYSTEM``, links that lead nowhere, and links to a folder that they lie in.

    Args:
        root: the folder; a root that is a file yields itself.

    Raises:
        OSError: for a folder that cannot be read.
    """
    return (path for path in entries_below(root) if path.is_file())


def entries_below(root: Path, depth: int | None = None) -> Iterator[Path]:
    """What ``files_below`` yields, and also links that lead nowhere, pipes and the like: all that is no folder.

    Args:
        root: the folder; a root that is no folder yields itself.
        depth: how many levels of folders below the root to enter; without it, all.

    Raises:
        OSError: for a folder that cannot be read.
    """
    yield from _below(root, depth, ())


def _below(path: Path, depth: int | None, parents: tuple[str, ...]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    real = os.path.realpath(path)
    if real in parents or (depth is not None and len(parents) > depth):
        return
    for name in sorted(os.listdir(path)):
        if not is_hidden(name):
            yield from _below(path / name, depth, (*parents, real))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or was added by an operating system.

    >>> [is_hidden(name) for name in ("._a.jpg", ".DS_Store", "__MACOSX", "Thumbs.db", "a.jpg")]
    [True, True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in SYSTEM
