"""A small synthetic data set, the smallest network that has every part, and a disk of a given size."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cadnet_edu.config import Config, preset
from cadnet_edu.data.samples import Sample, Split

ROOT = Path(__file__).parents[1]


def noise_person(pid: int, camera: int = 0, shot: int = 0, height: int = 32, width: int = 16) -> np.ndarray:
    """A picture of one "person": two flat colours for its identity, a tint for the camera, noise for the shot."""
    top, bottom = np.random.default_rng(pid).uniform(40, 215, (2, 3))
    picture = np.empty((height, width, 3))
    picture[: height // 2], picture[height // 2 :] = top, bottom
    tint = np.random.default_rng(1000 + camera).normal(0, 6, 3)
    noise = np.random.default_rng((pid, camera, shot)).normal(0, 12, picture.shape)
    return (picture + tint + noise).clip(0, 255).astype(np.uint8)


def noise_split(identities: int = 6, test_identities: int = 5, cameras: int = 2, shots: int = 3) -> Split:
    """A split of noise people; the shot 0 of camera 0 is the query, the other cameras' images are the gallery."""

    def sample(pid: int, camera: int, shot: int) -> Sample:
        return Sample(noise_person(pid, camera, shot, 64, 32), pid, camera, name=f"{pid:04d}_c{camera}_{shot}")

    test = range(identities, identities + test_identities)
    return Split(
        train=tuple(sample(p, c, s) for p in range(identities) for c in range(cameras) for s in range(shots)),
        query=tuple(sample(p, 0, 0) for p in test),
        gallery=tuple(sample(p, c, s) for p in test for c in range(1, cameras) for s in range(shots)),
        name="noise people",
    )


def tiny(**changes: Any) -> Config:
    """The preset smoke with the smallest network that has every part, and four steps of it."""
    small = dict(height=32, width=16, backbone_width=8, decoder_width=2, discriminator_width=8, num_identities=3,
                 num_instances=2, steps=4, log_every=1, checkpoint_every=2, device="cpu", precision="fp32")  # fmt: skip
    return preset("smoke", **{**small, **changes})


def environment(**more: str) -> dict[str, str]:
    """For a process of its own: one thread, this package, and nothing that an outer launcher may have left."""
    launchers = ("TORCHELASTIC", "MASTER_", "SLURM_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_RANK", "NODE_RANK")
    left = {name: value for name, value in os.environ.items() if not name.startswith(launchers)}
    return {**left, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CADNET_EDU_PRESET": "", **more}


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: the operating system itself refuses to write on, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
