"""CAVIAR4REID: the one set of the paper whose low resolution is real."""

import re
from pathlib import Path
from statistics import median

from PIL import Image

from cadnet_edu.data.find_files import entries_below
from cadnet_edu.data.readers.finding import find_root, halves, image_files
from cadnet_edu.data.samples import Sample, Split

NAME = re.compile(r"^(?P<pid>\d{4})(?P<number>\d{3})\.[a-z]+$", re.IGNORECASE | re.ASCII)
A_CAMERA = 10  # images 001-010 of a person are from one camera, 011-020 from the other
HR, LR = 0, 1


def caviar(root: str | Path, seed: int = 0) -> Split:
    """CAVIAR4REID (Cheng et al., 2011): people in a shopping centre seen by a near and by a far camera.

    Files like ``0001011.jpg`` are person 1, image 11. 50 of the 72 people were seen by both cameras, ten times by
    each; the other 22 by one camera only, and they are left out. Half of the 50 are for training. Of the others the
    far camera's images are the queries, the near one's the gallery. Every ``rate`` is 1: these images are as they are.

    Args:
        root: the folder of the images, usually ``CAVIARa``, or its parent.
        seed: which halves.

    Raises:
        ValueError: for another kind of name, an unreadable image, fewer than four people seen by both cameras, or a
            person whose images from both are of one size.

    Choice:
        Which ten images are the near camera's is not written anywhere, and public code disagrees. We measure: the ten
        of larger area (median of height x width) are HR. Camera 0 is the near one, 1 the far one.
    """
    folder = image_folder(Path(root).expanduser())
    both = {pid: two for pid, two in by_camera(folder).items() if len(two) == 2}
    if len(both) < 4:
        raise ValueError(
            f"{folder}: {len(both)} people were seen by two cameras; at least 4 are needed, two to train on and two to "
            "test on. CAVIAR4REID has 50: is this the whole set?"
        )
    train, test = (sorted(half) for half in halves(both, seed))
    near_far = {pid: near_and_far(pid, two) for pid, two in both.items()}
    return Split(
        tuple(s for pid in train for samples in near_far[pid] for s in samples),
        tuple(s for pid in test for s in near_far[pid][LR]),
        tuple(s for pid in test for s in near_far[pid][HR]),
        name=f"CAVIAR-seed{seed}",
    )


def image_folder(root: Path) -> Path:
    """The folder itself when images lie in it, else the usual one inside."""
    if root.is_dir() and any(NAME.match(p.name) for p in entries_below(root, depth=0)):
        return root
    return find_root(root, "CAVIARa", "CAVIAR4REID") / "CAVIARa"


def by_camera(folder: Path) -> dict[int, dict[int, list[Path]]]:
    """Person -> which ten -> files."""
    found: dict[int, dict[int, list[Path]]] = {}
    for path in image_files(folder, "CAVIAR4REID"):
        match = NAME.match(path.name)
        number = int(match["number"]) if match else 0
        if match is None or not 1 <= number <= 2 * A_CAMERA:
            raise ValueError(
                f"{path}: the name does not say who and which. It must read like 0001011.jpg, person 1, image 11 "
                "of at most 20."
            )
        found.setdefault(int(match["pid"]), {}).setdefault((number - 1) // A_CAMERA, []).append(path)
    return found


def near_and_far(pid: int, two: dict[int, list[Path]]) -> tuple[list[Sample], list[Sample]]:
    """The samples of a person's HR and LR camera, distinguished by the image sizes."""
    areas = {which: median(area(path) for path in paths) for which, paths in two.items()}
    far, near = sorted(areas, key=lambda which: areas[which])
    if areas[far] == areas[near]:
        raise ValueError(
            f"{two[near][0].parent}: the images of person {pid:04d} from both cameras are equally large, so the LR "
            "camera cannot be determined. Were they resized? Take the files as published."
        )
    return [Sample(p, pid, HR) for p in two[near]], [Sample(p, pid, LR) for p in two[far]]


def area(path: Path) -> int:
    """Pixels of an image file, from its header alone."""
    try:
        with Image.open(path) as file:
            return file.width * file.height
    except Exception as error:  # damaged files make the decoders raise errors of many kinds
        raise ValueError(f"{path}: this file cannot be read as an image ({error}). Unpack the archive again.") from None
