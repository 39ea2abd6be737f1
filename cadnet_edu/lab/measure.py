"""From a finished run to its record: scores at every rate, image quality, analyses, budget, provenance."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cadnet_edu.config import Config
from cadnet_edu.data.fingerprint import split_fingerprint
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.evaluation.evaluate import image_quality
from cadnet_edu.lab.analyses import analyses, rates_to_see
from cadnet_edu.lab.image_strips import ENDING, chosen, recovered_people, strip_scores, write_strip
from cadnet_edu.lab.records import RunRecord
from cadnet_edu.lab.rows import Row
from cadnet_edu.lab.scoring import (
    RATES,
    Asked,
    bicubic,
    mean_over_seen,
    quality,
    rate_name,
    retrieval_scores,
    with_lpips,
)
from cadnet_edu.runs import Run, code_version, open_split, provenance
from cadnet_edu.training.devices import choose_device


def measure_floor(row: Row, path: Path | None = None) -> RunRecord:
    """The record of bilinear or bicubic up-sampling: image quality, no training.

    Args:
        row: which.
        path: where the record will be; its picture is written beside it.
    """
    config = row.config
    size = (config.height, config.width)
    split = open_split(config)
    query = cached_images(split.query, *size)
    extra, missing = with_lpips(size)
    found = {}
    for r in RATES:
        if row.name == "bilinear":
            found[rate_name(r)] = image_quality(None, query, r, extra=extra)
        else:  # bicubic starts from the small image: it sees the original and makes the rest itself
            found[rate_name(r)] = image_quality(lambda x, r=r: bicubic(x, r), query, 1, extra=extra)  # type: ignore[misc]
    found["mlr"] = mean_over_seen(found)
    people = recovered_people(query, None, row.name)
    picture = with_picture(people, query, path)
    about = provenance(config, data=None if config.dataset == "walkers" else split_fingerprint(split))
    return record(row, config, found, {}, {}, {}, missing, about, picture=picture)


def with_picture(people: dict[str, Tensor], query: Tensor, path: Path | None) -> dict[str, Any]:
    """Write the picture of Fig. 3 beside a record, and tell what it shows.

    Args:
        people: rate -> images of the people shown.
        query: all queries.
        path: of the record; None writes nothing.
    """
    if path is None:
        return {}
    write_strip(people, path.with_suffix(ENDING))
    return {"queries": chosen(query).tolist(), "rates": list(people), **strip_scores(query, people)}


def measure(row: Row, run: Run, path: Path | None = None) -> RunRecord:
    """Everything that is told about a finished run.

    Args:
        row: the line of the table it belongs to.
        run: the trained network with its history.
        path: where the record will be. The picture of the first seed, if the network recovers any, is written
            beside it.
    """
    config = run.config
    net = run.net.to(choose_device(config.device)).eval()
    asked = Asked(net, run.split(), config)
    gallery = asked.vectors(asked.split.gallery, images=asked.gallery)
    at = {rate_name(r): asked.vectors(asked.split.query, r, asked.query) for r in rates_to_see(RATES)}
    parts = retrieval_scores(asked, {rate_name(r): at[rate_name(r)] for r in RATES}, gallery)
    images, missing = quality(asked)
    scores: dict[str, dict[str, Any]] = {r: parts["u"][r] | images.get(r, {}) for r in parts["u"]}
    halves: dict[str, Any] = {name: parts[name] for name in ("f", "g") if name in parts}
    found = analyses(asked, run, at, gallery)
    shown = path if net.G is not None and config.seed == 0 else None
    picture = with_picture(recovered_people(asked.query, asked), asked.query, shown) if shown else {}
    return record(row, config, scores, halves, found, budget(run), missing, run.provenance, run.folder.name, picture)


def record(
    row: Row,
    config: Config,
    scores: dict[str, Any],
    parts: dict[str, Any],
    analyses: dict[str, Any],
    budget: dict[str, Any],
    missing: dict[str, str],
    about: dict[str, Any],
    network: str | None = None,
    picture: dict[str, Any] | None = None,
) -> RunRecord:
    """The parts of a record put together, numbers cut to seven digits.

    Args:
        row: the line of the table.
        config: of the run.
        scores: rate -> scores.
        parts: ``f`` and ``g`` -> rate -> scores by that half of u alone.
        analyses: name -> numbers.
        budget: steps, images, time, parameters.
        missing: what could not be measured, and why.
        about: provenance.
        network: the name under which the trained network is kept.
        picture: who is on the picture beside the record, and the scores of each.
    """
    settings = config.to_dict() | {"root": None}  # where somebody's data lie is nobody else's business
    told = {k: v for k, v in about.items() if k not in ("config", "seed", "training_seconds")}
    return rounded({
        "row": row.name, "label": row.label, "seed": config.seed,
        "scores": scores, "parts": parts, "analyses": rounded(analyses, 4), "picture": rounded(picture or {}, 4),
        "budget": budget, "missing": missing,
        "provenance": told | {"scored_by": code_version(None)}, "network": network, "config": settings,
    })  # fmt: skip


def rounded(value: Any, digits: int = 7) -> Any:
    """Numbers within dictionaries and lists, cut to so many significant digits; what is not finite becomes None.

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


def budget(run: Run) -> dict[str, Any]:
    """What a run cost: steps, images, seconds by the wall clock and of all cores together, parameters."""
    c = run.config
    images = 2 * (c.batch_size + getattr(c, "unlabelled_images", 0))  # HR and LR
    judges = sum(p.numel() for p in run.net.discriminator_parameters())
    return {
        "steps": c.steps,
        "images": c.steps * images,
        "wall_seconds": run.provenance["training_seconds"],
        "cpu_seconds": cpu_seconds(run.folder),
        "parameters": sum(p.numel() for p in run.net.parameters()) - judges,
        "discriminators": judges,
    }


def cpu_seconds(folder: Path) -> float | None:
    """CPU time of a training run, from ``cpu.jsonl``; None when nobody kept the time.

    A run that was killed repeats the steps after its last checkpoint; each logged step counts once.
    """
    path = folder / "cpu.jsonl"
    if not path.exists():
        return None
    spent: dict[int, float] = {}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # cut short by a kill
            continue
        spent[entry["step"]] = entry["cpu"]
    return round(math.fsum(spent.values()), 1)
