"""Measure a finished run and make its record: scores, image quality, analyses, budget, provenance."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cadnet_edu.config import Config
from cadnet_edu.data import open_split
from cadnet_edu.data.fingerprint import split_fingerprint
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.evaluation.model import Cost
from cadnet_edu.lab.analyses import analyses
from cadnet_edu.lab.image_strips import ENDING, recovered_people, sample_queries, strip_scores, write_strip
from cadnet_edu.lab.records import RunRecord
from cadnet_edu.lab.rows import Row
from cadnet_edu.lab.scoring import evaluator_of, floor_scores, score
from cadnet_edu.runs import Run, provenance
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.devices import choose_device


def measure_floor(row: Row, path: Path | None = None) -> RunRecord:
    """The record of bilinear or bicubic up-sampling: image quality only; the images of Fig. 3 are written beside it."""
    config = row.config
    split = open_split(config)
    query = cached_images(split.query, *config.data.size)
    found, missing = floor_scores(row.name, query, config.data.size)
    picture = with_picture(recovered_people(query, None, row.name), query, path)
    metadata = provenance(config, data=None if config.data.dataset == "walkers" else split_fingerprint(split))
    return record(row, config, metadata, found, missing, picture=picture)


def with_picture(people: dict[str, Tensor], query: Tensor, path: Path | None) -> dict[str, Any]:
    """Write the images of Fig. 3 beside a record; the positions of these queries and their scores."""
    if path is None:
        return {}
    write_strip(people, path.with_suffix(ENDING))
    return {"queries": sample_queries(query).tolist(), "rates": list(people), **strip_scores(query, people)}


def measure(row: Row, run: Run, path: Path | None = None) -> RunRecord:
    """The record of a finished run; for seed 0 of a model that recovers, the images of Fig. 3 are written beside it."""
    config = run.config
    evaluator = evaluator_of(run.model.to(choose_device(config.run.device)), run.split(), config)
    scores, views, missing = score(evaluator)
    picture = {}
    if path is not None and run.model.recover is not None and config.run.seed == 0:
        query = evaluator.images("query")
        picture = with_picture(recovered_people(query, evaluator), query, path)
    more = {"parts": views, "analyses": analyses(evaluator, run), "picture": picture, "budget": budget(run.model.cost)}
    return record(row, config, run.provenance, scores, missing, network=run.folder.name, **more)


def record(
    row: Row, config: Config, metadata: dict[str, Any], scores: dict[str, Any], missing: dict[str, str], **more: Any
) -> RunRecord:
    """Put a record together, with numbers of seven digits, of analyses and pictures of four.

    Args:
        row: of the table.
        config: of the run.
        metadata: provenance.
        scores: rate -> scores.
        missing: score -> the reason why it could not be measured.
        more: ``parts`` (view -> rate -> scores by that part of u alone), ``analyses``, ``picture``, ``budget``, and
            ``network``, the folder name of the trained network; what up-sampling does not have is left out.
    """
    analyses, picture = (rounded(more.get(name, {}), 4) for name in ("analyses", "picture"))
    return rounded({
        "row": row.name, "label": row.label, "seed": config.run.seed,
        "scores": scores, "parts": more.get("parts", {}), "analyses": analyses, "picture": picture,
        "budget": more.get("budget", {}), "missing": missing,
        "provenance": origin(metadata) | {"scored_by": code_version(None)}, "network": more.get("network"),
        "config": config.replace(root=None).to_dict(),  # a private path is not published
    })  # fmt: skip


def origin(metadata: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a run without what its record holds elsewhere: settings, seed, time."""
    return {k: v for k, v in metadata.items() if k not in ("config", "seed", "training_seconds")}


def rounded(value: Any, digits: int = 7) -> Any:
    """Round all numbers within dictionaries and lists to some significant digits; NaN and infinity become None.

    >>> rounded({"a": [1 / 3, float("nan")], "b": 12}, digits=3)
    {'a': [0.333, None], 'b': 12}
    """
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v, digits) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def budget(cost: Cost) -> dict[str, Any]:
    """A model's cost under the names of records: ``training_parameters`` are those of the discriminators."""
    return {("discriminators" if k == "training_parameters" else k): v for k, v in asdict(cost).items()}
