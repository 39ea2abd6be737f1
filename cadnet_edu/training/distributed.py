"""Training on several devices: one process for each, called a rank, launched by Lightning Fabric.

The result equals that of one device on the same batch, up to rounding. Every rank draws the same batch and takes its
part of it, so no two ranks have the same identity in a step. Ranks exchange three things: BatchNorm's mean and variance
(``GlobalBatchNorm``), the vectors for the triplets of eq. (5) (``DistributedContext.gather``), and the gradients, which
are averaged before the optimizer step (``DistributedContext.average``).

Choice:
    Gradients are averaged once, after the last backward pass, not by PyTorch's DistributedDataParallel, which expects
    one forward and one backward pass over all parameters. Here two losses with two optimizers share one forward pass,
    and each leaves some parameters without gradient. This gives up DDP's overlap of communication and computation.
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

# Environment variables of a process group; only those that torchrun or this module has set are valid.
INHERITED = ("LOCAL_RANK", "RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
STARTED_BY = "CADNET_EDU_STARTED_BY"  # id of the process that launched the others


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
    """A group of processes as seen from one rank: its place, and how the ranks exchange tensors.

    For a single process every method returns its arguments unchanged.
    """

    device: torch.device
    rank: int = 0
    world: int = 1  # number of ranks
    fabric: Fabric | None = None

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is rank 0, which logs and writes files."""
        return self.rank == 0

    def gather(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The rows of all ranks, ``(b, ...)`` -> ``(world * b, ...)``; differentiable."""
        if self.fabric is None:
            return tensors
        return tuple(cast(Tensor, _Gather.apply(t)).flatten(0, 1) for t in tensors)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Average each tensor over the ranks, in place, in one all-reduce."""
        if self.fabric is None or not tensors:
            return
        flat = cast(Tensor, self.fabric.all_reduce(torch.cat([t.flatten() for t in tensors]), reduce_op="mean"))
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(mean.view_as(t))

    def mean(self, records: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The mean of scalars by name, over the micro-batches of a step and over the ranks."""
        if self.fabric is None and len(records) == 1:
            return records[0]
        means = torch.stack([torch.stack([record[name] for record in records]).mean() for name in records[0]])
        self.average([means])
        return dict(zip(records[0], means.unbind(), strict=True))

    def on_rank_zero(self, work: Callable[[], object]) -> None:
        """Call a function on rank 0 only, such as one that writes a file, while the others wait.

        Raises:
            Exception: on every rank, what rank 0 raised, so that no rank waits for one that has stopped.
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
        """Rank 0's value, on every rank."""
        return value if self.fabric is None else self.fabric.broadcast(value)

    def any(self, condition: bool) -> bool:
        """Whether a condition holds on any rank; a collective call."""
        if self.fabric is None:
            return condition
        total = self.fabric.all_reduce(torch.tensor(float(condition), device=self.device), reduce_op="sum")
        return bool(cast(Tensor, total) > 0)

    def rank_slice(self, n: int) -> slice:
        """The rows of n that this rank processes: every ``world``-th. With fewer rows than ranks, some repeat the last.

        >>> [list(range(5))[DistributedContext(torch.device("cpu"), rank, 2).rank_slice(5)] for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        """
        return slice(min(self.rank, n - 1), None, self.world)

    def all_gather_rows(self, rows: Tensor, n: int) -> Tensor:
        """The inverse of ``rank_slice``: all n rows in order, on the CPU of every rank, from those of each rank."""
        if self.fabric is None:
            return rows
        missing = -(-n // self.world) - len(rows)  # 1 if the last round has no row for this rank
        padded = torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])])
        gathered = cast(Tensor, _Gather.apply(padded.to(self.device)))  # (world, rows, ...)
        return gathered.transpose(0, 1).flatten(0, 1)[:n].cpu()  # interleaved; padding dropped

    def join_batchnorm(self, net: nn.Module) -> None:
        """Replace every BatchNorm by one over the images of all ranks; parameter names stay."""
        if self.fabric is None:
            return
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(net)  # faster, for GPUs only
            return
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(module, name, GlobalBatchNorm(child, self))


SINGLE_PROCESS = DistributedContext(torch.device("cpu"))


class GlobalBatchNorm(_BatchNorm):
    """BatchNorm over the images of all ranks: the mean and the variance are those of the whole batch.

    All ranks hold equally many images, so the mean is the mean of the ranks' means, and the variance is the mean of
    their variances plus the variance of their means. Gradients flow back through both to all ranks,
    because every output depends on every image.
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
        if not self.training:  # the running statistics are the same on all ranks
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
    """Join the group of processes that train together; launch the others unless torchrun has.

    Without ``torchrun``, Fabric starts this program again with the same arguments, once for each further device, and
    each copy calls this function as well. Variables that a cluster or a notebook has set (``WORLD_SIZE``,
    ``LOCAL_RANK``, ``SLURM_NTASKS`` ...) are ignored: with them a process would wait for others forever.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ...
        devices: number of devices on this machine; ``auto`` takes all GPUs.

    Raises:
        ValueError: when there are not that many, or processes cannot be launched from here.
    """
    chosen = choose_device(device)
    here, machines = _processes(chosen, devices)
    if here * machines == 1:
        return DistributedContext(chosen)
    _check_can_start(chosen, here)
    _clear_inherited_variables()
    from lightning_fabric import Fabric  # takes over a second to import; not needed for one device
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # importing it sets INFO
    environment = TorchElasticEnvironment() if _torchrun() else LightningEnvironment()
    fabric = Fabric(accelerator=chosen.type, devices=here, num_nodes=machines, strategy="ddp", plugins=[environment])
    fabric.launch()
    return DistributedContext(fabric.device, fabric.global_rank, fabric.world_size, fabric)


def _torchrun() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched()


def _processes(device: torch.device, devices: int | str) -> tuple[int, int]:
    """The number of processes on this machine, and of machines."""
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
    """Refuse to launch processes that cannot work, or would wait for others forever."""
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
    """Whether torchrun, or an earlier call in this process or its parent, has launched the ranks."""
    return _torchrun() or os.environ.get(STARTED_BY) in (str(os.getpid()), str(os.getppid()))


def _clear_inherited_variables() -> None:
    """Remove variables from the environment that would make this process wait for others forever."""
    if not _launched():
        for name in INHERITED:
            os.environ.pop(name, None)
        os.environ[STARTED_BY] = str(os.getpid())


def world_size_of(device: str = "auto", devices: int | str = 1) -> int:
    """The number of ranks that ``init_distributed`` would launch."""
    here, machines = _processes(choose_device(device), devices)
    return here * machines


def check_divisible(config: Config, world: int) -> None:
    """Check that a batch can be split evenly over ranks and micro-batches, by identities."""
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
    """The rank of this process; 0 without a process group."""
    with suppress(RuntimeError, ValueError):
        if dist.is_available() and dist.is_initialized():
            return dist.get_rank()
    return 0
