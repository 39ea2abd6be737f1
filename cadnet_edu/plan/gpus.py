"""Graphics processors: how much they hold, and how fast their makers say that they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

GIB = 2**30
TERA = 1e12


@dataclass(frozen=True)
class Gpu:
    """What a processor's data sheet says, for dense matrices and sums kept in float32.

    Args:
        name: as people call it.
        memory: GiB that programs can have; a little less than what is printed on the box.
        bandwidth: GB/s between memory and processor.
        fp32: 10^12 operations a second in float32; a multiplication and an addition are two.
        tf32: the same for matrix products of float32 numbers cut to 19 bits, which convolutions use by themselves on
            Ampere and newer; 0 where there is none.
        bf16: the same in bfloat16; 0 where there is none.
        fp16: the same in float16; 0 where it is no faster than float32.
        start: seconds that PyTorch needs to start an operation, so that none takes less.
    """

    name: str
    memory: float
    bandwidth: float
    fp32: float
    tf32: float = 0.0
    bf16: float = 0.0
    fp16: float = 0.0
    start: float = 10e-6

    @property
    def matrix_fp32(self) -> float:
        """10^12 operations a second of a convolution of float32 maps, as PyTorch runs it without being told."""
        return max(self.fp32, self.tf32)


# Data sheets and architecture papers of the maker. The memory is what the driver reports.
GPUS: dict[str, Gpu] = {
    "gtx1080": Gpu("GeForce GTX 1080", 7.9, 320, 8.9),
    "gtx1080ti": Gpu("GeForce GTX 1080 Ti", 10.9, 484, 11.3),
    "p100": Gpu("Tesla P100 16 GB", 15.9, 732, 9.3, fp16=18.7),
    "v100": Gpu("Tesla V100 16 GB", 15.8, 900, 15.7, fp16=125),
    "t4": Gpu("Tesla T4", 14.6, 320, 8.1, fp16=65),
    "rtx2080ti": Gpu("GeForce RTX 2080 Ti", 10.7, 616, 13.4, fp16=53.8),
    "rtx3060": Gpu("GeForce RTX 3060 12 GB", 11.8, 360, 12.7, 12.7, 25.5, 25.5),
    "rtx3090": Gpu("GeForce RTX 3090", 23.7, 936, 35.6, 35.6, 71, 71),
    "rtx4090": Gpu("GeForce RTX 4090", 23.5, 1008, 82.6, 82.6, 165, 165),
    "l4": Gpu("L4", 22.0, 300, 30.3, 60, 121, 121),
    "a100": Gpu("A100 40 GB", 39.4, 1555, 19.5, 156, 312, 312),
    "a100-80": Gpu("A100 80 GB", 79.2, 2039, 19.5, 156, 312, 312),
    "h100": Gpu("H100 80 GB", 79.1, 3350, 67, 494, 989, 989),
}


def known_gpu(name: str) -> Gpu:
    """A processor by its short name; ``cpu`` is the one at hand, measured now.

    Raises:
        ValueError: for one that is not in the table.

    >>> known_gpu("t4").memory
    14.6
    """
    if name == "cpu":
        return this_processor()
    if name not in GPUS:
        raise ValueError(f"there is no GPU {name!r} in the table. Choose one of: {', '.join(GPUS)}, or cpu.")
    return GPUS[name]


def this_processor() -> Gpu:
    """The processor at hand: what it reaches in a product of matrices and in a copy, and the main memory it has."""
    a = torch.rand(768, 768)
    bytes_of_copy = 64 * 2**20
    b = torch.rand(bytes_of_copy // 4)
    into = torch.empty_like(b)
    half = a.bfloat16()
    product = 2 * 768**3 / TERA
    return Gpu(
        f"this processor, {torch.get_num_threads()} threads",
        main_memory() / GIB,
        2 * bytes_of_copy / 1e9 / least(lambda: into.copy_(b)),
        product / least(lambda: a @ a),
        bf16=product / least(lambda: half @ half),
    )


def least(work: Callable[[], object], tries: int = 5) -> float:
    """Seconds of the fastest of some tries: other programs only add to it.

    Args:
        work: what is timed.
        tries: how often.
    """
    times = []
    for _ in range(tries + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def main_memory() -> int:
    """Bytes of main memory that a program may hope for: those free now, where the system says; else all."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 * GIB
