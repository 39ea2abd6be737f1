"""Making the trained networks that come with the package: halved, scored as they are, and described."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from cadnet_edu.command_line import read
from cadnet_edu.config import Config
from cadnet_edu.experiments.asking import RATES, Asked, quality, rate_name, retrieval_scores
from cadnet_edu.experiments.measure import budget, rounded
from cadnet_edu.files import write_atomically
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.pretrained import WEIGHTS, export, model_card, names, pretrained
from cadnet_edu.runs import Run, load_run, open_split

HISTORY = 100  # records of the losses that are kept


@dataclass
class Export:
    """Keep a trained run as a small file that comes with the package: half precision, scored as it is."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The --out folder of a training run."""
    name: str = "cadnet"
    """How it will be called: pretrained(NAME)."""
    out: Path = WEIGHTS
    """Folder of such files; the package's own without it."""
    root: Path | None = None
    """Folder of the data set that it was trained on, where that has moved."""


def export_command(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``"""
    asked = read(Export, arguments, "cadnet-edu export")
    run = load_run(asked.folder)
    if asked.root is not None and run.config.dataset == "walkers":
        raise ValueError(f"--root {asked.root}: this run was trained on walkers, which lie in no folder. Leave it out.")
    if asked.root is not None:
        run = replace(run, config=replace(run.config, root=asked.root))
    path = ship(run, asked.name, asked.out)
    print(f"{path}, {path.stat().st_size / 2**20:.2f} MB; model card: {path.parent / 'README.md'}", file=sys.stderr)


def ship(run: Run, name: str, folder: Path = WEIGHTS) -> Path:
    """Write a run as a pretrained network, with the scores of the halved weights, and the model card of all.

    Args:
        run: a finished run.
        name: how it will be called.
        folder: of the files.

    Returns:
        the file.
    """
    every = max(1, -(-len(run.history) // HISTORY))
    told = {k: v for k, v in run.provenance.items() if k not in ("config", "seed", "training_seconds")}
    record: dict[str, Any] = {"budget": budget(run), "provenance": told}
    with tempfile.TemporaryDirectory() as place:  # what is scored is what will be read back
        export(run.net, run.config, record, [], name, Path(place))
        halved = pretrained(name, Path(place))
    record |= scores_of(halved.net, run.config)
    path = export(run.net, run.config, rounded(record), run.history, name, folder, every)
    card = model_card([pretrained(each, folder) for each in names(folder)])
    write_atomically(folder / "README.md", lambda file: file.write(card.encode()))
    return path


def scores_of(net: CADNet, config: Config) -> dict[str, Any]:
    """Retrieval and image quality of a network on its own data set, in float32 on the CPU, and what is missing.

    Args:
        net: on the CPU.
        config: its settings.
    """
    asked = Asked(net, open_split(config, train=False), replace(config, device="cpu", precision="fp32"))
    gallery = asked.vectors(asked.split.gallery, images=asked.gallery)
    at = {rate_name(r): asked.vectors(asked.split.query, r, asked.query) for r in RATES}
    parts = retrieval_scores(asked, at, gallery)
    images, missing = quality(asked)
    return {"scores": {r: parts["u"][r] | images.get(r, {}) for r in parts["u"]}, "missing": missing}
