"""Images a second: from files to the batches of a training step, against one image at a time by torchvision.

The other side is a ``DataLoader`` whose data set decodes each JPEG anew and sends it through torchvision's transforms.
Both sides deliver the same: P x K images in HR, P x K in LR with their originals, resized, mirrored, shifted, LR images
down-sampled by a rate drawn for each and brought back. An image delivered counts once, an LR image with its original
also once. Seconds are seconds on the clock, and the sides take turns, so that other programs slow down both. What a
GPU needs of the processor are rows and their bytes alone: it mirrors, shifts and degrades by itself.
"""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from torchvision.transforms import functional as TF

from cadnet_edu.data import image_cache as cache
from cadnet_edu.data import load_split
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.samples import Sample, read_image
from cadnet_edu.data.sampling import Batches, PKSampler
from cadnet_edu.data.walkers import walkers, write_market1501

pytestmark = pytest.mark.slow

RATES, CROP, P, K = (2, 3, 4), 4, 8, 4
ROUNDS, BATCHES = 3, 8  # how often the sides take turns, and how many batches each time


class OneByOne(Dataset[tuple[Tensor, ...]]):
    """Decode, resize, mirror, shift; every second image is LR as well: down by a random rate, up again, to tensors."""

    def __init__(self, samples: tuple[Sample, ...], size: tuple[int, int]) -> None:
        self.samples, self.size = samples, size
        shift = (T.Pad(CROP, padding_mode="edge"), T.RandomCrop(size))
        self.augment = T.Compose([T.Resize(size, antialias=True), T.RandomHorizontalFlip(), *shift])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, asked: tuple[int, bool]) -> tuple[Tensor, ...]:
        row, low = asked
        sample = self.samples[row]
        picture = self.augment(read_image(sample.image))
        x = TF.to_tensor(picture)
        if not low:
            return x, x, torch.tensor(sample.pid)
        r = random.choice(RATES)
        small = TF.resize(picture, [round(n / r) for n in self.size], antialias=True)
        return TF.to_tensor(TF.resize(small, list(self.size))), x, torch.tensor(sample.pid)


def rows(y: list[int]) -> Iterator[list[Tensor]]:
    """The rows of HR and of LR images, drawn as ``Batches`` draws them."""
    samplers = PKSampler(y, P, K, seed=0), PKSampler(y, P, K, seed=1)
    while True:
        yield [sampler.draw() for sampler in samplers]


def rate(batches: Iterator[Any]) -> float:
    start = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return BATCHES * 2 * P * K / (time.perf_counter() - start)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    """JPEG files of Market-1501's size and layout."""
    split = walkers("M", height=128, width=64, progress=False)
    return load_split("market1501", write_market1501(split, tmp_path_factory.mktemp("input") / "market")).train


@pytest.mark.parametrize("size", [(128, 64), (256, 128)])
def test_batches_come_faster_than_one_image_at_a_time(
    samples: tuple[Sample, ...], size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The median of the ratios counts, each taken within one turn; the first turn warms up."""
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "WORTH", 0)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        images = cached_images(samples, *size)
        seconds.append(time.perf_counter() - start)
    y = [s.pid for s in samples]
    pairs = ([(i, low) for low, drawn in enumerate(both) for i in drawn.tolist()] for both in rows(y))
    sides: dict[str, Iterator[Any]] = {
        "for a GPU": (tuple(images[drawn] for drawn in both) for both in rows(y)),
        "all": Batches(images, y, P, K, RATES, max_shift=CROP),
        "DataLoader": iter(DataLoader(OneByOne(samples, size), batch_sampler=pairs)),
    }
    turns = [{name: rate(batches) for name, batches in sides.items()} for _ in range(ROUNDS + 1)][
        1:
    ]  # the first warms up
    faster = {name: statistics.median(turn[name] / turn["DataLoader"] for turn in turns) for name in sides}
    print(f"\n{size}: {turns[-1]} images a second; decoded in {seconds[0]:.1f} s, found again in {seconds[1]:.3f} s")
    assert faster["for a GPU"] > 5, turns
    assert faster["all"] > 1, turns
    assert seconds[1] < seconds[0]
