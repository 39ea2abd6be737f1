"""The same step with numbers, on this machine: what it really takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Sample, Split
from cadnet_edu.training.trainer import Trainer


@dataclass(frozen=True)
class Measured:
    """What a step took.

    Args:
        device: where.
        seconds: of the faster of two steps.
        peak: bytes when there were most; None where the system does not tell.
        trainer: as it stands after the steps.
    """

    device: str
    seconds: float
    peak: int | None
    trainer: Trainer


def noise_split(config: Config, identities: int) -> Split:
    """Random images of so many people, two of each. What they show changes neither time nor memory.

    Args:
        config: how large they are.
        identities: how many people.
    """
    shape = (config.height, config.width, 3)
    pictures = [np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8) for i in range(8)]
    samples = tuple(Sample(pictures[(2 * p + i) % 8], p, i, name=f"{p}-{i}") for p in range(identities) for i in (0, 1))
    return Split(samples, samples[:1], samples[1:2], "noise")


def measure(config: Config, identities: int) -> Measured:
    """Train two steps on noise, from random weights.

    The peak counts from before the trainer is made, without the training images: on a GPU it is that of PyTorch's
    tensors; on a CPU it is that of the whole process, so it holds what the convolutions work in as well.

    Args:
        config: all settings.
        identities: to train on.
    """
    split = noise_split(config, identities)
    warm_up(config)
    before = of_process("VmRSS")
    trainer = Trainer(replace(config, weights="none"), split)
    forget_peak()
    cuda = trainer.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(2):
        started = time.perf_counter()
        trainer.step()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() if cuda else None
    most = of_process("VmHWM")
    if not cuda and before is not None and most is not None:
        peak = most - before - trainer.batches.images.nbytes
    return Measured(str(trainer.device), min(times), peak, trainer)


def warm_up(config: Config) -> None:
    """Take a step of the smallest network, so that PyTorch has loaded what it loads at the first one.

    Args:
        config: where, and in which precision.
    """
    small = replace(config, backbone="slim", weights="none", height=32, width=16, identities=2, images_per_identity=2,
                    backbone_width=8, decoder_width=4, discriminator_width=8)  # fmt: skip
    Trainer(small, noise_split(small, 2)).step()


def of_process(what: str) -> int | None:
    """Bytes of main memory that this process has (``VmRSS``) or had at most (``VmHWM``); None where nobody tells.

    Args:
        what: the system's name for it.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), None)


def forget_peak() -> None:
    """Let ``VmHWM`` begin again; where that is not possible it counts from the start of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
