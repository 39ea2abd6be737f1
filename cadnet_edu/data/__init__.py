"""Data sets: samples and splits, the embedded walkers, folders on disk, resolution, and batches."""

from __future__ import annotations

from pathlib import Path

from cadnet_edu.data.samples import Split

DATASETS = ("walkers", "market1501")


def load_split(
    dataset: str, root: Path | str | None = None, size: str = "M", height: int = 256, width: int = 128, seed: int = 0
) -> Split:
    """A data set by the name used on the command line.

    Args:
        dataset: ``walkers``, the embedded set, or the name of a set on disk.
        root: the folder of a set on disk.
        size, height, width, seed: of the embedded set: how many people, drawn at which size, which people.

    Raises:
        ValueError: for an unknown name, a missing folder, or data that cannot be trained on and scored.
    """
    from cadnet_edu.data import folders, walkers

    if dataset == "walkers":
        return walkers.walkers(size, height=height, width=width, seed=seed).check()
    if dataset not in DATASETS:
        raise ValueError(f"there is no data set {dataset!r}. Choose one of: {', '.join(DATASETS)}.")
    if root is None:
        raise ValueError(f"{dataset} lies on your disk: say where with --root FOLDER, or train on --dataset walkers.")
    return folders.market1501(root).check()
