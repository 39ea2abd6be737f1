"""Training in tests: the paper's plain recipe, the two halves of a step, and what makes two runs equal."""

from pathlib import Path
from typing import Any

import torch
from people import tiny
from torch import Tensor, nn

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.data.sampling import Batch
from cadnet_edu.models.cadnet import Output
from cadnet_edu.training.devices import autocast
from cadnet_edu.training.objective import discriminator_terms, generator_terms, total
from cadnet_edu.training.trainer import Trainer, frozen

NO_GAN = dict(lambda_adv_DF=0, lambda_rec=0, lambda_adv_DI=0)
PARTS = ("E", "G", "F", "C", "D_F", "D_I")


def plain(**changes: Any) -> Config:
    """The smallest network without the small presets' additions, ten steps of it."""
    paper = dict(lambda_rec=1, auxiliary_heads=False, bnneck=False, skips="encoder", lr=1e-3, lr_D=1e-4, warmup_steps=0,
                 pixel_shuffle=1, reduction="mean", smooth_l1_beta=0, d_batch_size=0, joint_batchnorm=False,
                 weight_decay=5e-4, steps=10, log_every=2, checkpoint_every=5)  # fmt: skip
    return tiny(**{**paper, **changes})


def update_D(t: Trainer, batch: Batch, H: Output, L: Output) -> dict[str, Tensor]:
    """The discriminators' half of a step, from outputs that are there."""
    with autocast(t.device, t.precision):
        terms, log = discriminator_terms(t.net, batch, H, L, t.loss)
    t.update(t.opt_D, -torch.stack(list(terms.values())).sum())
    return log


def update_G(t: Trainer, batch: Batch, H: Output, L: Output) -> dict[str, Tensor]:
    """The other half of a step."""
    with frozen(t.net.D_F, t.net.D_I), autocast(t.device, t.precision):
        terms, log = generator_terms(t.net, batch, H, L, t.loss)
        loss = total(terms, t.loss)
    t.update(t.opt_G, loss)
    return log | {"L": loss}


def trained(config: Config, split: Split, out: Path | None = None, until: int | None = None) -> Trainer:
    t = Trainer(config, split, out)
    t.fit(until=until, bar=False)
    return t


def resumed(config: Config, split: Split, out: Path, until: int | None = None) -> Trainer:
    t = Trainer(config, split, out)
    assert t.resume()
    t.fit(until=until, bar=False)
    return t


def built(net: nn.Module) -> set[str]:
    return {name for name in PARTS if getattr(net, name) is not None}


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def moved(net: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The names of the weights and buffers that are no longer what they were."""
    return {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def in_D(name: str) -> bool:
    return name.startswith(("D_F.", "D_I."))


def same(a: Any, b: Any) -> bool:
    """Whether two nested states are equal bit for bit."""
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same_run(a: Trainer, b: Trainer) -> None:
    """Two trainers stand at the same point: weights, optimizers, draws to come, random numbers, history."""
    state_a, state_b = a.state_dict(), b.state_dict()
    for name in set(state_a) - {"seconds", "codes"}:  # the code may be edited while another process is tested
        assert same(state_a[name], state_b[name]), name
    assert timeless(a.history) == timeless(b.history)
