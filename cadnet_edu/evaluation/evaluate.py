"""Asking a trained model: embeddings, retrieval scores and image quality at each down-sampling rate (Sec. 4.3-4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.resolution import degrade
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.evaluation.image_quality import psnr, ssim
from cadnet_edu.evaluation.protocol import Meaning
from cadnet_edu.evaluation.retrieval import Distances, retrieval
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.distributed import ALONE, Ranks

Model = Callable[[Tensor], Tensor]


@contextmanager
def asked(model: Model | None) -> Iterator[None]:
    """While it is asked, a network is in evaluation mode: BatchNorm neither uses nor learns from the images at hand.

    Args:
        model: any callable. When it is a module or a method of one, the module comes out in the mode it came in.
    """
    owner = getattr(model, "__self__", model)
    modes = [(m, m.training) for m in owner.modules()] if isinstance(owner, nn.Module) else []
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def nobody(n: int) -> None:
    """Whom to tell how many images are done when nobody waits."""


def chunks(
    images: Tensor,
    r: float | Tensor = 1,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    done: Callable[[int], Any] = nobody,
) -> Iterator[Tensor]:
    """Images as float batches in [0, 1] on the device, down-sampled by r.

    Args:
        images: ``uint8`` ``(n, 3, H, W)``.
        r: one rate for all, or one an image ``(n,)``.
        batch_size: images a batch.
        device: where the batches are wanted.
        done: told of each batch, when the next one is asked for, how many images it had.
    """
    for i in range(0, len(images), batch_size):
        x = images[i : i + batch_size].to(device).float() / 255
        yield degrade(x, r[i : i + batch_size] if isinstance(r, Tensor) and r.ndim else r)
        done(len(x))


def embed(
    model: Model,
    images: Tensor,
    r: float | Tensor = 1,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    done: Callable[[int], Any] = nobody,
    ranks: Ranks = ALONE,
) -> Tensor:
    """One vector for each image.

    Args:
        model: any callable ``(b, 3, H, W) -> (b, n)``, images in [0, 1].
        images: ``uint8`` ``(n, 3, H, W)``.
        r: the down-sampling rate at which the model sees them; one for all or one an image.
        batch_size: images a batch.
        device: where the model is.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        done: told of each batch how many images it had.
        ranks: the processes that share the images out, each with its model; all must ask, and all get all vectors.

    Returns:
        float32 ``(n, d)`` on the CPU.

    Raises:
        ValueError: when there is no image, or a rate is below 1.
    """
    if not len(images):
        raise ValueError("there is no image to embed.")
    device, mine = torch.device(device), ranks.share(len(images))
    r = r[mine] if isinstance(r, Tensor) and r.ndim else r
    found = []
    for x in chunks(images[mine], r, batch_size, device, done):
        with torch.inference_mode(), asked(model), autocast(device, precision):
            found.append(model(x).float().cpu())
    return ranks.together(torch.cat(found), len(images))


@torch.inference_mode()
def image_quality(
    recover: Model | None,
    images: Tensor,
    r: float | Tensor,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    extra: dict[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
    done: Callable[[int], Any] = nobody,
    ranks: Ranks = ALONE,
) -> dict[str, float | None]:
    """PSNR and SSIM of recovered images against their HR originals (Sec. 4.5), averaged over images.

    Args:
        recover: ``(b, 3, H, W) -> (b, 3, H, W)``; without it the up-sampled input itself is scored: the floor.
        images: HR originals, ``uint8`` ``(n, 3, H, W)``.
        r: the down-sampling rate of the inputs.
        batch_size: images a batch.
        device: where ``recover`` is.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        extra: more scores by name, such as ``{"lpips": lpips}``: callables ``(x, y) -> (b,)``.
        done: told of each batch how many images it had.
        ranks: the processes that share the images out, see ``embed``.

    Returns:
        name -> mean; None where the mean is not finite, as the PSNR of identical images is.

    Raises:
        ValueError: when there is no image, or a rate is below 1.
    """
    if not len(images):
        raise ValueError("there is no image to score.")
    device, n, mine = torch.device(device), len(images), ranks.share(len(images))
    images, r = images[mine], r[mine] if isinstance(r, Tensor) and r.ndim else r
    scores: dict[str, list[Tensor]] = {}
    low = chunks(images, r, batch_size, device, done)
    for truth, x in zip(chunks(images, 1, batch_size, device), low, strict=True):
        with asked(recover), autocast(device, precision):
            x_hat = x if recover is None else recover(x)
        for name, score in {"psnr": psnr, "ssim": ssim, **(extra or {})}.items():
            scores.setdefault(name, []).append(score(x_hat.float(), truth).cpu())
    means = {name: ranks.together(torch.cat(values), n).double().mean().item() for name, values in scores.items()}
    return {name: value if np.isfinite(value) else None for name, value in means.items()}


def ids(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Identities and cameras of samples, as two integer arrays."""
    return np.array([s.pid for s in samples]), np.array([s.camera for s in samples])


def evaluate(
    model: Model,
    split: Split,
    rates: Sequence[float] | Literal["own"] = (1, 2, 3, 4, 8),
    recover: Model | None = None,
    size: tuple[int, int] = (256, 128),
    protocol: Literal["single_shot", "market1501"] = "single_shot",
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    quality: bool = True,
    extra: dict[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
    meaning: Meaning | None = None,
    bar: bool = False,
    ranks: Ranks = ALONE,
) -> dict[str, dict[str, Any]]:
    """Cross-resolution retrieval (Sec. 4.3): LR queries against an HR gallery, once for each rate.

    Args:
        model: any callable from images ``(b, 3, H, W)`` in [0, 1] to vectors ``(b, n)``.
        split: its query and gallery parts are used.
        rates: down-sampling rates of the queries, while the gallery stays HR; or ``"own"``: each image at its
            ``Sample.rate``, as an MLR split says (Sec. 4.4), scored once under the name ``mlr``.
        recover: callable from images to recovered images, scored on the queries; without it the bilinear
            up-sampling is scored, which is the floor that recovery has to beat.
        size: ``(H, W)`` that every image is resized to.
        protocol: which CMC, see ``cadnet_edu.evaluation.retrieval.retrieval``.
        batch_size: images a batch.
        device: where the model is.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        quality: whether to score image quality as well.
        extra: more image scores, such as LPIPS.
        meaning: of single-shot, see ``cadnet_edu.evaluation.retrieval.single_shot_cmc``; without it the choice below.
        bar: show a progress bar when it takes a while.
        ranks: the processes that share the images out, see ``embed``.

    Returns:
        ``{"4": {"rank1": .., "rank5": .., "rank10": .., "mAP": .., "queries": .., "unmatched": .., "psnr": ..,
        "ssim": ..}, ...}``, one entry a rate; retrieval as fractions in 0-1 of the ``queries`` that have a match,
        without the ``unmatched`` ones; PSNR in dB (None when there is no difference at all).

    Raises:
        ValueError: for a rate below 1 or no rate, an empty query or gallery part, and when no query has a match
            (see ``retrieval``).

    Choice:
        With given rates the query's whole camera is left out of the gallery (``open-reid``). With ``"own"`` rates only
        the same person's images from it are (``torchreid``): where each person has an LR camera of their own, the
        other rule would take other people out of the gallery, half of them in MLR-VIPeR.
    """
    own = isinstance(rates, str)
    if own and rates != "own":
        raise ValueError(f"rates = {rates!r}: give numbers, each 1 or more, or 'own' for each image's own rate.")
    if not own and (not len(rates) or not all(1 <= r < float("inf") for r in rates)):  # type: ignore[operator]
        raise ValueError(f"rates {list(rates)}: give at least one down-sampling rate, each 1 or more.")
    if not split.query or not split.gallery:
        raise ValueError(f"{split}: to be scored, a data set needs query images and gallery images.")
    query, gallery = (cached_images(part, *size) for part in (split.query, split.gallery))
    q_pids, q_cams = ids(split.query)
    g_pids, g_cams = ids(split.gallery)
    q_rates, g_rates = (
        torch.tensor([s.rate for s in part], dtype=torch.float64) for part in (split.query, split.gallery)
    )
    asked_rates: dict[str, float | Tensor] = {"mlr": q_rates} if own else {f"{float(r):g}": float(r) for r in rates}
    meaning = meaning or ("torchreid" if own else "open-reid")
    n_q, n_g = (-(-len(part) // ranks.world) for part in (split.query, split.gallery))  # of which this rank sees
    total = n_g + len(asked_rates) * n_q * (2 if quality else 1)
    results: dict[str, dict[str, Any]] = {}
    with tqdm(total=total, desc="Evaluating", unit="image", disable=not (bar and ranks.first), delay=2) as progress:
        ask: dict[str, Any] = {"batch_size": batch_size, "device": device, "precision": precision}
        ask |= {"done": progress.update, "ranks": ranks}
        g = embed(model, gallery, g_rates if own else 1, **ask)
        for name, r in asked_rates.items():
            q = embed(model, query, r, **ask)
            scores: dict[str, Any] = dict(retrieval(Distances(q, g), q_pids, g_pids, q_cams, g_cams, protocol, meaning))
            if quality:
                scores |= image_quality(recover, query, r, extra=extra, **ask)
            results[name] = scores
    return results
