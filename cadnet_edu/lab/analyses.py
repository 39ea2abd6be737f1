"""The analyses beyond the paper's tables, made for every record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from cadnet_edu.analysis import (
    confusions,
    error_by_frequency,
    margins,
    rank1_against_rate,
    resolution_probe,
    separation,
    tsne,
)
from cadnet_edu.data.resolution import degrade
from cadnet_edu.evaluation.distances import Distances
from cadnet_edu.evaluation.evaluate import chunks
from cadnet_edu.lab.gradient_contributions import pulls_at_E
from cadnet_edu.lab.scoring import Asked, Vectors, rate_name
from cadnet_edu.runs import Run
from cadnet_edu.walkers.people import GROUP

# What every record of a trained network holds; "margins" stays empty where u has no halves, "frequency" without G.
NAMES = ("sweep", "probe", "silhouette", "margins", "frequency", "confusions", "gradients", "map")
SWEEP = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
PROBES = {"seen": ("1", "2", "3", "4"), "unseen": ("1", "2", "4", "8")}
MAP_RATES = ("1", "2", "4", "8")  # Fig. 4
LOOKED_AT = ("2", "4", "8")
MAP_PEOPLE, MAP_IMAGES, FREQUENCY_IMAGES = 15, 4, 256


def rates_to_see(rates: Iterable[float]) -> list[float]:
    """The rates at which the queries are embedded: those of the tables and those of the continuous curve."""
    return sorted({*rates, *SWEEP})


def analyses(asked: Asked, run: Run, at: dict[str, Vectors], gallery: Vectors) -> dict[str, Any]:
    """name -> numbers, one entry for each of ``NAMES``.

    Args:
        asked: the network and the data.
        run: where it was trained.
        at: rate -> the queries as seen at it.
        gallery: the HR gallery.
    """
    who = (at["1"].pids, gallery.pids, at["1"].cams, gallery.cams)
    joint = "g" in gallery.parts()
    walkers = run.config.dataset == "walkers"
    return {
        "sweep": {
            rate_name(r): rank1 for r, rank1 in rank1_against_rate(
                {r: at[rate_name(r)].u for r in SWEEP}, gallery.u, *who
            ).items()
        },
        "probe": {name: resolution_probe(w_at(at, rates), who[0]) for name, rates in PROBES.items()},
        "silhouette": separation(w_at(at, MAP_RATES), who[0]),
        "margins": {r: margins(at[r].u, gallery.u, *who).summary() for r in ("1", *LOOKED_AT)} if joint else {},
        "frequency": frequency(asked),
        "confusions": {
            r: confusions(Distances(at[r].u, gallery.u), *who, group=look_alikes if walkers else None)
            for r in ("1", *LOOKED_AT)
        },
        "gradients": pulls_at_E(run, asked.split),
        "map": identity_map(at),
    }  # fmt: skip


def w_at(at: dict[str, Vectors], rates: Iterable[str]) -> dict[float, np.ndarray]:
    """rate -> w of the queries."""
    return {float(r): at[r].w for r in rates}


def look_alikes(pid: int) -> int:
    """The group of look-alikes that a Walker belongs to: four of them share everything but fine detail."""
    return pid // GROUP


def frequency(asked: Asked) -> dict[str, Any]:
    """rate -> error by spatial frequency, on some of the queries; empty for a network that recovers nothing."""
    if asked.net.G is None:
        return {}
    step = -(-len(asked.query) // FREQUENCY_IMAGES)
    images = asked.query[::step]
    truth = torch.cat(list(chunks(images)))
    found = {}
    for r in LOOKED_AT:
        x = degrade(truth, float(r))
        found[r] = error_by_frequency(asked.recovered(x), x, truth)
    return found


def identity_map(at: dict[str, Vectors]) -> dict[str, Any]:
    """Fig. 4: w of 15 people at four rates, laid out in the plane by t-SNE (seed 0)."""
    pids = at["1"].pids
    people = np.unique(pids)
    people = people[np.linspace(0, len(people) - 1, min(MAP_PEOPLE, len(people))).round().astype(int)]
    kept = np.concatenate([np.flatnonzero(pids == p)[:MAP_IMAGES] for p in people])
    points = tsne(np.concatenate([at[r].w[kept] for r in MAP_RATES]))
    points = points / np.abs(points).max()  # only who is near whom means anything
    return {
        "points": points.round(3).tolist(),
        "pids": np.tile(pids[kept], len(MAP_RATES)).tolist(),
        "rates": np.repeat([int(r) for r in MAP_RATES], len(kept)).tolist(),
    }
