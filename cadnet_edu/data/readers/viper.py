"""VIPeR: 632 people, two cameras, one image by each."""

import re
from pathlib import Path

from cadnet_edu.data.readers.finding import find_root, halves, image_files
from cadnet_edu.data.samples import Sample, Split

NAME = re.compile(r"^(?P<pid>\d{3,4})(?=[_.])", re.ASCII)


def viper(root: str | Path, seed: int = 0) -> Split:
    """VIPeR (Gray et al., 2007), cut into random halves of its people.

    ``cam_a/`` and ``cam_b/`` hold files like ``000_45.bmp``, of which the number in front is the person. Half of the
    people, 316 of 632, are for training. Of the others camera A's image is the query and camera B's the gallery.

    Args:
        root: the folder that holds ``cam_a`` and ``cam_b``, or its parent.
        seed: which halves. Published numbers are means over ten or more of them.

    Raises:
        ValueError: when a folder is missing or empty, a name has no number in front, a person has two images from one
            camera, or none from the other.
    """
    root = find_root(root, "cam_a", "VIPeR")
    a, b = (images_by_person(root / name, camera) for camera, name in enumerate(("cam_a", "cam_b")))
    alone = sorted(set(a) ^ set(b))
    if alone:
        some = ", ".join(f"{pid:03d}" for pid in alone[:5])
        raise ValueError(
            f"{root}: {len(alone)} people have an image in only one of cam_a and cam_b (for example {some}). "
            "VIPeR has one in each: unpack the archive again."
        )
    train, test = (sorted(half) for half in halves(a, seed))
    return Split(
        tuple(camera[pid] for pid in train for camera in (a, b)),
        tuple(a[pid] for pid in test),
        tuple(b[pid] for pid in test),
        name=f"VIPeR-seed{seed}",
    )


def images_by_person(folder: Path, camera: int) -> dict[int, Sample]:
    """The image of each person from one camera."""
    found: dict[int, Sample] = {}
    for path in image_files(folder, "VIPeR"):
        match = NAME.match(path.name)
        if match is None:
            raise ValueError(f"{path}: the name does not say who. It must begin like 000_45, person 0 at 45 degrees.")
        pid = int(match["pid"])
        if pid in found:
            raise ValueError(f"{path}: person {pid:03d} has another image in here, {found[pid].name}. VIPeR has one.")
        found[pid] = Sample(path, pid, camera, name=f"{folder.name}/{path.name}")
    return found
