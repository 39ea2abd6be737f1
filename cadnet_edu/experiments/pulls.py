"""Which term of eq. (6) moves E: the gradients of a run, at its start and at its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cadnet_edu.analysis import gradient_shares, mean_shares
from cadnet_edu.checkpoints import load_checkpoint
from cadnet_edu.config import LossWeights
from cadnet_edu.data.loading import Batch
from cadnet_edu.data.samples import Split
from cadnet_edu.runs import Run
from cadnet_edu.train import Trainer

BATCHES, FIRST = 4, 20
TERMS = {"L_cls": "cls", "L_adv_DF": "adv_DF", "L_rec": "rec", "L_adv_DI": "adv_DI"}  # of eq. (6) -> their weights


def pulls_at_E(run: Run, split: Split, batches: int = BATCHES) -> dict[str, dict[str, dict[str, float]]]:
    """``start`` and ``end`` of training -> term -> norm, share and cosine, see ``gradient_shares``.

    The start is after a few steps: a G that begins as the identity passes nothing on to E before it has moved.

    Args:
        run: a finished run; its network, discriminators and batches are taken up again in a trainer of their own.
        split: the data that it was trained on.
        batches: how many are averaged over.
    """
    trainer = Trainer(run.config, split)
    for _ in range(min(FIRST, run.config.steps // 10)):
        trainer.step()
    found = {"start": shares(trainer, batches)}
    trainer = Trainer(run.config, split)
    trainer.load_state_dict(load_checkpoint(run.folder / "checkpoint.pt"))
    return found | {"end": shares(trainer, batches)}


def shares(trainer: Trainer, batches: int) -> dict[str, dict[str, float]]:
    """Mean ``gradient_shares`` over the trainer's next batches. The trainer is of no use for training afterwards.

    Args:
        trainer: whose network and losses.
        batches: how many.
    """
    trainer.net.train()
    with torch.random.fork_rng():
        found = [gradient_shares(gradients_at_E(trainer, next(trainer.batches))) for _ in range(batches)]
    return mean_shares(found)


def gradients_at_E(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """The gradient of each weighted term at E's parameters, all in one row: the trainer's own step, a term at a time.

    Args:
        trainer: whose network and losses; its weights stay what they are.
        batch: the images.
    """
    config, optimiser, lam = trainer.config, trainer.opt_G, trainer.config.lam
    found = {}
    try:
        trainer.opt_G = _Still(optimiser)  # type: ignore[assignment]
        for term, name in TERMS.items():
            if getattr(lam, name):
                off = LossWeights(**dict.fromkeys(TERMS.values(), 0.0))
                trainer.config = replace(config, lam=replace(off, **{name: getattr(lam, name)}))
                with trainer._autocast():
                    outputs = trainer.forward(batch)
                trainer.step_G(batch, *outputs)
                found[term] = torch.cat([_gradient(p) for p in trainer.net.E.parameters()])
    finally:
        trainer.config, trainer.opt_G = config, optimiser
    return found


def _gradient(parameter: Tensor) -> Tensor:
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return gradient.detach().flatten().double().cpu()


class _Still:
    """An optimiser that takes no step."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self.zero_grad, self.param_groups = optimiser.zero_grad, optimiser.param_groups

    def step(self, *_: Any) -> None:
        """Stay."""
