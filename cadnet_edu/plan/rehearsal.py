"""A training step without numbers: the trainer's own code runs on tensors that have shapes and no memory.

PyTorch's fake tensors know their size, type and strides and compute nothing, so a step of the full-size network is
gone through in seconds on any machine. A ledger watches: what every operation costs, and which tensors live when.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from cadnet_edu.config import Config
from cadnet_edu.data.sampling import Batch
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.distributed import Ranks
from cadnet_edu.training.trainer import Trainer, build_network

aten = torch.ops.aten


class Work(NamedTuple):
    """What one operation costs."""

    flops: int  # a multiplication and an addition are two; 0 for what is neither convolution nor matrix product
    bytes: int  # read and written
    half: bool  # whether it multiplies 16-bit numbers


@dataclass
class Life:
    """A piece of memory from the operation that made it to the one after which nobody held it."""

    bytes: int
    born: int
    died: int | None = None

    def at(self, moment: int) -> bool:
        """Whether it was there at a moment."""
        return self.born <= moment and (self.died is None or self.died > moment)


@dataclass
class Ledger:
    """All that a watched piece of code did: its operations, and the memory of its tensors over time."""

    work: list[Work] = field(default_factory=list)
    living: dict[int, Life] = field(default_factory=dict)
    moment: int = 0
    now: int = 0
    peak: int = 0
    peak_moment: int = 0

    @property
    def flops(self) -> int:
        """Of all operations."""
        return sum(w.flops for w in self.work)

    @property
    def bytes(self) -> int:
        """Read and written by all operations."""
        return sum(w.bytes for w in self.work)

    def start(self) -> None:
        """Forget what was done, keep what is alive."""
        self.work.clear()
        self.peak, self.peak_moment = self.now, self.moment

    def see(self, tensor: Tensor) -> None:
        """Take note of a tensor; views of memory that is known count nothing."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.living:
            return
        life = self.living[key] = Life(storage.nbytes(), self.moment)
        self.now += life.bytes
        if self.now > self.peak:
            self.peak, self.peak_moment = self.now, self.moment
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        life = self.living.pop(key)
        life.died = self.moment
        self.now -= life.bytes

    def lives(self, tensors: Iterable[Tensor]) -> list[Life]:
        """The memory behind some tensors, each piece once."""
        keys = {t.untyped_storage()._cdata for t in tensors}
        return [self.living[key] for key in keys if key in self.living]


class Watch(TorchDispatchMode):
    """Keeps a ledger of the operations under it, and answers for fake tensors what only numbers could answer.

    A question such as "is any of these true" is answered with yes, and a choice by a mask takes everything: an upper
    bound, and for the masks of a training step the truth.

    Args:
        ledger: where to write.
        fake: whether the tensors are fake.
    """

    def __init__(self, ledger: Ledger, fake: bool = True) -> None:
        super().__init__()
        self.ledger, self.fake = ledger, fake

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.fake and func is aten._local_scalar_dense.default:
            return {torch.bool: True}.get(args[0].dtype, 1)
        if self.fake:
            args = tuple(_everything(a) if _has_mask(a) else a for a in args)
        out = func(*args, **kwargs)
        self.ledger.moment += 1
        if computes(func, args, out):
            self.ledger.work.append(cost(func, args, kwargs, out))
        for tensor in tree_iter(out):
            if isinstance(tensor, Tensor):
                self.ledger.see(tensor)
        return out


def _has_mask(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and any(isinstance(a, Tensor) and a.dtype == torch.bool for a in argument)


def _everything(indices: Any) -> list[Any]:
    """Indices with each mask replaced by the numbers of all rows."""
    out: list[Any] = []
    for index in indices:
        if isinstance(index, Tensor) and index.dtype == torch.bool:
            out += [torch.empty(index.numel(), dtype=torch.int64, device=index.device) for _ in range(index.ndim)]
        else:
            out.append(index)
    return out


def computes(func: Any, args: Any, out: Any) -> bool:
    """Whether a call makes the processor do something: views and questions about shapes do not.

    Args:
        func: the operation.
        args: what it was given.
        out: what it gave.
    """
    if func._schema.is_mutable:
        return True
    made = [t for t in tree_iter(out) if isinstance(t, Tensor)]
    given = {t.untyped_storage()._cdata for t in tree_iter(args) if isinstance(t, Tensor)}
    return any(t.untyped_storage()._cdata not in given for t in made)


def cost(func: Any, args: Any, kwargs: Any, out: Any) -> Work:
    """What a call of an operation costs.

    Args:
        func: the operation.
        args, kwargs: what it was given.
        out: what it gave.
    """
    count = flop_registry.get(func._overloadpacket)
    flops = int(count(*args, **kwargs, out_val=out)) if count is not None else 0
    given = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
    made = [t for t in tree_iter(out) if isinstance(t, Tensor)]
    half = flops > 0 and given[0].element_size() == 2
    return Work(flops, sum(t.numel() * t.element_size() for t in (*given, *made)), half)


class Company(Ranks):
    """Several processes of which one is there: what all hold is put together as it would be, and goes nowhere."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        """The gradients are copied into one piece, which travels, and back."""
        if self.world > 1 and tensors:
            flat = torch.cat([t.flatten() for t in tensors])
            for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                t.copy_(mean.view_as(t))


class Rehearsal(Trainer):
    """A trainer whose network and batch have no numbers: its ``step`` is the trainer's own.

    Args:
        config: all settings.
        net: the network, on the meta device.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        foreach: whether the optimisers go over all parameters at once, as they do on a GPU.
        devices: how many share the batch; this is the first of them.
    """

    def __init__(self, config: Config, net: CADNet, precision: str, foreach: bool, devices: int = 1) -> None:
        self.prepare(config, net._apply(_without_numbers), precision, Company(torch.device("cpu"), 0, devices))
        # A scaler asks whether a gradient has overflowed, which only numbers can answer.
        self.scaler_G = self.scaler_D = torch.amp.GradScaler("cpu", enabled=False)
        for optimiser in self.optimisers():
            for group in optimiser.param_groups:
                group["foreach"] = foreach and not group.get("fused")

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """Those that there are."""
        return [self.opt_G] if self.opt_D is None else [self.opt_G, self.opt_D]

    def states(self) -> list[Tensor]:
        """The optimisers' own tensors."""
        states = (state.values() for o in self.optimisers() for state in o.state.values())
        return [t for values in states for t in values if isinstance(t, Tensor)]

    def gradients(self) -> list[Tensor]:
        """Those that are there now."""
        return [p.grad for p in self.net.parameters() if p.grad is not None]


def _without_numbers(t: Tensor) -> Tensor:
    return torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device="cpu")


def batch_without_numbers(config: Config) -> Batch:
    """A batch of the right shapes."""
    labelled, unlabelled = config.batch_size, config.unlabelled_images

    def images() -> Tensor:
        return torch.empty(labelled + unlabelled, 3, config.height, config.width)

    def labels() -> Tensor:
        return torch.empty(labelled, dtype=torch.int64)

    rates = torch.empty(labelled + unlabelled, dtype=torch.float64)
    return Batch(images(), labels(), images(), images(), labels(), rates)


@dataclass(frozen=True)
class Memory:
    """Bytes of tensors at the moment of a step when there are most."""

    weights: int  # of the networks, with their running statistics
    gradients: int
    optimiser: int  # momenta
    activations: int  # all the rest: maps kept for the backward pass, the batch, intermediate results

    @property
    def peak(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsed step has shown."""

    memory: Memory
    work: tuple[Work, ...]
    parameters: tuple[tuple[str, int], ...]  # of each network
    kept: int  # bytes of a checkpoint: weights and momenta

    @property
    def flops(self) -> int:
        """Operations of a step, a multiplication and an addition as two."""
        return sum(w.flops for w in self.work)

    @property
    def bytes(self) -> int:
        """Read and written in a step."""
        return sum(w.bytes for w in self.work)


@lru_cache(maxsize=64)
def rehearse(
    config: Config, identities: int, precision: str = "fp32", foreach: bool = True, devices: int = 1
) -> Rehearsed:
    """Go through two steps without numbers; the second, when momenta are there, is the one that counts.

    Args:
        config: all settings. The start weights do not matter and are never fetched.
        identities: to train on.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        foreach: whether the optimisers go over all parameters at once, as they do on a GPU.
        devices: how many share the batch; the work and the memory are those of one.
    """
    with torch.device("meta"):
        net = build_network(replace(config, weights="none"), identities)
    net = net.to(memory_format=torch.channels_last)
    ledger = Ledger()
    with FakeTensorMode(), Watch(ledger):
        trainer = Rehearsal(config, net, precision, foreach, devices)
        batch = batch_without_numbers(config)
        trainer.step(batch)
        ledger.start()
        before = ledger.lives(trainer.gradients())
        trainer.step(batch)
        memory = at_peak(ledger, trainer, before)
    return Rehearsed(memory, tuple(ledger.work), parameters(trainer.net), memory.weights + memory.optimiser)


def at_peak(ledger: Ledger, trainer: Rehearsal, before: list[Life]) -> Memory:
    """What the memory was made of when there was most.

    Args:
        ledger: of the step.
        trainer: after it.
        before: the gradients that the step found.
    """

    def there(lives: Iterable[Life]) -> int:
        return sum(life.bytes for life in lives if life.at(ledger.peak_moment))

    gradients = {id(life): life for life in (*before, *ledger.lives(trainer.gradients()))}
    kept = [there(ledger.lives((*trainer.net.parameters(), *trainer.net.buffers()))), there(gradients.values())]
    kept.append(there(ledger.lives(trainer.states())))
    return Memory(kept[0], kept[1], kept[2], ledger.peak - sum(kept))


def parameters(net: nn.Module) -> tuple[tuple[str, int], ...]:
    """Parameters of each network, by the paper's names."""
    return tuple((name, sum(p.numel() for p in part.parameters())) for name, part in net.named_children())
