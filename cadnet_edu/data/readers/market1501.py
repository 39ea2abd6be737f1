"""Market-1501, and DukeMTMC-reID, which has the same layout and was withdrawn."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cadnet_edu.data.readers.finding import find_root, image_files
from cadnet_edu.data.samples import Sample, Split

MARKET_NAME = re.compile(r"^(?P<pid>-1|\d+)_c(?P<camera>\d+)", re.ASCII)
DUKE_NAME = re.compile(r"^(?P<pid>\d{4})_c(?P<camera>\d)_f\d+", re.ASCII)
DUKE_FILE = re.compile(r"^\d{4}_c\d_f\d{7}\b", re.ASCII)  # no other set has such names
PARTS = ("bounding_box_train", "query", "bounding_box_test")
USUAL = {"market1501": "Market-1501-v15.09.15", "dukemtmc_reid": "DukeMTMC-reID"}  # what the sets' folders are called

WITHDRAWN = (
    "DukeMTMC-reID was withdrawn by its university on 25 April 2019: it was recorded and given out in ways that the "
    "review board had not approved, and no consent of the people in it is documented. This package neither links nor "
    "fetches it, and shows the paper's column for it as history. If you hold a copy lawfully and your own review "
    "board agrees, say so with allow_withdrawn=True (--allow-withdrawn), and say so again in what you publish."
)


def market1501(root: str | Path, train: bool = True) -> Split:
    """Market-1501 (Zheng et al., 2015), or any set in its layout.

    ``bounding_box_train/``, ``query/`` and ``bounding_box_test/`` hold files like ``0001_c1s1_000151_01.jpg``:
    identity, camera, sequence, frame, box. ``-1`` marks junk, which is left out; ``0000`` marks distractors, which
    stay in the gallery.

    Args:
        root: the folder that holds the three, or its parent.
        train: the training part is needed. Without it, ``bounding_box_train`` may be missing.

    Raises:
        ValueError: when a folder is missing or empty, or an image in it has another kind of name or one of the
            withdrawn DukeMTMC-reID.
    """
    root = market_root(root, "market1501", train)
    like = "It must begin like 0001_c1, identity 1 from camera 1."
    split = read_parts(root, MARKET_NAME, "Market-1501", like, train)
    check_not_withdrawn(s.name for s in (*split.train, *split.query, *split.gallery))
    return split


def dukemtmc_reid(root: str | Path, allow_withdrawn: bool = False, train: bool = True) -> Split:
    """DukeMTMC-reID (Zheng et al., 2017), withdrawn in 2019: read only with ``allow_withdrawn``.

    The three folders of Market-1501 hold files like ``0005_c2_f0046985.jpg``: identity, camera, frame. 702 identities
    are for training and 702 for testing; 408 more, each seen by one camera, are distractors in the gallery.

    Args:
        root: the folder that holds the three, or its parent.
        allow_withdrawn: that you know that the set was withdrawn, hold a copy lawfully, and may use it.
        train: as for ``market1501``.

    Raises:
        ValueError: without ``allow_withdrawn``, with the reason; when a folder is missing or empty, or an image in it
            has another kind of name.
    """
    if not allow_withdrawn:
        raise ValueError(WITHDRAWN)
    root = market_root(root, "dukemtmc_reid", train)
    like = "It must begin like 0005_c2_f0046985, identity 5 from camera 2. Is this another data set?"
    return read_parts(root, DUKE_NAME, "DukeMTMC-reID", like, train)


def market_root(root: str | Path, dataset: str, train: bool = True) -> Path:
    """The folder that holds the three parts, found by its training part, or by its queries where that is not needed."""
    return find_root(root, PARTS[0] if train else PARTS[1], USUAL[dataset])


def read_parts(root: Path, pattern: re.Pattern[str], layout: str, like: str, train: bool) -> Split:
    """The split in a folder; without ``train``, a missing training folder gives an empty training part."""
    needed = [part for part in PARTS if train or part != PARTS[0] or (root / part).exists()]
    samples = {part: tuple(named_images(root / part, pattern, layout, like)) for part in needed}
    name = Path(os.path.abspath(root)).name or layout
    return Split(samples.get(PARTS[0], ()), samples[PARTS[1]], samples[PARTS[2]], name)


def check_not_withdrawn(names: Iterable[str]) -> None:
    """Check that no file is one of DukeMTMC-reID, whatever name is given for the data set.

    Raises:
        ValueError: with the first one, and why.

    >>> check_not_withdrawn(["0005_c2s1_000151_01.jpg", "query/0005_c2_0001.jpg", "0005_c2_f12.jpg"])
    """
    found = next((name for name in names if DUKE_FILE.match(PurePosixPath(name).name)), None)
    if found is not None:
        raise ValueError(f"{found} is a file name of DukeMTMC-reID, so give the name dukemtmc_reid. {WITHDRAWN}")


def named_images(folder: Path, pattern: re.Pattern[str], layout: str, like: str) -> list[Sample]:
    """The samples of one folder whose file names give identity and camera, in order of their names, without junk.

    Args:
        folder: the folder of the images.
        pattern: finds ``pid`` and ``camera`` at the beginning of a name.
        layout: the data set's name, for messages.
        like: what a name must look like, for messages.

    Raises:
        ValueError: when the folder is missing or empty, or a name does not match.
    """
    samples = []
    for path in image_files(folder, layout):
        match = pattern.match(path.name)
        if match is None:
            raise ValueError(f"{path}: the name does not say who and where. {like}")
        if int(match["pid"]) >= 0:
            samples.append(Sample(path, int(match["pid"]), int(match["camera"])))
    return samples
