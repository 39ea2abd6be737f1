"""Resolution: how LR images are made (Sec. 3.1) and which images of a data set become LR (Sec. 4.4)."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Literal

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


def mlr(
    split: Split,
    rates: Sequence[float] = (2, 3, 4),
    seed: int = 0,
    lr_camera: int | None = None,
    *,
    rate_per: Literal["image", "identity"] = "image",
    train: bool = True,
    keep_roles: bool = False,
    gallery_images: int | None = None,
) -> Split:
    """Build the multiple-low-resolution (MLR) version of a data set (Sec. 4.4).

    Images taken by one camera are down-sampled by a rate drawn from ``rates``; those of the other cameras stay as
    they are. In the test part the LR camera's images are the queries, and the HR images of the other cameras are the
    gallery. Distractors, test identities without a query, never become queries.

    Args:
        split: the data set at full resolution.
        rates: the rates to draw from, one an image.
        seed: the same seed gives the same rates and cameras.
        lr_camera: the LR camera; without it each identity gets one of its own cameras at random, as MLR-CUHK03 and
            MLR-VIPeR must.
        rate_per: draw a rate for each image, or one for all LR images of an identity.
        train: whether the training part gets LR images too.
        keep_roles: keep the split's queries and gallery, and draw the LR cameras of each part separately.
        gallery_images: draw at most this many gallery images of each identity; all without it.

    Returns:
        a ``Split`` whose samples carry their ``rate``. No pixel is changed here: ``degrade`` does that when the
        images are loaded, so one file on disk serves every protocol.

    Raises:
        ValueError: when no query or no gallery image is left, or for no rate, a rate below 1, or an unknown choice.

    Choice:
        The last four arguments are as the paper has them; other groups chose otherwise, see
        ``cadnet_edu.data.mlr_variants``. With a camera drawn for each identity all distractors stay HR in the
        gallery. With one ``lr_camera`` for all, those from that camera are LR and are left out of the HR gallery.
    """
    if not rates or not all(1 <= r < float("inf") for r in rates):
        raise ValueError(f"rates {list(rates)}: give at least one down-sampling rate, each 1 or more.")
    if rate_per not in ("image", "identity") or (gallery_images is not None and gallery_images < 1):
        raise ValueError(
            f"rate_per = {rate_per!r}, gallery_images = {gallery_images}: a rate is drawn per 'image' or 'identity', "
            "and at least one gallery image an identity is kept."
        )
    rng = random.Random(seed)
    test = (*split.query, *split.gallery)
    rate_of: dict[int, float] = {}

    def draw_cameras(samples: Sequence[Sample]) -> dict[int, int]:
        cameras: dict[int, set[int]] = {}
        for s in samples:
            cameras.setdefault(s.pid, set()).add(s.camera)
        if lr_camera is not None:
            return dict.fromkeys(cameras, lr_camera)
        return {pid: rng.choice(sorted(cameras[pid])) for pid in sorted(cameras)}

    def degraded(s: Sample) -> Sample:
        if rate_per == "image" or s.pid not in rate_of:
            rate_of[s.pid] = float(rng.choice(list(rates)))
        return dataclasses.replace(s, rate=rate_of[s.pid])

    def degrade_camera(samples: Sequence[Sample], camera: dict[int, int]) -> tuple[Sample, ...]:
        return tuple(degraded(s) if s.camera == camera[s.pid] else s for s in samples)

    query_pids = {s.pid for s in split.query}
    train_camera, test_camera = draw_cameras(split.train) if train else {}, {} if keep_roles else draw_cameras(test)
    low_train = degrade_camera(split.train, train_camera) if train else split.train
    if keep_roles:
        query, gallery = (degrade_camera(part, draw_cameras(part)) for part in (split.query, split.gallery))
    else:
        free = lr_camera is None  # distractors have no query that their camera would have to differ from
        query = tuple(degraded(s) for s in test if s.pid in query_pids and s.camera == test_camera[s.pid])
        gallery = tuple(s for s in test if s.camera != test_camera[s.pid] or (free and s.pid not in query_pids))
    if gallery_images is not None:
        gallery = _sample_per_identity(gallery, gallery_images, rng)
    if not query or not gallery:
        which = "one camera of each identity" if lr_camera is None else f"camera {lr_camera}"
        raise ValueError(
            f"{split.name}: with {which} as the LR camera there are {len(query)} queries and {len(gallery)} "
            "gallery images. The LR camera must have taken some, but not all, of the test images."
        )
    return Split(low_train, query, gallery, name=f"MLR-{split.name}")


def _sample_per_identity(samples: Sequence[Sample], n: int, rng: random.Random) -> tuple[Sample, ...]:
    """At most n samples of each identity, drawn at random, in their original order."""
    places: dict[int, list[int]] = {}
    for i, s in enumerate(samples):
        places.setdefault(s.pid, []).append(i)
    drawn = sorted(i for rows in places.values() for i in (rows if len(rows) <= n else rng.sample(rows, n)))
    return tuple(samples[i] for i in drawn)
