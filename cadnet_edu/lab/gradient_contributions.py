"""Measure the contribution of each term of eq. (6) to the gradient at E, at the start and at the end of a run."""

import torch
from torch import Tensor

from cadnet_edu.analysis import gradient_shares, mean_shares
from cadnet_edu.data.samples import Split
from cadnet_edu.data.sampling import Batch
from cadnet_edu.runs import Run
from cadnet_edu.training.checkpoints import load_checkpoint
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.objective import generator_terms, gradients_at
from cadnet_edu.training.trainer import Trainer, frozen

BATCHES, FIRST = 4, 20


def contributions_at_E(run: Run, split: Split) -> dict[str, dict[str, dict[str, float]]]:
    """``start`` and ``end`` of training -> term -> norm, share and cosine, see ``gradient_shares``.

    The start is after some steps, because a G that begins as the identity passes no gradient to E at first.
    """
    trainer = Trainer(run.config, split)
    for _ in range(min(FIRST, run.config.optim.steps // 10)):
        trainer.step()
    found = {"start": shares(trainer)}
    trainer = Trainer(run.config, split)
    trainer.load_state_dict(load_checkpoint(run.folder / "checkpoint.pt"))
    return found | {"end": shares(trainer)}


def shares(trainer: Trainer) -> dict[str, dict[str, float]]:
    """Mean ``gradient_shares`` over the trainer's next batches; do not train with it afterwards."""
    trainer.net.train()
    with torch.random.fork_rng():
        found = [gradient_shares(gradients_at_E(trainer, next(trainer.batches))) for _ in range(BATCHES)]
    return mean_shares(found)


def gradients_at_E(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """The gradient of each weighted term at E's parameters, as one vector; no weight changes."""
    net = trainer.net
    with frozen(net.D_F, net.D_I), autocast(trainer.device, trainer.precision):
        H, L = trainer.forward(batch)
        terms, _ = generator_terms(net, batch, H, L, trainer.loss)
    return gradients_at(list(net.E.parameters()), terms, trainer.loss)
