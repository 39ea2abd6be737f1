"""Several devices train as one: one process a device, called a rank, started and joined by Lightning Fabric.

What is computed is what one device computes on the same batch, up to rounding. Every rank draws the same batch and
takes its part of it, so no two ranks see the same identity in a step. Three things reach over the ranks: BatchNorm's
mean and variance (``GlobalBatchNorm``), the triplets of eq. (5) (``DistributedContext.gather``), and the gradients,
which are averaged before the optimizer steps (``DistributedContext.average``).

Choice:
    Gradients are averaged in one go after the last backward pass, not by PyTorch's DistributedDataParallel. That one
    watches a single forward and a single backward pass over all parameters; here two losses with two optimizers share
    one forward pass, and each leaves a part of the network untouched. This gives up DDP's overlap of communication and
    computation.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cadnet_edu.config import Config
from cadnet_edu.training.devices import choose_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")

# What tells a process its place among others; only torchrun and this module may have set it.
INHERITED = ("LOCAL_RANK", "RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
STARTED_BY = "CADNET_EDU_STARTED_BY"  # the process that started the others


class _Gather(torch.autograd.Function):
    """``(b, ...)`` on each rank -> ``(world, b, ...)``, the same on all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(rows, x.contiguous())
        return torch.stack(rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].contiguous().clone()
        dist.all_reduce(grad)  # every rank's loss may depend on these rows: sum over ranks
        return grad[dist.get_rank()]


@dataclass(frozen=True)
class DistributedContext:
    """The processes that work together, seen from one of them: its place, and how they exchange tensors.

    A process alone exchanges nothing: every method hands back what it was given.
    """

    device: torch.device
    rank: int = 0
    world: int = 1  # how many there are
    fabric: Fabric | None = None

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is rank 0, which logs and writes files."""
        return self.rank == 0

    def gather(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The rows of all ranks, ``(b, ...)`` -> ``(world * b, ...)``; gradients find their way back to each rank."""
        if self.fabric is None:
            return tensors
        return tuple(cast(Tensor, _Gather.apply(t)).flatten(0, 1) for t in tensors)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes, in place, the mean of what the ranks hold; all travel as one."""
        if self.fabric is None or not tensors:
            return
        flat = cast(Tensor, self.fabric.all_reduce(torch.cat([t.flatten() for t in tensors]), reduce_op="mean"))
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(mean.view_as(t))

    def mean(self, records: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The mean of scalars by name, over the records of a step's parts and over the ranks."""
        if self.fabric is None and len(records) == 1:
            return records[0]
        means = torch.stack([torch.stack([record[name] for record in records]).mean() for name in records[0]])
        self.average([means])
        return dict(zip(records[0], means.unbind(), strict=True))

    def on_rank_zero(self, work: Callable[[], object]) -> None:
        """Do on the first rank what only one can do, such as writing a file, while the others wait.

        Raises:
            Exception: on every rank what went wrong on the first, so that none waits for one that has gone.
        """
        if self.fabric is None:
            work()
            return
        problem: Exception | None = None
        if self.is_rank_zero:
            try:
                work()
            except Exception as error:
                problem = error
        problem = self.broadcast_from_zero(problem)
        if problem is not None:
            raise problem

    def broadcast_from_zero(self, value: T) -> T:
        """The first rank's value, on every rank."""
        return value if self.fabric is None else self.fabric.broadcast(value)

    def any(self, condition: bool) -> bool:
        """Whether a condition holds on one rank at least; all must ask."""
        if self.fabric is None:
            return condition
        total = self.fabric.all_reduce(torch.tensor(float(condition), device=self.device), reduce_op="sum")
        return bool(cast(Tensor, total) > 0)

    def rank_slice(self, n: int) -> slice:
        """Which of n rows this rank works on: every ``world``-th one. With fewer rows than ranks some do the last one.

        >>> [list(range(5))[DistributedContext(torch.device("cpu"), rank, 2).rank_slice(5)] for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        """
        return slice(min(self.rank, n - 1), None, self.world)

    def all_gather_rows(self, rows: Tensor, n: int) -> Tensor:
        """The inverse of ``rank_slice``: all n rows in their order, none twice, from each rank's own.

        Args:
            rows: what this rank computed for its slice.
            n: how many rows there are in all.

        Returns:
            ``(n, ...)`` on the CPU, the same on every rank.
        """
        if self.fabric is None:
            return rows
        missing = -(-n // self.world) - len(rows)  # 1 where the last round has no row left for this rank
        padded = torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])])
        gathered = cast(Tensor, _Gather.apply(padded.to(self.device)))  # (world, rows, ...)
        return gathered.transpose(0, 1).flatten(0, 1)[:n].cpu()  # row by row; what is over goes

    def join_batchnorm(self, net: nn.Module) -> None:
        """Every BatchNorm in a network becomes one over the images of all ranks; names of weights stay as they are."""
        if self.fabric is None:
            return
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(net)  # PyTorch's own, faster, for GPUs only
            return
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(module, name, GlobalBatchNorm(child, self))


SINGLE_PROCESS = DistributedContext(torch.device("cpu"))


class GlobalBatchNorm(_BatchNorm):
    """BatchNorm over the images of all ranks: the mean and the variance are those of the whole batch.

    All ranks hold equally many images, so the mean is the mean of the ranks' means, and the variance is the mean of
    their variances plus the variance of their means. ``gather`` sends gradients back through both, as it has to be:
    every image has a part in what every other becomes.

    Args:
        local: the BatchNorm whose parameters, running statistics and settings it takes over.
        ranks: who takes part.
    """

    def __init__(self, local: _BatchNorm, ranks: DistributedContext) -> None:
        super().__init__(local.num_features, local.eps, local.momentum, local.affine, local.track_running_stats)
        self.weight, self.bias = local.weight, local.bias
        self.running_mean, self.running_var = local.running_mean, local.running_var
        self.num_batches_tracked = local.num_batches_tracked
        self.ranks = ranks

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"an input of shape {tuple(x.shape)}: give (b, c) or (b, c, h, w).")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:  # with the running statistics there is nothing to share
            return super().forward(x)
        self._check_input_dim(x)
        dims, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
        x32 = x.to(torch.promote_types(x.dtype, torch.float32))  # never in half precision
        own = torch.stack([x32.mean(dims), x32.var(dims, correction=0)])  # (2, c)
        means, variances = self.ranks.gather(own[None])[0].unbind(1)  # (world, c) each
        mean = means.mean(0)
        var = (variances + (means - mean).square()).mean(0)
        self._remember(mean.detach(), var.detach(), self.ranks.world * x.numel() // x.shape[1])
        y = (x32 - mean.view(shape)) * torch.rsqrt(var + self.eps).view(shape)
        return (y * self.weight.view(shape) + self.bias.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, n: int) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (n / (n - 1)), self.momentum)  # without bias, as PyTorch does


def init_distributed(device: str = "auto", devices: int | str = 1) -> DistributedContext:
    """Join the group of processes that train together, and start the others where no launcher has.

    Under ``torchrun`` the processes are there. Otherwise Fabric starts this program again with the same arguments, once
    for each further device, and each copy arrives here as well. What a cluster or a notebook left in the environment
    (``WORLD_SIZE``, ``LOCAL_RANK``, ``SLURM_NTASKS`` ...) does not count: a process would wait for others without end.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ...
        devices: how many of them on this machine; ``auto`` takes all GPUs.

    Raises:
        ValueError: when there are not that many, or this place cannot start processes.
    """
    chosen = choose_device(device)
    here, machines = _processes(chosen, devices)
    if here * machines == 1:
        return DistributedContext(chosen)
    _check_can_start(chosen, here)
    _clear_inherited_variables()
    from lightning_fabric import Fabric  # takes over a second to import, and one device does without it
    from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # importing it sets INFO
    environment = TorchElasticEnvironment() if _torchrun() else LightningEnvironment()
    fabric = Fabric(accelerator=chosen.type, devices=here, num_nodes=machines, strategy="ddp", plugins=[environment])
    fabric.launch()
    return DistributedContext(fabric.device, fabric.global_rank, fabric.world_size, fabric)


def _torchrun() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched()


def _processes(device: torch.device, devices: int | str) -> tuple[int, int]:
    """How many processes there are to be on this machine, and how many machines."""
    if _torchrun():
        here, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        if devices not in ("auto", 1, here):
            raise ValueError(
                f"devices = {devices}, but torchrun has started {here} on this machine: leave --devices out, or start "
                f"torchrun with --nproc-per-node {devices}."
            )
        return here, world // here
    if devices == "auto":
        return torch.cuda.device_count() if device.type == "cuda" else 1, 1
    return int(devices), 1


def _check_can_start(device: torch.device, here: int) -> None:
    """Stop before processes are started that cannot work, or would wait for others that nobody starts."""
    there = torch.cuda.device_count() if device.type == "cuda" else here if device.type == "cpu" else 1
    if here > there:
        raise ValueError(f"devices = {here}, but this machine has {there} of type {device.type}: ask for {there}.")
    if device.index is not None:
        raise ValueError(f"device {str(device)!r} is a single one: with several devices, give {device.type!r}.")
    if hasattr(sys, "ps1") or sys.flags.interactive:
        raise ValueError(
            f"devices = {here}: a notebook cannot start other processes. Use one device here, or run the command with "
            f"--devices {here} in a cell of its own, behind an exclamation mark: !cadnet-edu ..."
        )
    if _launched():
        return
    if int(os.environ.get("SLURM_PROCID") or 0):
        raise ValueError(
            f"devices = {here}, and srun has started this program several times. Start it once on each machine: with "
            f"srun --ntasks-per-node 1 and --devices {here}, or with torchrun."
        )
    if getattr(sys.modules["__main__"], "__spec__", None) is None and not os.path.isfile(sys.argv[0]):
        raise ValueError(
            f"devices = {here}: the other processes start this program again, and what was given to `python -c` or to "
            f"standard input cannot be started again. Put it into a file, or use the command line: cadnet-edu ... "
            f"--devices {here}"
        )


def _launched() -> bool:
    """Whether torchrun, or an earlier call in this process or in the one that started it, brought ranks together."""
    return _torchrun() or os.environ.get(STARTED_BY) in (str(os.getpid()), str(os.getppid()))


def _clear_inherited_variables() -> None:
    """Take out of the environment what would make this process wait for others that nobody starts."""
    if not _launched():
        for name in INHERITED:
            os.environ.pop(name, None)
        os.environ[STARTED_BY] = str(os.getpid())


def world_size_of(device: str = "auto", devices: int | str = 1) -> int:
    """How many processes ``init_distributed`` would bring together; none is started for the answer."""
    here, machines = _processes(choose_device(device), devices)
    return here * machines


def check_divisible(config: Config, world: int) -> None:
    """Check that a batch can be shared out evenly: whole identities, and as many of all other images, in every part.

    Raises:
        ValueError: which says the numbers that would do.
    """
    parts = config.optim.accumulate_grad_batches
    pieces = world * parts
    for name, n in {
        "num_identities": config.data.num_identities,
        "unlabelled_batch_size": config.data.unlabelled_batch_size,
        "d_batch_size": config.loss.d_batch_size,
    }.items():
        if n % pieces:
            raise ValueError(
                f"{name} = {n} cannot be shared out evenly over {world} devices x {parts} parts "
                f"(accumulate_grad_batches): give a multiple of {pieces}, such as {-(-n // pieces) * pieces}."
            )


def current_rank() -> int:
    """This process's rank among those that work together; 0 when it works alone."""
    with suppress(RuntimeError, ValueError):
        if dist.is_available() and dist.is_initialized():
            return dist.get_rank()
    return 0
