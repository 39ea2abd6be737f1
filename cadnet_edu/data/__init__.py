"""Data sets: samples and splits, the embedded walkers, readers of sets on disk, resolution, and batches."""

from pathlib import Path

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split

DATASETS = ("walkers", "market1501", "dukemtmc_reid", "cuhk03", "viper", "caviar", "own")


def load_split(
    dataset: str,
    root: Path | str | None = None,
    size: str = "M",
    height: int = 256,
    width: int = 128,
    seed: int = 0,
    *,
    bbox: str = "detected",
    filename_pattern: str = "{pid}_{camera}_*",
    allow_withdrawn: bool = False,
    train: bool = True,
) -> Split:
    """A data set by the name used on the command line.

    Args:
        dataset: ``walkers``, the embedded set, or the name of a set on disk; ``own`` is a folder of your own images.
        root: the folder of a set on disk.
        size, height, width: of the embedded set: the number of people, and pixels.
        seed: of the drawn people (``walkers``) or the random halves (``viper``, ``caviar``, ``own``), or the number of
            the test set (``cuhk03``). The others have one split.
        bbox: of ``cuhk03``: ``detected`` or ``labeled``.
        filename_pattern: of ``own``: how file names give identity and camera; see ``readers.custom``.
        allow_withdrawn: of ``dukemtmc_reid``: that you know that it was withdrawn and may use it.
        train: whether a training part is required.

    Raises:
        ValueError: for an unknown name, a missing folder, or data that cannot be trained on and scored.
    """
    from cadnet_edu.data import readers, walkers

    if dataset == "walkers" and root is not None:
        raise ValueError(f"the walkers need no folder, but root = {root}. For data on disk add --dataset NAME.")
    if dataset == "walkers":
        return walkers.walkers(size, height=height, width=width, seed=seed).check(train)
    if dataset not in DATASETS:
        raise ValueError(f"there is no data set {dataset!r}. Choose one of: {', '.join(DATASETS)}.")
    if root is None:
        raise ValueError(
            f"{dataset} lies on your disk: give its folder with --root FOLDER (in a notebook: set "
            "CADNET_EDU_ROOT before you start). The embedded set needs none: --dataset walkers."
        )
    if dataset == "dukemtmc_reid":
        split = readers.dukemtmc_reid(root, allow_withdrawn, train)
    elif dataset == "cuhk03":
        split = readers.cuhk03(root, bbox, testset=seed)  # type: ignore[arg-type]
    elif dataset == "viper":
        split = readers.viper(root, seed)
    elif dataset == "caviar":
        split = readers.caviar(root, seed)
    elif dataset == "own":
        split = readers.custom(root, filename_pattern, seed)
    else:
        split = readers.market1501(root, train)
    return split.check(train)


def open_split(config: Config, train: bool = True) -> Split:
    """The data set that a configuration names, see ``load_split``."""
    c = config
    return load_split(
        c.data.dataset, c.data.root, c.data.walkers_size, c.data.height, c.data.width, c.data.data_seed,
        bbox=c.data.bbox, filename_pattern=c.data.filename_pattern, allow_withdrawn=c.data.allow_withdrawn, train=train,
    )  # fmt: skip
