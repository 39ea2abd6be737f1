"""The MLR versions of a data set as several groups built them: named settings of ``mlr``.

Sec. 4.4 of the paper is one sentence, and public code implements it in different ways. What the arguments of ``mlr``
can express is a setting here; other differences are described in ``differs``. Results on different constructions are
not comparable.
"""

from dataclasses import dataclass, field
from typing import Any

from cadnet_edu.data.resolution import mlr
from cadnet_edu.data.samples import Split


@dataclass(frozen=True)
class Construction:
    """One group's construction."""

    of: str  # the data sets it was made for
    settings: dict[str, Any] = field(default_factory=dict)  # arguments of ``mlr``; the others are as in the paper
    differs: str = ""  # from the paper's; kernel and file format are always ours here, see ``degrade``


CONSTRUCTIONS: dict[str, Construction] = {
    "paper": Construction("CUHK03, VIPeR, Market-1501, DukeMTMC-reID", {}, "nothing: Sec. 4.4 as we read it."),
    "vpfa-cuhk03": Construction(
        "CUHK03", {"train": False, "gallery_images": 1},
        "training images stay HR; one HR image an identity in the gallery, in 10 seeded draws; PIL's bilinear kernel.",
    ),
    "vpfa-viper": Construction(
        "VIPeR", {"rate_per": "identity"}, "one rate for all images of a person; bicubic kernel, sizes rounded down.",
    ),
    "vpfa-market1501": Construction(
        "Market-1501", {"keep_roles": True},
        "queries and gallery are those of Market-1501, and in each a camera of every person is LR, so the gallery "
        "holds LR images too; Lanczos kernel, sizes rounded down.",
    ),
    "prpr": Construction(
        "Market-1501, DukeMTMC-reID", {"lr_camera": 1},
        "camera 1 is the LR camera for everybody, its test images are the queries; OpenCV's bilinear kernel, which "
        "does not antialias, and the LR images are saved as JPEG again, which adds marks of its own.",
    ),
    "rlim": Construction(
        "Market-1501", {"lr_camera": 1},
        "as prpr, and all HR cameras are given one number, which changes nothing where the gallery has no LR camera.",
    ),
    "csr-gan": Construction(
        "VIPeR", {"rates": (2, 4, 8), "lr_camera": 1},
        "camera B is LR at rates 2, 4 and 8, camera A the HR gallery; made by halving several times, bicubic kernel.",
    ),
}  # fmt: skip


def construct(split: Split, name: str = "paper", seed: int = 0) -> Split:
    """The MLR version of a data set as one group makes it.

    Args:
        split: the data set at full resolution.
        name: a key of ``CONSTRUCTIONS``.
        seed: the same seed gives the same rates and cameras.

    Raises:
        ValueError: for an unknown name, a set whose low resolution is real, and as ``mlr`` does.
    """
    if name not in CONSTRUCTIONS:
        raise ValueError(f"there is no construction {name!r}. Choose one of: {', '.join(CONSTRUCTIONS)}.")
    if split.name.startswith("CAVIAR-"):
        raise ValueError("CAVIAR's low resolution is real (Sec. 4.4): there is nothing to construct. Use it as it is.")
    built = mlr(split, seed=seed, **CONSTRUCTIONS[name].settings)
    return Split(built.train, built.query, built.gallery, f"{built.name}-{name}-seed{seed}")
