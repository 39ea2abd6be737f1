"""Resolution: how LR images are made (Sec. 3.1) and which images of a data set become LR (Sec. 4.4)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as nnf
from torch import Tensor

from cadnet_edu.data.samples import Sample, Split


def degrade(x: Tensor, r: float | Tensor) -> Tensor:
    """Make LR images: down-sample by r, then bilinear up-sampling back to the original size (Sec. 3.1).

    Args:
        x: images ``(b, 3, H, W)``, float.
        r: down-sampling rate ``>= 1``, whole or not; one for all, or one an image in a tensor ``(b,)``.

    Returns:
        ``(b, 3, H, W)``; images with r = 1 come back untouched.

    Raises:
        ValueError: for a rate below 1 or not finite, a number of rates that is not the number of images, or images
            that are no float batch.

    Choice:
        The paper names the up-sampling only. We down-sample bilinearly *with* antialiasing, so that what the small
        pixels cannot hold is gone and not folded into false patterns. The small image is ``H / r`` by ``W / r`` pixels,
        rounded, and at least 1 x 1.

    >>> x = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 4, 4)
    >>> degrade(x, 4)[0, 0, 0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"images {tuple(x.shape)} of {x.dtype}: give a float batch (b, 3, H, W).")
    rates = torch.as_tensor(r).flatten().cpu().double()
    if rates.numel() not in (1, len(x)):
        raise ValueError(f"{rates.numel()} rates for {len(x)} images: give one rate, or one an image.")
    if not bool(((rates >= 1) & torch.isfinite(rates)).all()):
        raise ValueError(f"r = {rates.tolist()}: a down-sampling rate is a number of 1 or more.")
    if rates.numel() == 1:
        return down_and_up(x, float(rates))
    out = x.clone()
    for rate in rates.unique().tolist():  # few distinct rates, so few batches
        if rate > 1:
            chosen = torch.nonzero(rates == rate)[:, 0].to(x.device)
            out[chosen] = down_and_up(x[chosen], rate)
    return out


def down_and_up(x: Tensor, r: float) -> Tensor:
    """Scale a batch down by r, so that detail is lost, and up again, so that the size stays.

    Built in chapter 01.

    Args:
        x: images ``(b, 3, H, W)``, float.
        r: one down-sampling rate for all, 1 or more.

    Returns:
        ``(b, 3, H, W)``.

    >>> down_and_up(torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 3, 4, 4), 4)[0, 0, 0]  # one pixel is left: the mean
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if r == 1:
        return x
    height, width = x.shape[-2:]
    small = (max(1, round(height / r)), max(1, round(width / r)))
    x_small = nnf.interpolate(x, size=small, mode="bilinear", antialias=True)
    return nnf.interpolate(x_small, size=(height, width), mode="bilinear", align_corners=False)


def mlr(split: Split, rates: Sequence[float] = (2, 3, 4), seed: int = 0, lr_camera: int | None = None) -> Split:
    """Build the multiple-low-resolution (MLR) version of a data set (Sec. 4.4).

    Images taken by one camera are down-sampled by a rate drawn from ``rates``; those of the other cameras stay as
    they are. In the test part the LR camera's images are the queries, and the HR images of the other cameras are the
    gallery. Distractors, test identities that the split never asks for, are never queries.

    Args:
        split: the data set at full resolution.
        rates: the rates to draw from, one an image.
        seed: the same seed gives the same rates and cameras.
        lr_camera: the LR camera; without it each identity gets one of its own cameras at random, as MLR-CUHK03 and
            MLR-VIPeR must.

    Returns:
        a ``Split`` whose samples carry their ``rate``. No pixel is changed here: ``degrade`` does that when the
        images are loaded, so one file on disk serves every protocol.

    Raises:
        ValueError: when no query or no gallery image is left, or for no rate or a rate below 1.

    Choice:
        With a camera drawn for each identity all distractors stay HR in the gallery. With one ``lr_camera`` for all,
        those that it took are LR, which the gallery is not, and are left out.
    """
    if not rates or not all(1 <= r < float("inf") for r in rates):
        raise ValueError(f"rates {list(rates)}: give at least one down-sampling rate, each 1 or more.")
    rng = random.Random(seed)

    def choose(samples: Sequence[Sample]) -> dict[int, int]:
        cameras: dict[int, set[int]] = {}
        for s in samples:
            cameras.setdefault(s.pid, set()).add(s.camera)
        if lr_camera is not None:
            return dict.fromkeys(cameras, lr_camera)
        return {pid: rng.choice(sorted(cameras[pid])) for pid in sorted(cameras)}

    def lower(s: Sample) -> Sample:
        return dataclasses.replace(s, rate=float(rng.choice(list(rates))))

    wanted = {s.pid for s in split.query}
    train_camera, test_camera = choose(split.train), choose((*split.query, *split.gallery))
    train = tuple(lower(s) if s.camera == train_camera[s.pid] else s for s in split.train)
    test = (*split.query, *split.gallery)
    query = tuple(lower(s) for s in test if s.pid in wanted and s.camera == test_camera[s.pid])
    free = lr_camera is None  # distractors have no query that their camera would have to differ from
    gallery = tuple(s for s in test if s.camera != test_camera[s.pid] or (free and s.pid not in wanted))
    if not query or not gallery:
        which = "one camera of each identity" if lr_camera is None else f"camera {lr_camera}"
        raise ValueError(
            f"{split.name}: with {which} as the LR camera there are {len(query)} queries and {len(gallery)} "
            "gallery images. The LR camera must have taken some, but not all, of the test images."
        )
    return Split(train, query, gallery, name=f"MLR-{split.name}")
