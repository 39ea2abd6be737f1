"""Will it fit, and how long will it take? A rehearsed step, held against a processor's data sheet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from cadnet_edu.config import Config
from cadnet_edu.plan.gpus import GIB, GPUS, TERA, Gpu, known_gpu
from cadnet_edu.plan.rehearsal import Memory, Rehearsed, Work, rehearse
from cadnet_edu.plan.sizes import Size, training_size
from cadnet_edu.training.devices import choose_precision
from cadnet_edu.training.distributed import divides
from cadnet_edu.training.trainer import labelled_pids

# Of the speed that the data sheet promises for each operation, the shares between which a run is expected. NVIDIA's
# own trainings of ResNet-50 with PyTorch (DeepLearningExamples: V100 and A100, with and without 16-bit numbers) reach
# 0.44 to 0.80 of it; code that was tuned less, with smaller batches, reaches less.
SHARES = (0.25, 0.85)
SPARE = 0.10  # of the peak: gaps between tensors, and what the convolutions work in
CONTEXT = {"gpu": 0.6, "cpu": 0.7}  # GiB: the driver's context and its programs; on a CPU Python and PyTorch


@dataclass(frozen=True)
class Change:
    """Something to change when a run does not fit, with its own estimate.

    Args:
        what: as on the command line.
        why: what is given up.
        memory: GiB needed.
        hours: between which the whole run is expected.
        fits: whether that is enough.
    """

    what: str
    why: str
    memory: float
    hours: tuple[float, float]
    fits: bool


@dataclass(frozen=True)
class Plan:
    """What a run will need.

    Args:
        config: the run.
        gpu: the processor it is planned for.
        devices: how many such processors share a batch; memory and time are those of each.
        precision: ``fp32``, ``bf16`` or ``fp16``, as it would be chosen there.
        size: of the training part.
        parameters: of each network.
        tensors: bytes of a step's tensors when there are most.
        memory: GiB needed: the tensors, what is lost between them, and the driver.
        flops: operations of each device in a step, a multiplication and an addition as two.
        traffic: bytes that each reads and writes.
        seconds: between which a step is expected.
        bound: seconds of a step if the data sheet were kept to the digit.
        checkpoint: bytes on disk.
        changes: what to change, when it does not fit.
    """

    config: Config
    gpu: Gpu
    devices: int
    precision: str
    size: Size
    parameters: dict[str, int]
    tensors: Memory
    memory: float
    flops: int
    traffic: int
    seconds: tuple[float, float]
    bound: float
    checkpoint: int
    changes: tuple[Change, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the processor has enough memory."""
        return self.memory <= self.gpu.memory

    @property
    def hours(self) -> tuple[float, float]:
        """Between which the whole run is expected."""
        low, high = (s * self.config.steps / 3600 for s in self.seconds)
        return low, high

    @property
    def passes(self) -> float:
        """How often each training image is seen, once at HR and once at LR."""
        return self.config.steps * self.config.batch_size / self.size.images

    @property
    def exchanged(self) -> int:
        """Bytes of gradients that each device hands to the others in a step."""
        return 0 if self.devices == 1 else 4 * sum(self.parameters.values())

    @property
    def pixels(self) -> int:
        """Bytes of the training images, which stay in main memory."""
        return self.size.images * 3 * self.config.height * self.config.width

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names, ready for JSON."""
        return {
            "config": self.config.to_dict(),
            "gpu": vars(self.gpu),
            "devices": self.devices,
            "precision": self.precision,
            "images": self.size.images,
            "identities": self.size.identities,
            "parameters": self.parameters,
            "tensors_bytes": {**vars(self.tensors), "peak": self.tensors.peak},
            "memory_gib": self.memory,
            "fits": self.fits,
            "flops_per_step": self.flops,
            "bytes_per_step": self.traffic,
            "gradient_bytes_exchanged": self.exchanged,
            "shares_of_data_sheet": SHARES,
            "seconds_per_step": self.seconds,
            "passes": self.passes,
            "hours": self.hours,
            "checkpoint_bytes": self.checkpoint,
            "changes": [vars(change) for change in self.changes],
        }

    def __str__(self) -> str:
        from cadnet_edu.plan.text import table

        return table(self)


def plan(config: Config, gpu: str = "t4", advise: bool = True) -> Plan:
    """Estimate the memory and the time of a run. Nothing is fetched, and no data need be there.

    A step of the trainer is rehearsed on tensors without numbers. Each operation then takes as long as the data sheet
    says for its arithmetic or for its bytes, whichever is longer.

    Args:
        config: all settings of the run; its ``device`` does not matter.
        gpu: a short name of ``GPUS``, or ``cpu`` for the processor at hand.
        advise: whether to look for changes when it does not fit.

    Returns:
        the ``Plan``; print it to read it.

    Raises:
        ValueError: for a GPU that is not in the table, a precision that it does not have, or a batch that the devices
            cannot share out evenly.
    """
    return _plan(config, known_gpu(gpu), gpu == "cpu", advise)


def _plan(config: Config, gpu: Gpu, on_cpu: bool, advise: bool) -> Plan:
    devices = 1 if config.devices == "auto" else config.devices
    divides(config, devices)
    precision = precision_on(config, gpu, on_cpu)
    size = training_size(config)
    labelled = len(labelled_pids(range(size.identities), config.labelled, 0))
    rehearsed = rehearse(for_rehearsal(config), labelled, precision, not on_cpu, devices)
    bound = seconds_of(rehearsed.work, gpu, precision)
    made = Plan(
        config=config,
        gpu=gpu,
        devices=devices,
        precision=precision,
        size=size,
        parameters={name: n for name, n in rehearsed.parameters if n},
        tensors=rehearsed.memory,
        memory=needed(rehearsed, on_cpu),
        flops=rehearsed.flops,
        traffic=rehearsed.bytes,
        seconds=(bound / SHARES[1], bound / SHARES[0]),
        bound=bound,
        checkpoint=rehearsed.kept,
    )
    return replace(made, changes=tuple(advice(made, on_cpu))) if advise and not made.fits else made


def for_rehearsal(config: Config) -> Config:
    """The settings without those that change no step, so that one rehearsal serves many plans.

    First steps that train for recovery alone are cheaper; the steps after them decide whether a run fits.

    Args:
        config: all settings.
    """
    return replace(
        config, steps=2, warmup=0, root=None, weights="none", device="cpu", devices=1,
        precision="fp32", seed=0,
    )  # fmt: skip


def precision_on(config: Config, gpu: Gpu, on_cpu: bool) -> str:
    """The precision that a run would choose there, see ``cadnet_edu.training.devices.choose_precision``.

    Args:
        config: whose ``precision`` is ``auto`` or asked for by name.
        gpu: the processor.
        on_cpu: whether it is the one at hand.

    Raises:
        ValueError: for bf16 where there is none.
    """
    if on_cpu:
        return choose_precision(config.precision, torch.device("cpu"))
    if config.precision == "bf16" and not gpu.bf16:
        raise ValueError(f"{gpu.name} has no bfloat16: plan with --precision 16-mixed or fp32, or for a newer GPU.")
    return config.precision if config.precision != "auto" else "bf16" if gpu.bf16 else "fp32"


def seconds_of(work: Sequence[Work], gpu: Gpu, precision: str = "bf16") -> float:
    """Seconds of some operations if the data sheet were kept to the digit.

    Args:
        work: what each costs.
        gpu: where.
        precision: what 16-bit numbers are, ``bf16`` or ``fp16``.

    >>> slow = Gpu("an example", memory=1, bandwidth=100, fp32=1, start=0)
    >>> seconds_of([Work(flops=10**12, bytes=0, half=False)], slow)  # a second of arithmetic
    1.0
    >>> seconds_of([Work(flops=10**12, bytes=2 * 10**11, half=False)], slow)  # two seconds of reading and writing
    2.0
    """
    half = gpu.fp16 if precision == "fp16" else gpu.bf16
    rate = {False: gpu.matrix_fp32 * TERA, True: (half or gpu.matrix_fp32) * TERA}
    return sum(max(w.flops / rate[w.half], w.bytes / (gpu.bandwidth * 1e9), gpu.start) for w in work)


def needed(rehearsed: Rehearsed, on_cpu: bool) -> float:
    """GiB that a run needs: its tensors, something between them, and the driver.

    Args:
        rehearsed: the step.
        on_cpu: whether the training images take memory of the same kind.
    """
    return rehearsed.memory.peak * (1 + SPARE) / GIB + CONTEXT["cpu" if on_cpu else "gpu"]


def advice(made: Plan, on_cpu: bool) -> list[Change]:
    """What to change so that a run fits, the least loss first, each with its estimate.

    Args:
        made: the plan that does not fit.
        on_cpu: whether it is for the processor at hand.
    """
    changes = []
    for what, why, config in candidates(made):
        other = _plan(config, made.gpu, on_cpu, advise=False)
        changes.append(Change(what, why, other.memory, other.hours, other.fits))
    return changes


def candidates(made: Plan) -> list[tuple[str, str, Config]]:
    """Smaller runs: the option, what it gives up, and the settings.

    Args:
        made: the plan that does not fit.
    """
    c, n = made.config, made.devices
    found: list[tuple[str, str, Config]] = []

    def add(what: str, why: str, **changes: Any) -> None:
        with suppress(ValueError):  # a batch that cannot be shared out any more is no advice
            smaller = replace(c, **changes)
            divides(smaller, n)
            found.append((what, why, smaller))

    if made.precision == "fp32" and made.gpu.bf16:
        add("--precision bf16-mixed", "some digits of the maps", precision="bf16")
    if made.precision == "fp32" and not made.gpu.bf16 and made.gpu.fp16:
        add("--precision 16-mixed", "some digits of the maps; losses are scaled", precision="fp16")
    for parts in (2, 4):
        if c.accumulate == 1 and c.identities % (parts * n) == 0 and c.identities // parts >= 2 * n:
            why = f"triplets and BatchNorm see parts of {c.batch_size // parts}"
            add(f"--accumulate {parts}", why, accumulate=parts)
    for parts in (2, 4):
        if c.identities % (parts * n) == 0 and c.identities // parts >= 2 * n:
            fewer, more = c.identities // parts, c.steps * parts
            why = f"triplets and BatchNorm see batches of {fewer * c.images_per_identity}"
            add(f"--identities {fewer} --steps {more}", why, identities=fewer, steps=more)
    if c.decoder_width > 16:
        add(f"--decoder-width {c.decoder_width // 2}", "a narrower G", decoder_width=c.decoder_width // 2)
    if c.backbone_width > 16 and c.weights == "none":  # published weights fit one width only
        add(f"--backbone-width {c.backbone_width // 2}", "narrower E and F", backbone_width=c.backbone_width // 2)
    if c.height >= 128 and (c.height // 2) % 32 == 0 and (c.width // 2) % 32 == 0:
        add(f"--height {c.height // 2} --width {c.width // 2}", "half the pixels a side",
            height=c.height // 2, width=c.width // 2)  # fmt: skip
    return found


def larger_gpus(memory: float) -> list[str]:
    """Short names of the GPUs in the table that hold as much, the smallest first.

    Args:
        memory: GiB.
    """
    return sorted((name for name, gpu in GPUS.items() if gpu.memory >= memory), key=lambda name: GPUS[name].memory)
