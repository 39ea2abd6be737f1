"""A dry run: two training steps on noise, to measure time and memory of a run on this machine."""

import sys
import time
from dataclasses import dataclass

import torch

from cadnet_edu.config import Config
from cadnet_edu.data.checks import PUBLISHED
from cadnet_edu.data.samples import noise_split
from cadnet_edu.data.walkers import SIZES
from cadnet_edu.training.trainer import Trainer

STEPS = 2  # the first one also loads libraries and allocates memory


@dataclass(frozen=True)
class DryRun:
    """The cost of two training steps."""

    trainer: Trainer  # after the steps
    seconds: float  # of the faster one
    peak: int | None  # bytes of memory: PyTorch's on a CUDA GPU, else the process's; None where unknown

    @property
    def total(self) -> float:
        """Estimated seconds of the whole run, without evaluation."""
        return self.seconds * self.trainer.config.optim.steps


def dry_run(config: Config) -> DryRun:
    """Train two steps on noise from random weights. Nothing is read, downloaded or written.

    Raises:
        ValueError: as ``Trainer`` does, for settings that do not go together.
    """
    split = noise_split(config, training_identities(config))
    trainer = Trainer(config.replace(weights="none"), split)
    on_cuda = trainer.device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(trainer.device)
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        record = trainer.step()
        record["L"].item()  # waits until the device is done
        times.append(time.perf_counter() - started)
    return DryRun(trainer, min(times), torch.cuda.max_memory_allocated(trainer.device) if on_cuda else process_peak())


def training_identities(config: Config) -> int | None:
    """The number of training identities of a data set, which sets the size of the classifier; None for own images.

    >>> training_identities(Config().replace(dataset="market1501"))
    751
    """
    if config.data.dataset == "walkers":
        return SIZES[config.data.walkers_size].train
    return PUBLISHED.get(config.data.dataset, {}).get("train identities")


def process_peak() -> int | None:
    """Peak memory of this process in bytes; None on Windows, which has no ``getrusage``."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
