"""Evaluate a model: embeddings, retrieval scores and image quality at each down-sampling rate (Sec. 4.3-4.5)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.resolution import degrade
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.evaluation.distances import Distances
from cadnet_edu.evaluation.image_quality import psnr, ssim
from cadnet_edu.evaluation.model import Model, as_model, eval_mode
from cadnet_edu.evaluation.retrieval import CameraRule, Protocol, retrieval
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.distributed import SINGLE_PROCESS, DistributedContext

Part = Literal["query", "gallery"]


def no_progress(n: int) -> None:
    """Default progress callback: does nothing."""


def iter_batches(
    images: Tensor,
    r: float | Tensor = 1,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    progress: Callable[[int], Any] = no_progress,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over images, down-sampled by r, as float batches in [0, 1] on the device, with the rate of each image.

    Args:
        images, r, batch_size, device, progress: as in ``embed``.

    Yields:
        images ``(b, 3, H, W)`` and rates ``(b,)``.
    """
    for i in range(0, len(images), batch_size):
        x = images[i : i + batch_size].to(device).float() / 255
        r_x = r[i : i + batch_size] if isinstance(r, Tensor) and r.ndim else r
        yield degrade(x, r_x), torch.as_tensor(r_x, dtype=torch.float32, device=x.device).expand(len(x))
        progress(len(x))


def embed(
    model: Model | Callable[[Tensor], Tensor],
    images: Tensor,
    r: float | Tensor = 1,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    progress: Callable[[int], Any] = no_progress,
    ranks: DistributedContext = SINGLE_PROCESS,
) -> Tensor:
    """One vector for each image.

    Args:
        model: a ``Model``, or any callable ``(b, 3, H, W) -> (b, n)``, images in [0, 1].
        images: ``uint8`` ``(n, 3, H, W)``.
        r: the down-sampling rate of the images, one for all or one for each.
        batch_size: images a batch.
        device: where the model is.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        progress: called after each batch with its number of images.
        ranks: the process group; each rank embeds its part of the images, and all get all vectors.

    Returns:
        float32 ``(n, d)`` on the CPU.

    Raises:
        ValueError: without images, or for a rate below 1.
    """
    if not len(images):
        raise ValueError("there is no image to embed.")
    model, device, mine = as_model(model), torch.device(device), ranks.rank_slice(len(images))
    r = r[mine] if isinstance(r, Tensor) and r.ndim else r
    found = []
    for x, r_x in iter_batches(images[mine], r, batch_size, device, progress):
        with torch.inference_mode(), eval_mode(model), autocast(device, precision):
            found.append(model.embed(x, r_x).float().cpu())
    return ranks.all_gather_rows(torch.cat(found), len(images))


@torch.inference_mode()
def image_quality(
    model: Model | None,
    images: Tensor,
    r: float | Tensor,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    extra: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
    progress: Callable[[int], Any] = no_progress,
    ranks: DistributedContext = SINGLE_PROCESS,
) -> dict[str, float | None]:
    """PSNR and SSIM of recovered images against their HR originals (Sec. 4.5), averaged over images.

    Args:
        model: without one, or without its ``recover``, the up-sampled input is scored, as the floor.
        images: HR originals, ``uint8`` ``(n, 3, H, W)``.
        r: the down-sampling rate of the inputs.
        batch_size, device, precision: see ``embed``.
        extra: more scores by name, such as ``{"lpips": lpips}``: callables ``(x, y) -> (b,)``.
        progress, ranks: see ``embed``.

    Returns:
        name -> mean; None where the mean is not finite, as the PSNR of identical images is.

    Raises:
        ValueError: when there is no image, or a rate is below 1.
    """
    if not len(images):
        raise ValueError("there is no image to score.")
    recover = (model.recover if model else None) or (lambda x, r: x)
    device, n, mine = torch.device(device), len(images), ranks.rank_slice(len(images))
    images, r = images[mine], r[mine] if isinstance(r, Tensor) and r.ndim else r
    scores: dict[str, list[Tensor]] = {}
    low = iter_batches(images, r, batch_size, device, progress)
    for (truth, _), (x, r_x) in zip(iter_batches(images, 1, batch_size, device), low, strict=True):
        with eval_mode(model), autocast(device, precision):
            x_hat = recover(x, r_x)
        for name, score in {"psnr": psnr, "ssim": ssim, **(extra or {})}.items():
            scores.setdefault(name, []).append(score(x_hat.float(), truth).cpu())
    means = {
        name: ranks.all_gather_rows(torch.cat(values), n).double().mean().item() for name, values in scores.items()
    }
    return {name: value if np.isfinite(value) else None for name, value in means.items()}


def pids_and_camids(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Identities and cameras of samples, as two integer arrays."""
    return np.array([s.pid for s in samples]), np.array([s.camera for s in samples])


class Embeddings(NamedTuple):
    """Embeddings of a part of a split: u ``(n, d)``, identities and cameras ``(n,)``."""

    u: Tensor
    pids: np.ndarray
    camids: np.ndarray


def score_views(
    model: Model, query: Embeddings, gallery: Embeddings, protocol: Protocol, camera_rule: CameraRule
) -> dict[str, dict[str, float]]:
    """Retrieval scores by u, compared by the model's ``distances``, and by each view of u, by Euclidean distance."""
    ids = (query.pids, gallery.pids, query.camids, gallery.camids)
    views = {"u": Distances(query.u, gallery.u, rule=model.distances)}
    views |= {name: Distances(query.u[:, part], gallery.u[:, part]) for name, part in model.views.items()}
    return {name: retrieval(distances, *ids, protocol, camera_rule) for name, distances in views.items()}


@dataclass(frozen=True)
class Evaluator:
    """A model, a split and how to compute; ``evaluate`` uses one, and the lab's analyses share its embeddings.

    Raises:
        ValueError: when the query or the gallery part is empty, or the size is no pair.
    """

    model: Model
    split: Split
    size: tuple[int, int] = (256, 128)  # (H, W) that every image is resized to
    batch_size: int = 128
    device: torch.device | str = "cpu"
    precision: str = "fp32"  # or bf16, fp16
    ranks: DistributedContext = SINGLE_PROCESS  # see ``embed``
    keep: bool = False  # whether to cache embeddings in ``embedded``, by part and rate
    embedded: dict[tuple[str, float | str], Embeddings] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.size, Sequence) or len(self.size) != 2:
            raise ValueError(
                f"size = {self.size!r}: give (H, W). What recovers images belongs into a Model, as "
                "cadnet_edu.methods.cadnet.model_of(net) makes one of a CADNet."
            )
        if not self.split.query or not self.split.gallery:
            raise ValueError(f"{self.split}: to be scored, a data set needs query images and gallery images.")

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of ``embed`` and ``image_quality``."""
        return {n: getattr(self, n) for n in ("batch_size", "device", "precision", "ranks")}

    def images(self, part: Part) -> Tensor:
        """The images of a part, ``uint8`` ``(n, 3, H, W)``."""
        return cached_images(getattr(self.split, part), *self.size)

    def rate(self, part: Part, r: float | Literal["own"]) -> float | Tensor:
        """The rate of all images of a part, or of each sample."""
        return torch.tensor([s.rate for s in getattr(self.split, part)], dtype=torch.float64) if r == "own" else r

    def embeddings(
        self, part: Part, r: float | Literal["own"] = 1, progress: Callable[[int], Any] = no_progress
    ) -> Embeddings:
        """Embed the query or the gallery part at a rate, or at each ``Sample.rate`` of its own."""
        if (part, r) in self.embedded:
            return self.embedded[part, r]
        u = embed(self.model, self.images(part), self.rate(part, r), **self.options, progress=progress)
        found = Embeddings(u, *pids_and_camids(getattr(self.split, part)))
        if self.keep:
            self.embedded[part, r] = found
        return found

    def evaluate(
        self,
        rates: Sequence[float] | Literal["own"] = (1, 2, 3, 4, 8),
        protocol: Protocol = "single_shot",
        camera_rule: CameraRule | None = None,
        quality: bool = True,
        extra: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
        bar: bool = False,
        views: bool = False,
    ) -> dict[str, dict[str, Any]]:
        """Scores by rate; see the function ``evaluate`` for arguments and result."""
        own, model = check_rates(rates), self.model if views else replace(self.model, views={})
        by_name: dict[str, Any] = {"mlr": "own"} if own else {f"{float(r):g}": float(r) for r in rates}
        rule: CameraRule = camera_rule or ("torchreid" if own else "open-reid")
        n_q, n_g = (-(-len(p) // self.ranks.world) for p in (self.split.query, self.split.gallery))  # of this rank
        total = n_g + len(by_name) * n_q * (2 if quality else 1)
        results: dict[str, dict[str, Any]] = {}
        hidden = not (bar and self.ranks.is_rank_zero)
        with tqdm(total=total, desc="Evaluating", unit="image", disable=hidden, delay=2) as progress:
            gallery = self.embeddings("gallery", "own" if own else 1, progress.update)
            for name, r in by_name.items():
                query = self.embeddings("query", r, progress.update)
                scores = score_views(model, query, gallery, protocol, rule)
                results[name] = dict(scores.pop("u"))
                if quality:
                    results[name] |= image_quality(
                        self.model, self.images("query"), self.rate("query", r), extra=extra,
                        progress=progress.update, **self.options,
                    )  # fmt: skip
                results[name] |= {"views": scores} if scores else {}
        return results


def check_rates(rates: Sequence[float] | Literal["own"]) -> bool:
    """Whether each image is scored at its own rate; refuse what is neither ``"own"`` nor numbers from 1 up."""
    if isinstance(rates, str):
        if rates != "own":
            raise ValueError(f"rates = {rates!r}: give numbers, each 1 or more, or 'own' for each image's own rate.")
        return True
    if not len(rates) or not all(1 <= r < float("inf") for r in rates):
        raise ValueError(f"rates {list(rates)}: give at least one down-sampling rate, each 1 or more.")
    return False


def evaluate(
    model: Model | Callable[[Tensor], Tensor],
    split: Split,
    rates: Sequence[float] | Literal["own"] = (1, 2, 3, 4, 8),
    size: tuple[int, int] = (256, 128),
    protocol: Protocol = "single_shot",
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    quality: bool = True,
    extra: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
    camera_rule: CameraRule | None = None,
    bar: bool = False,
    ranks: DistributedContext = SINGLE_PROCESS,
    views: bool = False,
) -> dict[str, dict[str, Any]]:
    """Cross-resolution retrieval (Sec. 4.3): LR queries against an HR gallery, once for each rate.

    Args:
        model: a ``Model``; or any callable from images ``(b, 3, H, W)`` in [0, 1] to vectors ``(b, n)``.
        split: its query and gallery parts are used.
        rates: down-sampling rates of the queries, with an HR gallery; or ``"own"``: each image at its ``Sample.rate``,
            for MLR splits (Sec. 4.4), scored once under the name ``mlr``.
        size: ``(H, W)`` that every image is resized to.
        protocol: which CMC, see ``cadnet_edu.evaluation.retrieval.retrieval``.
        batch_size, device, precision: see ``embed``.
        quality: whether to score image quality as well: of the images recovered from the queries, or, without
            recovery, of their bilinear up-sampling, the floor.
        extra: further image scores, such as LPIPS.
        camera_rule: of single-shot, see ``cadnet_edu.evaluation.retrieval.single_shot_cmc`` and Choice.
        bar: show a progress bar if it takes more than 2 s.
        ranks: the process group, see ``embed``.
        views: whether to score each view of the model as well, such as CAD-Net's f and g.

    Returns:
        ``{"4": {"rank1": .., "rank5": .., "rank10": .., "mAP": .., "queries": .., "unmatched": .., "psnr": ..,
        "ssim": .., "views": {"f": {"rank1": ..}, "g": ..}}, ...}``, one entry a rate; retrieval as fractions in 0-1 of
        the ``queries`` that have a match, without the ``unmatched`` ones; PSNR in dB (None for identical images);
        ``views`` only on request.

    Raises:
        ValueError: for a rate below 1 or no rate, an empty query or gallery part, and when no query has a match
            (see ``retrieval``).

    Choice:
        With given rates all gallery images of the query's camera are removed (``open-reid``). With ``"own"`` rates
        only those of the query's identity (``torchreid``): with LR cameras that differ between identities, the other
        rule would remove other identities from the gallery, half of them in MLR-VIPeR.
    """
    evaluator = Evaluator(as_model(model), split, size, batch_size, device, precision, ranks)
    return evaluator.evaluate(rates, protocol, camera_rule, quality, extra, bar, views)
