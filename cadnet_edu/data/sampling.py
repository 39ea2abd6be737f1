"""Sampling of batches: identities and images for the triplet loss, HR and LR independently (Sec. 3.2)."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as nnf
from torch import Tensor

from cadnet_edu.data.resolution import degrade


class Batch(NamedTuple):
    """The input of one training step. HR and LR are drawn independently, so eq. (2) needs ``x_L_gt``."""

    x_H: Tensor  # HR images (b, 3, H, W) in [0, 1]
    y_H: Tensor  # their labels (b,)
    x_L: Tensor  # LR images (b, 3, H, W), up-sampled back to H x W
    x_L_gt: Tensor  # the HR images that x_L was made from
    y_L: Tensor  # their labels (b,)
    r_L: Tensor  # the down-sampling rate of each (b,)
    # There may be fewer labels than images: the last images are unlabelled.


def micro_batches(batch: Batch, n: int, images: int) -> list[Batch]:
    """Split a batch into n equal micro-batches with disjoint identities, among the HR images and among the LR images.

    Args:
        batch: its labelled images come first, those of an identity in consecutive rows.
        n: number of micro-batches; every n-th identity goes into the same one.
        images: number of images per identity.

    >>> y, x = torch.tensor([5, 5, 2, 2, 4, 4, 3, 3]), torch.zeros(8, 3, 2, 1)
    >>> [part.y_H.tolist() for part in micro_batches(Batch(x, y, x, x, y, torch.ones(8)), 2, images=2)]
    [[5, 5, 4, 4], [2, 2, 3, 3]]
    """
    if n == 1:
        return [batch]
    labelled = len(batch.y_H)

    def part(values: Tensor, i: int) -> Tensor:
        known, others = values[:labelled], values[labelled:]
        return torch.cat([known.unflatten(0, (-1, images))[i::n].flatten(0, 1), others[i::n]])

    return [Batch(*(part(values, i) for values in batch)) for i in range(n)]


class PKSampler:
    """Infinite sampler of P identities and K images of each.

    Every identity is drawn once per pass; its images are drawn without repetition if it has K of them, and with
    repetition if it has fewer.

    Args:
        y: label of each image ``(n,)``.
        identities: P.
        images: K.
        seed: the same seed gives the same draws.

    Raises:
        ValueError: when there are fewer than P identities, an identity has a single image, or P or K is below 1.
    """

    def __init__(self, y: Sequence[int] | Tensor, identities: int, images: int, seed: int = 0) -> None:
        y = torch.as_tensor(y)
        if identities < 1 or images < 1:
            raise ValueError(f"{identities} identities x {images} images: a batch needs at least 1 of each.")
        self.rows = [torch.nonzero(y == label)[:, 0] for label in y.unique(sorted=True)]
        self.P, self.K = identities, images
        if len(self.rows) < identities:
            raise ValueError(
                f"a batch of {identities} identities cannot be drawn from {len(self.rows)}. "
                "Set a smaller `num_identities`, or use a larger training set."
            )
        single = sum(len(rows) < 2 for rows in self.rows)
        if single:
            raise ValueError(
                f"{single} of {len(self.rows)} training identities have a single image. "
                "The triplet loss of eq. (5) needs at least two images an identity."
            )
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)  # identities still to come in this pass

    def draw(self) -> Tensor:
        """Row numbers of the next batch ``(P * K,)``, the K images of an identity in consecutive rows."""
        if len(self.order) < self.P:
            fresh = torch.randperm(len(self.rows), generator=self.generator)
            left = self.order
            fresh = torch.cat([fresh[~torch.isin(fresh, left)], fresh[torch.isin(fresh, left)]])  # no identity twice
            self.order = torch.cat([left, fresh])
        chosen, self.order = self.order[: self.P], self.order[self.P :]
        return torch.cat([self._images(self.rows[i]) for i in chosen.tolist()])

    def _images(self, rows: Tensor) -> Tensor:
        draws = []
        for _ in range(-(-self.K // len(rows))):
            draws.append(rows[torch.randperm(len(rows), generator=self.generator)])
        return torch.cat(draws)[: self.K]

    def state_dict(self) -> dict[str, Tensor]:
        """The state that determines the next draws."""
        return {"generator": self.generator.get_state(), "order": self.order.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue where ``state_dict`` was taken."""
        self.generator.set_state(state["generator"].cpu())
        self.order = state["order"].cpu().clone()


class Batches:
    """Infinite iterator over ``Batch``: HR and LR images drawn independently, augmented, and the LR ones degraded.

    It is no ``Dataset`` with a ``DataLoader``, since all images are decoded once beforehand and a resumed run must
    continue with exactly the same batches, which the state of its generators guarantees without worker processes.

    Args:
        images: all training images, ``uint8`` ``(n, 3, H, W)``; they are never changed, and only one batch at a
            time is converted to float.
        y: labels ``(n,)``, integers from 0; -1 for an unlabelled image.
        num_identities, num_instances: P and K, for each resolution.
        rates: the down-sampling rates that LR images are made with, one drawn for each image (Sec. 4.4). With (1,) the
            "LR" images are HR images too: a baseline that sees HR only, on the same number of images.
        flip: mirror each image with probability 1/2.
        max_shift: shift each image by up to this many pixels; the border is padded with the edge pixels.
        seed: of all random draws.
        device: the device of the batches.
        unlabelled_batch_size: number of images appended to each batch without labels, drawn from all images.

    Raises:
        ValueError: when images and labels do not fit together; see also ``PKSampler``.
    """

    def __init__(
        self,
        images: Tensor,
        y: Sequence[int] | Tensor,
        num_identities: int = 8,
        num_instances: int = 4,
        rates: Sequence[float] = (2, 3, 4),
        flip: bool = True,
        max_shift: int = 0,
        seed: int = 0,
        device: torch.device | str = "cpu",
        unlabelled_batch_size: int = 0,
    ) -> None:
        self.images, self.y = images, torch.as_tensor(y, dtype=torch.int64)
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"images {tuple(images.shape)} of {images.dtype}: give uint8 images (n, 3, H, W).")
        if len(images) != len(self.y):
            raise ValueError(f"{len(images)} images but {len(self.y)} labels: give one label an image.")
        if len(rates) == 0 or max_shift < 0:
            raise ValueError(
                f"rates {list(rates)}, max_shift {max_shift}: give at least one rate, and 0 or more pixels."
            )
        self.rates = torch.tensor(rates, dtype=torch.float64)
        self.flip, self.max_shift, self.device = flip, max_shift, torch.device(device)
        self.unlabelled_batch_size = unlabelled_batch_size
        self.labelled = torch.nonzero(self.y >= 0)[:, 0]
        y_known = self.y[self.labelled]
        self.sampler_H = PKSampler(y_known, num_identities, num_instances, seed=2 * seed)
        self.sampler_L = PKSampler(y_known, num_identities, num_instances, seed=2 * seed + 1)
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        x_H, y_H = self._augmented(self._rows(self.sampler_H))
        x_L_gt, y_L = self._augmented(self._rows(self.sampler_L))
        r_L = self.rates[torch.randint(len(self.rates), (len(x_L_gt),), generator=self.generator)]
        return Batch(x_H, y_H, degrade(x_L_gt, r_L), x_L_gt, y_L, r_L)

    def _rows(self, sampler: PKSampler) -> Tensor:
        """Rows of P x K labelled images, followed by rows of images that are used without labels."""
        rows = self.labelled[sampler.draw()]
        if not self.unlabelled_batch_size:
            return rows
        return torch.cat(
            [rows, torch.randint(len(self.images), (self.unlabelled_batch_size,), generator=self.generator)]
        )

    def _augmented(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.images[rows].to(self.device).float() / 255  # (b, 3, H, W)
        if self.flip:
            mirrored = torch.rand(len(x), generator=self.generator) < 0.5
            x = torch.where(mirrored.to(self.device)[:, None, None, None], x.flip(3), x)
        if self.max_shift:
            x = self._shifted(x)
        return x, self.y[rows[: len(rows) - self.unlabelled_batch_size]].to(self.device)

    def _shifted(self, x: Tensor) -> Tensor:
        c, (height, width) = self.max_shift, x.shape[-2:]
        padded = nnf.pad(x, (c, c, c, c), mode="replicate")
        offsets = torch.randint(2 * c + 1, (len(x), 2), generator=self.generator).tolist()
        return torch.stack([padded[i, :, a : a + height, b : b + width] for i, (a, b) in enumerate(offsets)])

    def state_dict(self) -> dict[str, Any]:
        """The state that determines the next batches."""
        return {
            "H": self.sampler_H.state_dict(),
            "L": self.sampler_L.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` was taken."""
        self.sampler_H.load_state_dict(state["H"])
        self.sampler_L.load_state_dict(state["L"])
        self.generator.set_state(state["generator"].cpu())
