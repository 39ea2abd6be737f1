"""A small synthetic data set: pictures of noise with colours that tell identities and cameras apart."""

from __future__ import annotations

import numpy as np

from cadnet_edu.data.samples import Sample, Split


def noise_person(pid: int, camera: int, shot: int, height: int = 64, width: int = 32) -> np.ndarray:
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
        return Sample(noise_person(pid, camera, shot), pid, camera, name=f"{pid:04d}_c{camera}_{shot}")

    test = range(identities, identities + test_identities)
    return Split(
        train=tuple(sample(p, c, s) for p in range(identities) for c in range(cameras) for s in range(shots)),
        query=tuple(sample(p, 0, 0) for p in test),
        gallery=tuple(sample(p, c, s) for p in test for c in range(1, cameras) for s in range(shots)),
        name="noise people",
    )
