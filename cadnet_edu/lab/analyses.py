"""Run the analyses that go beyond the paper's tables, for the record of one run."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from cadnet_edu.analysis import (
    confusions,
    error_by_frequency,
    margins,
    resolution_probe,
    restore_band,
    separation,
    tsne,
)
from cadnet_edu.data.resolution import degrade
from cadnet_edu.evaluation.distances import Distances
from cadnet_edu.evaluation.evaluate import Evaluator, embed, iter_batches
from cadnet_edu.evaluation.image_quality import psnr
from cadnet_edu.evaluation.retrieval import retrieval
from cadnet_edu.lab.gradient_contributions import contributions_at_E
from cadnet_edu.lab.scoring import rate_name, recover_batch
from cadnet_edu.methods import method_of
from cadnet_edu.runs import Run
from cadnet_edu.walkers.people import GROUP

# Every record of a fitted method has these. Empty are "margins" of a u without f and g, "frequency" of a method without
# recovery, "ceiling" of one that learns from LR images, and of a method without E those about w or E.
NAMES = ("sweep", "ceiling", "probe", "silhouette", "margins", "frequency", "confusions", "gradients", "map")
SWEEP = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
PROBES = {"seen": ("1", "2", "3", "4"), "unseen": ("1", "2", "4", "8")}
MAP_RATES = ("1", "2", "4", "8")  # Fig. 4
ANALYSED_AT = ("2", "4", "8")
CEILING_RATES = (2.0, 3.0, 4.0, 8.0)
MAP_PEOPLE, MAP_IMAGES, FREQUENCY_IMAGES = 15, 4, 256


def analyses(evaluator: Evaluator, run: Run) -> dict[str, Any]:
    """name -> numbers, one entry for each of ``NAMES``."""
    model, gallery = evaluator.model, evaluator.embeddings("gallery")
    at = {rate_name(r): evaluator.embeddings("query", r) for r in SWEEP}
    u_g, u = gallery.u.numpy(), {r: found.u.numpy() for r, found in at.items()}
    ids = (at["1"].pids, gallery.pids, at["1"].camids, gallery.camids)
    group = lookalike_group if run.config.data.dataset == "walkers" else None
    distances = {r: Distances(u[r], u_g, rule=model.distances) for r in u}
    w = w_by_rate(evaluator)
    return {
        "sweep": {r: retrieval(distances[r], *ids)["rank1"] for r in map(rate_name, SWEEP)},
        "ceiling": ceiling(evaluator) if method_of(run.config).sees == "HR" else {},
        "probe": {name: resolution_probe(at_rates(w, rates), ids[0]) for name, rates in PROBES.items()} if w else {},
        "silhouette": separation(at_rates(w, MAP_RATES), ids[0]) if w else {},
        "margins": {r: margins(u[r], u_g, *ids).summary() for r in ("1", *ANALYSED_AT)} if "g" in model.views else {},
        "frequency": frequency(evaluator),
        "confusions": {r: confusions(distances[r], *ids, group=group) for r in ("1", *ANALYSED_AT)},
        "gradients": contributions_at_E(run, evaluator.split) if "net" in model.parts else {},
        "map": identity_map(w, ids[0]) if w else {},
    }  # fmt: skip


def w_by_rate(evaluator: Evaluator) -> dict[str, np.ndarray]:
    """rate -> w = GAP(f) of the queries, for the probes and the map; empty for a method without E."""
    model = evaluator.model
    if "net" not in model.parts:
        return {}
    net, found = model.parts["net"], {}
    for r in sorted({*MAP_RATES, *PROBES["seen"], *PROBES["unseen"]}):
        if net.features == "g":
            w = embed(net.w, evaluator.images("query"), float(r), **evaluator.options)
        else:
            w = evaluator.embeddings("query", float(r)).u[:, model.views.get("f", slice(None))]
        found[r] = w.numpy()
    return found


def ceiling(evaluator: Evaluator) -> dict[str, dict[str, float]]:
    """rate -> rank-1 and PSNR of queries in which all detail that the LR grid can hold is as in the originals.

    For a network that knows HR images only this is the ceiling of recovery without guessing; see ``restore_band``. It
    binds neither a network that learns from LR images, nor recovery that draws what such a network likes to see.

    Args:
        evaluator: of a method that knows HR images only.
    """
    images, query, gallery = (
        evaluator.images("query"),
        evaluator.embeddings("query", 1.0),
        evaluator.embeddings("gallery"),
    )
    ids, found = (query.pids, gallery.pids, query.camids, gallery.camids), {}
    for r in CEILING_RATES:
        x_hat, quality = [], []
        for truth, _ in iter_batches(images):
            x_hat.append(torch.from_numpy(restore_band(degrade(truth, r), truth, truth.shape[2] / (2 * r))).float())
            quality.append(psnr(x_hat[-1], truth))
        u = embed(evaluator.model, (255 * torch.cat(x_hat)).round().byte(), **evaluator.options)
        distances = Distances(u.numpy(), gallery.u.numpy(), rule=evaluator.model.distances)
        found[rate_name(r)] = {
            "rank1": retrieval(distances, *ids)["rank1"],
            "psnr": torch.cat(quality).double().mean().item(),
        }
    return found


def at_rates(w: dict[str, np.ndarray], rates: Iterable[str]) -> dict[float, np.ndarray]:
    """Those of some rates, by the rate as a number."""
    return {float(r): w[r] for r in rates}


def lookalike_group(pid: int) -> int:
    """The group of look-alikes of a person of Walkers; see ``cadnet_edu.walkers.people``."""
    return pid // GROUP


def frequency(evaluator: Evaluator) -> dict[str, Any]:
    """rate -> error by spatial frequency, on some of the queries; empty for a model without recovery."""
    if evaluator.model.recover is None:
        return {}
    query = evaluator.images("query")
    images = query[:: -(-len(query) // FREQUENCY_IMAGES)]
    truth = torch.cat([x for x, _ in iter_batches(images)])
    found = {}
    for r in ANALYSED_AT:
        x = degrade(truth, float(r))
        found[r] = error_by_frequency(recover_batch(evaluator, x, float(r)), x, truth)
    return found


def identity_map(w: dict[str, np.ndarray], pids: np.ndarray) -> dict[str, Any]:
    """Fig. 4: w of 15 people at four rates, laid out in the plane by t-SNE (seed 0)."""
    people = np.unique(pids)
    people = people[np.linspace(0, len(people) - 1, min(MAP_PEOPLE, len(people))).round().astype(int)]
    kept = np.concatenate([np.flatnonzero(pids == p)[:MAP_IMAGES] for p in people])
    points = tsne(np.concatenate([w[r][kept] for r in MAP_RATES]))
    points = points / np.abs(points).max()  # the scale of a t-SNE map has no meaning
    return {
        "points": points.round(3).tolist(),
        "pids": np.tile(pids[kept], len(MAP_RATES)).tolist(),
        "rates": np.repeat([int(r) for r in MAP_RATES], len(kept)).tolist(),
    }
