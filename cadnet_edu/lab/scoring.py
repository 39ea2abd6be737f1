"""Asking a trained network about a split: retrieval by u and by its halves at every rate, and image quality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from cadnet_edu.config import Config
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.resolution import mlr
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.evaluation.evaluate import embed, ids, image_quality
from cadnet_edu.evaluation.image_quality import lpips
from cadnet_edu.evaluation.protocol import Meaning
from cadnet_edu.evaluation.retrieval import Distances, retrieval
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.models.classifier import GAP
from cadnet_edu.training.devices import autocast, choose_precision

RATES = (1.0, 2.0, 3.0, 4.0, 8.0)  # of Sec. 4.4 and 4.5; 8 is never seen in training
SEEN = (2.0, 3.0, 4.0)  # the mixed protocol of Sec. 4.4 draws from these


def rate_name(r: float) -> str:
    """A rate as it is called in records: ``"4"``, ``"1.5"``."""
    return f"{r:g}"


@dataclass(frozen=True)
class Vectors:
    """One part of a split, seen by a network: u of each image, w = GAP(f), and who and where."""

    u: np.ndarray  # (n, du)
    w: np.ndarray  # (n, d)
    pids: np.ndarray  # (n,)
    cams: np.ndarray  # (n,)

    def parts(self) -> dict[str, np.ndarray]:
        """u, and its halves f and g where it is joined of two."""
        d = self.w.shape[1]
        return {"u": self.u} if self.u.shape[1] != 2 * d else {"u": self.u, "f": self.u[:, :d], "g": self.u[:, d:]}


class Asked:
    """A trained network with the data that it is asked about.

    Args:
        net: the network.
        split: query and gallery are used.
        config: for size, device and precision.
    """

    def __init__(self, net: CADNet, split: Split, config: Config) -> None:
        self.net, self.split, self.config = net.eval(), split, config
        device = next(net.parameters()).device
        self.size = (config.height, config.width)
        precision = choose_precision(config.precision, device, instead=True)
        self.options: dict[str, Any] = {"device": device, "precision": precision}
        self.query, self.gallery = (cached_images(part, *self.size) for part in (split.query, split.gallery))

    def vectors(self, samples: Sequence[Sample], r: float | Tensor = 1, images: Tensor | None = None) -> Vectors:
        """u and w of samples at a rate, or each at its own.

        Args:
            samples: what to look at.
            r: one rate, or one a sample.
            images: their pixels, when loaded already.
        """
        images = cached_images(samples, *self.size) if images is None else images
        both = embed(u_and_w(self.net), images, r, **self.options).numpy()
        d = self.net.E.d
        return Vectors(both[:, :-d], both[:, -d:], *ids(samples))

    @torch.inference_mode()
    def recovered(self, x: Tensor) -> Tensor:
        """G(E(x)) of a float batch, on the CPU."""
        device = self.options["device"]
        found = []
        for part in x.split(128):
            with autocast(device, self.options["precision"]):
                found.append(self.net.recover(part.to(device)).float().cpu())
        return torch.cat(found)


def u_and_w(net: CADNet) -> Callable[[Tensor], Tensor]:
    """One pass that gives both vectors of an image, side by side: u ``(b, du)``, then w ``(b, d)``."""

    def both(x: Tensor) -> Tensor:
        out = net(x)
        return torch.cat([out.u.float(), GAP(out.f).float()], dim=1)

    return both


def score(q: Vectors, g: Vectors, meaning: Meaning) -> dict[str, dict[str, float]]:
    """Retrieval scores by u, and by f and by g alone where u has these parts.

    Args:
        q: queries.
        g: gallery.
        meaning: of single-shot, see ``cadnet_edu.evaluation.retrieval.single_shot_cmc``.
    """
    gallery = g.parts()
    keep = ("rank1", "rank5", "rank10", "mAP")
    found = {}
    for name, part in q.parts().items():
        scores = retrieval(Distances(part, gallery[name]), q.pids, g.pids, q.cams, g.cams, "single_shot", meaning)
        found[name] = {k: scores[k] for k in keep}
    return found


def mixed_split(split: Split) -> Split:
    """The paper's mixed protocol (Sec. 4.4): each test person's LR camera at random rates of {2, 3, 4}, seed 0."""
    return mlr(split, SEEN, seed=0, train=False)


def retrieval_scores(asked: Asked, at: dict[str, Vectors], gallery: Vectors) -> dict[str, dict[str, dict[str, float]]]:
    """part -> rate -> scores, for the rates of ``at`` and for the mixed protocol.

    Args:
        asked: the network and the data.
        at: rate -> the queries as seen at it.
        gallery: the HR gallery.
    """
    mixed = mixed_split(asked.split)
    rates = torch.tensor([s.rate for s in mixed.query], dtype=torch.float64)
    found = {r: score(q, gallery, "open-reid") for r, q in at.items()}
    found["mlr"] = score(asked.vectors(mixed.query, rates), asked.vectors(mixed.gallery), "torchreid")
    return {part: {r: scores[part] for r, scores in found.items()} for part in found["mlr"]}


# ---------------------------------------------------------------------------------------------------- image quality


def with_lpips(size: tuple[int, int]) -> tuple[dict[str, Callable[[Tensor, Tensor], Tensor]], dict[str, str]]:
    """LPIPS, if it can be measured here, and otherwise why not."""
    if min(size) < 31:
        return {}, {"lpips": f"images of {size[0]} x {size[1]} are too small for it"}
    why = lpips_missing()
    return ({"lpips": lpips}, {}) if why is None else ({}, {"lpips": why})


@cache
def lpips_missing() -> str | None:
    """Why LPIPS cannot be measured on this machine; None when it can."""
    try:
        lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    except OSError as error:
        return str(error)
    return None


def quality(asked: Asked) -> tuple[dict[str, dict[str, float | None]], dict[str, str]]:
    """rate -> PSNR, SSIM, LPIPS of what the network recovers from the queries; and what could not be measured."""
    if asked.net.G is None:
        return {}, {}
    extra, missing = with_lpips(asked.size)
    found = {
        rate_name(r): image_quality(asked.net.recover, asked.query, r, extra=extra, **asked.options) for r in RATES
    }
    return found | {"mlr": mean_over_seen(found)}, missing


def mean_over_seen(by_rate: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """The mean over the rates of the mixed protocol."""
    names = by_rate[rate_name(SEEN[0])]
    columns = {name: [by_rate[rate_name(r)][name] for r in SEEN] for name in names}
    return {
        name: None if None in values else math.fsum(v for v in values if v is not None) / len(values)
        for name, values in columns.items()
    }


def bicubic(x: Tensor, r: float) -> Tensor:
    """The LR image scaled up by bicubic instead of bilinear interpolation.

    Args:
        x: HR images ``(b, 3, H, W)`` in [0, 1].
        r: the down-sampling rate.

    >>> bicubic(torch.full((1, 3, 4, 4), 0.25), 2).unique()
    tensor([0.2500])
    """
    height, width = x.shape[-2:]
    small = (max(1, round(height / r)), max(1, round(width / r)))
    x_small = x if r == 1 else nnf.interpolate(x, size=small, mode="bilinear", antialias=True)
    return nnf.interpolate(x_small, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)
