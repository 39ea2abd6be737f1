"""Score a model by the protocol of the tables: rates, the mixed split, image scores."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor

from cadnet_edu.config import Config
from cadnet_edu.data.resolution import mlr
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.evaluate import Evaluator, image_quality
from cadnet_edu.evaluation.image_quality import lpips
from cadnet_edu.evaluation.model import Model, eval_mode
from cadnet_edu.training.devices import autocast, choose_precision

RATES = (1.0, 2.0, 3.0, 4.0, 8.0)  # of Sec. 4.4 and 4.5; 8 is never seen in training
SEEN = (2.0, 3.0, 4.0)  # the mixed protocol of Sec. 4.4 draws from these

RETRIEVAL = ("rank1", "rank5", "rank10", "mAP")
LEFT_OUT = ("queries", "unmatched", "views")  # of a row of ``evaluate``; no table shows them


def rate_name(r: float) -> str:
    """The key of a rate in records: ``"4"``, ``"1.5"``."""
    return f"{r:g}"


def evaluator_of(model: Model, split: Split, config: Config) -> Evaluator:
    """An evaluator that keeps its embeddings, with the size and precision of a run."""
    precision = choose_precision(config.run.precision, model.device, instead=True)
    return Evaluator(model, split, config.data.size, device=model.device, precision=precision, keep=True)


def score(evaluator: Evaluator) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]], dict[str, str]]:
    """The scores of all tables, at each rate and for the mixed protocol.

    Returns:
        rate -> retrieval by u and quality of recovered images; view -> rate -> retrieval by that view; score -> the
        reason why it could not be measured.
    """
    recovers = evaluator.model.recover is not None
    extra, missing = with_lpips(evaluator.size) if recovers else ({}, {})
    found = evaluator.evaluate(RATES, quality=recovers, extra=extra, views=True)
    mixed = replace(evaluator, split=mixed_split(evaluator.split), keep=False, embedded={})
    found |= mixed.evaluate("own", quality=False, views=True)
    quality = {r: {n: v for n, v in found[r].items() if n not in LEFT_OUT + RETRIEVAL} for r in map(rate_name, RATES)}
    quality["mlr"] = mean_over_seen(quality)
    scores = {r: {n: row[n] for n in RETRIEVAL} | quality[r] for r, row in found.items()}
    views = {
        name: {r: {n: row["views"][name][n] for n in RETRIEVAL} for r, row in found.items()}
        for name in evaluator.model.views
    }
    return scores, views, missing


@torch.inference_mode()
def recover_batch(evaluator: Evaluator, x: Tensor, r: float) -> Tensor:
    """Recover images ``(n, 3, H, W)`` that are down-sampled by r already; the results are on the CPU."""
    model, device = evaluator.model, torch.device(evaluator.device)
    assert model.recover is not None
    found = []
    for batch in x.split(evaluator.batch_size):
        with eval_mode(model), autocast(device, evaluator.precision):
            rates = torch.full((len(batch),), r, device=device)
            found.append(model.recover(batch.to(device), rates).float().cpu())
    return torch.cat(found)


def mixed_split(split: Split) -> Split:
    """The paper's mixed protocol (Sec. 4.4): each test person's LR camera at random rates of {2, 3, 4}, seed 0."""
    return mlr(split, SEEN, seed=0, train=False)


def with_lpips(size: tuple[int, int]) -> tuple[dict[str, Callable[[Tensor, Tensor], Tensor]], dict[str, str]]:
    """LPIPS where it can be measured, otherwise the reason why not."""
    if min(size) < 31:
        return {}, {"lpips": f"images of {size[0]} x {size[1]} are too small for it"}
    why = lpips_missing()
    return ({"lpips": lpips}, {}) if why is None else ({}, {"lpips": why})


@cache
def lpips_missing() -> str | None:
    """The reason why LPIPS cannot be measured on this machine; None when it can."""
    try:
        lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    except OSError as error:
        return str(error)
    return None


def mean_over_seen(by_rate: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """The mean over the rates of the mixed protocol."""
    names = by_rate[rate_name(SEEN[0])]
    columns = {name: [by_rate[rate_name(r)][name] for r in SEEN] for name in names}
    return {
        name: None if None in values else math.fsum(v for v in values if v is not None) / len(values)
        for name, values in columns.items()
    }


def bicubic(x: Tensor, r: float) -> Tensor:
    """HR images ``(b, 3, H, W)`` down-sampled by r, and scaled up by bicubic instead of bilinear interpolation.

    >>> bicubic(torch.full((1, 3, 4, 4), 0.25), 2).unique()
    tensor([0.2500])
    """
    height, width = x.shape[-2:]
    small = (max(1, round(height / r)), max(1, round(width / r)))
    x_small = x if r == 1 else nnf.interpolate(x, size=small, mode="bilinear", antialias=True)
    return nnf.interpolate(x_small, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def floor_scores(name: str, query: Any, size: tuple[int, int]) -> tuple[dict[str, Any], dict[str, str]]:
    """Rate -> image quality of bilinear or bicubic up-sampling; score -> the reason why it could not be measured.

    Args:
        name: ``bilinear`` or ``bicubic``.
        query: the images ``(n, 3, H, W)``.
        size: ``(H, W)``.
    """
    extra, missing = with_lpips(size)
    found = {}
    for r in RATES:
        if name == "bilinear":
            found[rate_name(r)] = image_quality(None, query, r, extra=extra)
        else:  # bicubic down-samples by itself, so it gets the original
            model = Model(lambda x, _: x.flatten(1), recover=lambda x, _, r=r: bicubic(x, r))  # type: ignore[misc]
            found[rate_name(r)] = image_quality(model, query, 1, extra=extra)
    found["mlr"] = mean_over_seen(found)
    return found, missing
