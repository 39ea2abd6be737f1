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
        ValueError: for a rate below 1 or not finite, or a number of rates that is not the number of images.

    Choice:
        The paper names the up-sampling only. We down-sample bilinearly *with* antialiasing, so that what the small
        pixels cannot hold is gone and not folded into false patterns. The small image is ``H / r`` by ``W / r`` pixels,
        rounded, and at least 1 x 1.

    >>> x = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 4, 4)
    >>> degrade(x, 4)[0, 0, 0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    rates = torch.as_tensor(r, dtype=torch.float64).flatten().cpu()
    if rates.numel() not in (1, len(x)):
        raise ValueError(f"{rates.numel()} rates for {len(x)} images: give one rate, or one an image.")
    if not bool(((rates >= 1) & torch.isfinite(rates)).all()):
        raise ValueError(f"r = {rates.tolist()}: a down-sampling rate is a number of 1 or more.")
    if rates.numel() == 1:
        return _degrade_all(x, float(rates))
    out = x.clone()
    for rate in rates.unique().tolist():  # few distinct rates, so few batches
        if rate > 1:
            chosen = torch.nonzero(rates == rate)[:, 0].to(x.device)
            out[chosen] = _degrade_all(x[chosen], rate)
    return out


def _degrade_all(x: Tensor, r: float) -> Tensor:
    if r == 1:
        return x
    height, width = x.shape[-2:]
    small = (max(1, round(height / r)), max(1, round(width / r)))
    x_small = nnf.interpolate(x, size=small, mode="bilinear", antialias=True)
    return nnf.interpolate(x_small, size=(height, width), mode="bilinear", align_corners=False)


def mlr(split: Split, rates: Sequence[float] = (2, 3, 4), seed: int = 0, lr_camera: int | None = None) -> Split:
    """Build the multiple-low-resolution (MLR) version of a data set (Sec. 4.4).

    Images taken by one camera are down-sampled by a rate drawn from ``rates``; those of the other cameras stay as
    they are. In the test part the LR camera's images are the queries and the HR images of the other cameras the gallery.

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
        ValueError: when no query or no gallery image is left.
    """
    rng = random.Random(seed)

    def choose(samples: Sequence[Sample]) -> dict[int, int]:
        cameras: dict[int, set[int]] = {}
        for s in samples:
            cameras.setdefault(s.pid, set()).add(s.camera)
        return {pid: lr_camera if lr_camera is not None else rng.choice(sorted(cameras[pid])) for pid in sorted(cameras)}

    def lower(s: Sample) -> Sample:
        return dataclasses.replace(s, rate=float(rng.choice(list(rates))))

    train_camera, test_camera = choose(split.train), choose((*split.query, *split.gallery))
    train = tuple(lower(s) if s.camera == train_camera[s.pid] else s for s in split.train)
    test = (*split.query, *split.gallery)
    query = tuple(lower(s) for s in test if s.camera == test_camera[s.pid])
    gallery = tuple(s for s in test if s.camera != test_camera[s.pid])
    if not query or not gallery:
        raise ValueError(
            f"{split.name}: with camera {lr_camera} as the LR camera there are {len(query)} queries and {len(gallery)} "
            "gallery images. Choose a camera that took some, but not all, of the test images."
        )
    return Split(train, query, gallery, name=f"MLR-{split.name}")
