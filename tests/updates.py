"""The two halves of a training step, each from outputs that are there already."""

from __future__ import annotations

import torch

from cadnet_edu.data.sampling import Batch
from cadnet_edu.models.cadnet import Output
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.objective import discriminator_terms, generator_terms, total
from cadnet_edu.training.trainer import Trainer, frozen


def update_D(t: Trainer, batch: Batch, H: Output, L: Output) -> dict[str, torch.Tensor]:
    """The discriminators' half of a step, from outputs that are there."""
    with autocast(t.device, t.precision):
        terms, log = discriminator_terms(t.net, batch, H, L, t.loss)
    t.update(t.opt_D, -torch.stack(list(terms.values())).sum())
    return log


def update_G(t: Trainer, batch: Batch, H: Output, L: Output) -> dict[str, torch.Tensor]:
    """The other half of a step."""
    with frozen(t.net.D_F, t.net.D_I), autocast(t.device, t.precision):
        terms, log = generator_terms(t.net, batch, H, L, t.loss)
        loss = total(terms, t.loss)
    t.update(t.opt_G, loss)
    return log | {"L": loss}
