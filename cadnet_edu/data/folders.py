"""Data sets on disk: a folder in, a ``Split`` out. Nothing is copied, rewritten or fetched."""

from __future__ import annotations

import re
from pathlib import Path

from cadnet_edu.data.samples import Sample, Split

MARKET_NAME = re.compile(r"^(?P<pid>-1|\d+)_c(?P<camera>\d+)")


def market1501(root: str | Path) -> Split:
    """Market-1501 (Zheng et al., 2015), or any set in its layout.

    ``bounding_box_train/``, ``query/`` and ``bounding_box_test/`` hold files like ``0001_c1s1_000151_01.jpg``:
    identity, camera, sequence, frame, box. ``-1`` marks junk, which is left out; ``0000`` marks distractors, which
    stay in the gallery.

    Args:
        root: the folder that holds the three, or its parent.

    Raises:
        ValueError: when a folder is missing or empty, or an image in it has another kind of name.
    """
    root = find_root(Path(root).expanduser(), "bounding_box_train", "Market-1501-v15.09.15")
    train, query, gallery = (
        tuple(market_folder(root / name)) for name in ("bounding_box_train", "query", "bounding_box_test")
    )
    return Split(train, query, gallery, name=root.name or "market1501")


def find_root(root: Path, inner: str, usual: str) -> Path:
    """The folder that holds ``inner``: the one given, or the usual one inside it, or its only subfolder that does.

    Raises:
        ValueError: when there is none, or several; the message says what was found instead.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder. Give the folder that holds {inner}/.")
    for candidate in (root, root / usual):
        if (candidate / inner).is_dir():
            return candidate
    inside = sorted(p for p in root.iterdir() if (p / inner).is_dir())
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(p.name for p in inside)
        raise ValueError(f"{root}: {len(inside)} folders in here hold {inner}/: {names}. Give the one that you mean.")
    found = ", ".join(sorted(p.name for p in root.iterdir())[:6]) or "nothing"
    raise ValueError(f"{root}: no folder {inner}/ in here, only {found}. Give the folder that holds {inner}/.")


def market_folder(folder: Path) -> list[Sample]:
    """The samples of one folder in Market-1501's naming, in order of their names.

    Raises:
        ValueError: when the folder is missing, empty, or no name in it has an identity and a camera.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: this folder is missing. A set in Market-1501's layout has it.")
    shown = (p for p in folder.iterdir() if not p.name.startswith("."))  # macOS leaves ._0001_c1.jpg and the like
    files = sorted(p for p in shown if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))
    if not files:
        raise ValueError(f"{folder}: no image (.jpg, .png, .bmp) in here. Is it the right folder level?")
    samples = []
    for path in files:
        match = MARKET_NAME.match(path.name)
        if match is None:
            raise ValueError(
                f"{path}: the name does not say who and where. It must begin like 0001_c1, "
                "identity 1 from camera 1."
            )
        if int(match["pid"]) >= 0:
            samples.append(Sample(path, int(match["pid"]), int(match["camera"])))
    return samples
