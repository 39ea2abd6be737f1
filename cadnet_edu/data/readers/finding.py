"""Shared by the readers: find the data set's folder, list its images, draw the training identities."""

import random
from collections.abc import Iterable
from pathlib import Path

from cadnet_edu.data.find_files import images_below, is_hidden


def find_root(root: str | Path, inner: str, usual: str) -> Path:
    """The folder that holds ``inner``: the one given, or the usual one inside it, or its only subfolder that does.

    Hidden folders and those that operating systems add, such as ``__MACOSX``, are skipped.

    Args:
        root: the folder given by the user.
        inner: name of a folder or file of the data set.
        usual: name that the data set's own folder usually has.

    Raises:
        ValueError: when there is none, or several; the message says what was found instead.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        what = "this is a file, no folder" if root.exists() else "there is no such folder"
        raise ValueError(f"{root}: {what}. Give the folder that holds {inner}{'' if '.' in inner else '/'}.")
    for candidate in (root, root / usual):
        if (candidate / inner).exists():
            return candidate
    shown = sorted(p for p in root.iterdir() if not is_hidden(p.name))
    inside = [p for p in shown if (p / inner).exists()]
    if len(inside) == 1:
        return inside[0]
    kind = inner if "." in inner else f"{inner}/"
    if inside:
        names = ", ".join(p.name for p in inside)
        raise ValueError(f"{root}: {len(inside)} folders in here hold {kind}: {names}. Give the one that you mean.")
    found = ", ".join([p.name for p in shown][:6]) or "nothing"
    what = "file" if "." in inner else "folder"
    raise ValueError(f"{root}: no {what} {kind} in here, only {found}. Give the folder that holds {kind}.")


def image_files(folder: Path, layout: str) -> list[Path]:
    """The image files of a folder, in order of their names; hidden files and other things are passed over.

    Raises:
        ValueError: when the folder is missing, holds no image, or holds images of a type that cannot be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: this folder is missing. A set in {layout}'s layout has it.")
    files = images_below(folder, depth=0)
    if not files:
        raise ValueError(f"{folder}: no image (.jpg, .png, .bmp ...) in here. Is it the right folder level?")
    return files


def halves(pids: Iterable[int], seed: int) -> tuple[set[int], set[int]]:
    """Cut identities into two random halves, for training and for testing; the same seed gives the same ones.

    >>> train, test = halves(range(4), seed=0)
    >>> len(train), len(test), sorted(train | test)
    (2, 2, [0, 1, 2, 3])
    """
    order = sorted(set(pids))
    random.Random(seed).shuffle(order)
    half = len(order) // 2
    return set(order[:half]), set(order[half:])
