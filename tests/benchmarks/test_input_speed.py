"""Images a second: from files to the batches of a training step, against one image at a time by torchvision.

``pytest tests/benchmarks/test_input_speed.py -s`` prints the table. The other side is what one would write without this
package: a ``DataLoader`` whose data set decodes each JPEG anew and sends it through torchvision's transforms, with and
without worker processes. Both sides deliver the same: P x K images in HR, P x K in LR with their originals, resized,
mirrored, shifted, LR images down-sampled by a rate drawn for each and brought back. An image delivered counts once,
an LR image with its original also once. Seconds are seconds on the clock, since workers are other processes, and the
sides take turns, so that other programs slow down all.

``cadnet_edu, all`` does everything on this processor. ``cadnet_edu, for a GPU`` is what is left to the processor when a
GPU mirrors, shifts and degrades: rows are drawn and their bytes are read.
"""

from __future__ import annotations

import os
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
from cadnet_edu.data.image_cache import Images, cached_images
from cadnet_edu.data.samples import Sample, read_image
from cadnet_edu.data.sampling import Batches, PKSampler
from cadnet_edu.data.walkers import walkers, write_market1501

pytestmark = pytest.mark.slow

RATES, CROP, P, K = (2, 3, 4), 4, 8, 4
ROUNDS, BATCHES = 3, 8  # how often the sides take turns, and how many batches each time
AHEAD = 4  # batches that two workers make in advance


class OneByOne(Dataset[tuple[Tensor, ...]]):
    """Decode, resize, mirror, shift; every second image is LR as well: down by a random rate, up again, to tensors."""

    def __init__(self, samples: tuple[Sample, ...], height: int, width: int) -> None:
        self.samples, self.size = samples, (height, width)
        self.augment = T.Compose([
            T.Resize(self.size, antialias=True),
            T.RandomHorizontalFlip(),
            T.Pad(CROP, padding_mode="edge"),
            T.RandomCrop(self.size),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, asked: tuple[int, bool]) -> tuple[Tensor, ...]:
        row, low = asked
        sample = self.samples[row]
        assert isinstance(sample.image, Path)
        picture = self.augment(read_image(sample.image))
        x = TF.to_tensor(picture)
        if not low:
            return x, x, torch.tensor(sample.pid)
        r = random.choice(RATES)
        small = TF.resize(picture, [round(n / r) for n in self.size], antialias=True)
        return TF.to_tensor(TF.resize(small, list(self.size))), x, torch.tensor(sample.pid)


class Rows:
    """The rows of a batch, HR then LR, drawn as ``Batches`` draws them."""

    def __init__(self, y: list[int]) -> None:
        self.samplers = PKSampler(y, P, K, seed=0), PKSampler(y, P, K, seed=1)

    def __iter__(self) -> Iterator[list[tuple[int, bool]]]:
        while True:
            yield [(i, low) for low, sampler in enumerate(self.samplers) for i in sampler.draw().tolist()]  # type: ignore[misc]

    def __len__(self) -> int:
        return 1 << 30


def rows_for_a_gpu(images: Images, y: list[int]) -> Iterator[tuple[Tensor, ...]]:
    """The bytes of HR and LR images, as ``Batches`` reads them before it hands them to its device."""
    samplers = PKSampler(y, P, K, seed=0), PKSampler(y, P, K, seed=1)
    while True:
        yield tuple(images[sampler.draw()] for sampler in samplers)


def rate(batches: Iterator[Any]) -> float:
    """Images a second over some batches: none that workers have made before, and none made for later meanwhile."""
    for _ in range(AHEAD):
        next(batches)
    start = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    seconds = time.perf_counter() - start
    time.sleep(seconds)  # workers fill their queue again before the next side's turn
    return BATCHES * 2 * P * K / seconds


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    """JPEG files of Market-1501's size and layout."""
    split = walkers("M", height=128, width=64, progress=False)
    return load_split("market1501", write_market1501(split, tmp_path_factory.mktemp("input") / "market")).train


@pytest.mark.parametrize(("height", "width"), [(128, 64), (256, 128)])
def test_batches_come_faster_than_one_image_at_a_time(
    samples: tuple[Sample, ...],
    height: int,
    width: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The median of the ratios counts, each taken within one turn."""
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "WORTH", 0)
    start = time.perf_counter()
    images = cached_images(samples, height, width)
    build = time.perf_counter() - start
    assert isinstance(images, Images)
    start = time.perf_counter()
    cached_images(samples, height, width)
    again = time.perf_counter() - start
    y = [s.pid for s in samples]
    sides: dict[str, Iterator[Any]] = {
        "cadnet_edu, for a GPU": rows_for_a_gpu(images, y),
        "cadnet_edu, all": Batches(images, y, P, K, RATES, max_shift=CROP),
    }
    for workers in (0, 2):
        loader = DataLoader(OneByOne(samples, height, width), batch_sampler=Rows(y), num_workers=workers)  # type: ignore[arg-type]
        sides[f"DataLoader, {workers} workers"] = iter(loader)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for batches in sides.values():
        rate(batches)  # workers start, files come into the system's memory
    for _ in range(ROUNDS):
        for name, batches in sides.items():
            rates[name].append(rate(batches))
    names = list(sides)

    def ratio(ours: str, theirs: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[ours], rates[theirs], strict=True))

    with capsys.disabled():
        print(f"\nImages a second at {height}x{width}, {torch.get_num_threads()} thread, {os.cpu_count()} cores")
        for theirs in names[2:]:
            print(f"  {theirs:<22}{statistics.median(rates[theirs]):8.0f}")
        for ours in names[:2]:
            times = ", ".join(f"{ratio(ours, theirs):.1f} x {theirs}" for theirs in names[2:])
            print(f"  {ours:<22}{statistics.median(rates[ours]):8.0f}   = {times}")
        print(f"  decoded once: {len(samples)} images in {build:.1f} s ({len(samples) / build:.0f} a second); "
              f"the next time they are ready after {again:.3f} s")  # fmt: skip
    assert ratio("cadnet_edu, for a GPU", "DataLoader, 0 workers") > 5
    assert ratio("cadnet_edu, all", "DataLoader, 0 workers") > 1
    assert again < build
