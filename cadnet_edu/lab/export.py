"""Making the trained networks that come with the package: halved, scored as they are, and described."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cadnet_edu.config import Config
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.measure import budget, rounded
from cadnet_edu.lab.scoring import RATES, Asked, quality, rate_name, retrieval_scores
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.pretrained import WEIGHTS, export, model_card, names, pretrained
from cadnet_edu.runs import Run, open_split

HISTORY = 100  # records of the losses that are kept


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
