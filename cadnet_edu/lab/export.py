"""Export trained networks as files of the package: in half precision, with scores and a model card."""

import tempfile
from pathlib import Path
from typing import Any

from cadnet_edu.data import open_split
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.measure import budget, origin, rounded
from cadnet_edu.lab.scoring import evaluator_of, floor_scores, score
from cadnet_edu.methods.cadnet import model_of
from cadnet_edu.pretrained import WEIGHTS, export, model_card, names, pretrained
from cadnet_edu.runs import Run

HISTORY = 100  # log entries kept


def export_run(run: Run, name: str, folder: Path = WEIGHTS) -> Path:
    """Write a run as a pretrained network, with the scores of its float16 weights, and the model card of all networks.

    Returns:
        the file.
    """
    every = max(1, -(-len(run.history) // HISTORY))
    record: dict[str, Any] = {"budget": budget(run.model.cost), "provenance": origin(run.provenance)}
    with tempfile.TemporaryDirectory() as place:  # score the float16 weights, as they will be loaded
        export(run.net, run.config, record, [], name, Path(place))
        halved = pretrained(name, Path(place))
    split, fp32 = open_split(run.config, train=False), run.config.replace(precision="fp32")
    evaluator = evaluator_of(model_of(halved.net), split, fp32)
    scores, _, missing = score(evaluator)
    record |= {"scores": scores, "missing": missing}
    if halved.net.G is not None:
        record["floor"] = floor_scores("bilinear", evaluator.images("query"), fp32.data.size)[0]
    path = export(run.net, run.config, rounded(record), run.history, name, folder, every)
    card = model_card([pretrained(each, folder) for each in names(folder)])
    write_atomically(folder / "README.md", card.encode())
    return path
