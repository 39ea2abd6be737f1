"""Images decoded once: the same pixels as without the cache, found again, never half-written, made by one process."""

import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import write_cuhk03, write_market1501
from people import disk_of
from PIL import Image

from cadnet_edu.data import image_cache as cache
from cadnet_edu.data import load_split
from cadnet_edu.data.image_cache import Images, cache_entries, cached_images, clear, folder_of
from cadnet_edu.data.samples import Sample, load_images

SIZE = (32, 16)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own for each test, for sets of any size, in shards of 8 images decoded 3 at a time."""
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH", 0)
    monkeypatch.setattr(cache, "SHARD", 8)
    monkeypatch.setattr(cache, "CHUNK", 3)
    yield
    cache.decoder_version.cache_clear()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    load = Sample.load

    def noted(self: Sample, *size: int) -> np.ndarray:
        names.append(self.name)
        return load(self, *size)

    monkeypatch.setattr(Sample, "load", noted)
    return names


def write_pictures(folder: Path, n: int = 20) -> list[Sample]:
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for i in range(n):
        path = folder / f"{i:04d}.jpg"
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (24, 12, 3), dtype=np.uint8)).save(path)
        samples.append(Sample(path, i // 2, i % 2))
    return samples


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return write_pictures(tmp_path / "set")


def files() -> list[str]:
    """All that lies in the cache, locks apart."""
    return sorted(p.name for p in folder_of(*SIZE).glob("*") if p.name != ".lock")


@pytest.mark.parametrize("writer", [write_market1501, write_cuhk03], ids=["files", "one HDF5 file"])
def test_the_pixels_are_those_of_load_images(writer: Callable[[Path], Path], tmp_path: Path) -> None:
    split = load_split("market1501" if writer is write_market1501 else "cuhk03", writer(tmp_path / "set"))
    for part in (split.train, split.query, split.gallery, split.train[::-1]):
        got, wanted = cached_images(part, *SIZE), load_images(part, *SIZE)
        assert (got.shape, got.dtype, got.ndim, len(got)) == (wanted.shape, wanted.dtype, wanted.ndim, len(wanted))
        assert torch.equal(got.to("cpu"), wanted)


def test_rows_are_asked_for_as_of_a_tensor(samples: list[Sample]) -> None:
    got, wanted = cached_images(samples, *SIZE), load_images(samples, *SIZE)
    assert len({place[0] for place in got.places.tolist()}) == 3
    for rows in (torch.tensor([19, 0, 0, 7]), [4], torch.arange(20) > 16):
        assert torch.equal(got[rows], wanted[rows])
    for part in (slice(3, 17), slice(18, 99), slice(5, 5), slice(1, None, 2)):
        assert got[part].shape == wanted[part].shape
        assert torch.equal(got[part].to("cpu"), wanted[part])
        assert torch.equal(got[part][1:3].to("cpu"), wanted[part][1:3])
    got.to("cpu").zero_()  # a copy: the shards stay as they are
    assert torch.equal(got.to("cpu"), wanted)


def test_small_sets_and_pixels_in_memory_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = write_pictures(tmp_path / "set", 4)
    in_memory = [Sample(s.load(), s.pid, s.camera) for s in samples]
    assert isinstance(cached_images(in_memory, *SIZE), torch.Tensor)
    assert isinstance(cached_images([*samples, *in_memory], *SIZE), torch.Tensor)
    monkeypatch.setattr(cache, "WORTH", 1 << 20)
    assert isinstance(cached_images(samples, *SIZE), torch.Tensor)
    assert not (tmp_path / "cache").exists()
    assert isinstance(cached_images(samples, 512, 256), Images)  # 4 x 384 KiB are worth a file
    (tmp_path / "set" / "0000.jpg").write_bytes((tmp_path / "set" / "0000.jpg").read_bytes() + bytes(1 << 20))
    assert isinstance(cached_images(samples, *SIZE), Images)  # and so are files that take long to read


def test_the_second_time_nothing_is_decoded(samples: list[Sample], tmp_path: Path, loads: list[str]) -> None:
    first = cached_images(samples, *SIZE).to("cpu")
    assert sorted(loads) == sorted(s.name for s in samples)
    before = files()
    assert torch.equal(cached_images(samples[::-1], *SIZE).to("cpu"), first.flip(0))
    assert cached_images(samples[5:9], *SIZE).shape == (4, 3, *SIZE)
    assert cached_images(samples + samples, *SIZE).shape == (40, 3, *SIZE)
    assert len(loads) == 20
    assert files() == before
    (tmp_path / "set").rename(tmp_path / "there")
    moved = [Sample(tmp_path / "there" / s.name, s.pid, s.camera) for s in samples]
    assert torch.equal(cached_images(moved, *SIZE).to("cpu"), first)
    assert len(loads) == 20


def test_only_what_is_new_or_changed_is_decoded(samples: list[Sample], loads: list[str]) -> None:
    cached_images(samples[:12], *SIZE)
    loads.clear()
    cached_images(samples, *SIZE)
    assert sorted(loads) == sorted(s.name for s in samples[12:])
    changed = samples[3].image
    old = changed.stat()
    content = bytearray(changed.read_bytes())
    content[-10] ^= 1
    changed.write_bytes(content)  # as long as before ...
    os.utime(changed, ns=(old.st_atime_ns, old.st_mtime_ns))  # ... and dressed up as old
    loads.clear()
    assert torch.equal(cached_images(samples, *SIZE).to("cpu"), load_images(samples, *SIZE))
    assert loads.count("0003.jpg") == 2
    assert len(loads) == 1 + len(samples)  # once for the cache, and all for the comparison


def test_another_size_or_other_code_is_another_folder(
    tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = write_pictures(tmp_path, 3)
    cached_images(samples, *SIZE)
    cached_images(samples, 16, 8)
    assert len(loads) == 6
    monkeypatch.setattr(cache.PIL, "__version__", "another")
    cache.decoder_version.cache_clear()
    cached_images(samples, *SIZE)
    assert len(loads) == 9
    assert [(entry.images, entry.current) for entry in cache_entries()].count((3, False)) == 2
    clear()
    assert cache_entries() == []
    assert not (tmp_path / "cache" / "images").exists()
    clear()  # of nothing


def test_a_damaged_image_is_named_and_no_half_shard_stays(samples: list[Sample], loads: list[str]) -> None:
    good = samples[13].image.read_bytes()
    samples[13].image.write_bytes(good[:200])
    with pytest.raises(ValueError, match=r"0013\.jpg: this file cannot be read as an image"):
        cached_images(samples, *SIZE)
    assert [Path(name).suffix for name in files()] == [".keys", ".npy"]  # the shard before it
    samples[13].image.write_bytes(good)
    loads.clear()
    assert torch.equal(cached_images(samples, *SIZE).to("cpu"), load_images(samples, *SIZE))
    assert len(loads) == 12 + 20


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": lambda shard: shard.write_bytes(shard.read_bytes()[:-1]),
    "empty": lambda shard: shard.write_bytes(b""),
    "no pixels": lambda shard: shard.unlink(),
    "no keys": lambda shard: shard.with_suffix(".keys").unlink(),
    "other shape": lambda shard: np.save(shard, np.zeros((8, 3, 8, 4), np.uint8)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_is_made_again(samples: list[Sample], loads: list[str], damage: str) -> None:
    wanted = cached_images(samples, *SIZE).to("cpu")
    shard = max(folder_of(*SIZE).glob("*.npy"), key=lambda path: path.stat().st_size)
    DAMAGE[damage](shard)
    (shard.parent / ".killed.npy.0123.part").write_bytes(b"half")
    loads.clear()
    assert torch.equal(cached_images(samples, *SIZE).to("cpu"), wanted)
    assert len(loads) == 8
    assert len([name for name in files() if name.endswith(".npy")]) == 3
    assert not [name for name in files() if name.endswith(".part")]


def test_a_full_disk_or_a_folder_that_cannot_be_written_is_told(
    samples: list[Sample], tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = r"\.npy could not be saved.*Free some space.*CADNET_EDU_CACHE names another"
    with disk_of(5 * 3 * 32 * 16), pytest.raises(OSError, match=message):  # five images, and then no more
        cached_images(samples, *SIZE)
    assert files() == []
    loads.clear()
    usage = type("Usage", (), {"free": 20 * 3 * 32 * 16 - 1})
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"take 0\.0 GB, and 0\.0 GB are free\. Decoded images.*CADNET_EDU_CACHE"):
        cached_images(samples, *SIZE)
    assert (loads, files()) == ([], [])
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=re.escape(f"kept below {tmp_path / 'file'}; the variable CADNET_EDU_CACHE")):
        cached_images(samples, *SIZE)


def _decode_slowly(folder: Path, queue: Any) -> None:
    """In a process of its own: note each decoded image, and how all came out."""
    cache.WORTH, cache.SHARD, cache.CHUNK = 0, 8, 3
    load = Sample.load

    def noted(self: Sample, *size: int) -> np.ndarray:
        queue.put(self.name)
        return load(self, *size)

    Sample.load = noted
    samples = [Sample(path, 0, 0) for path in sorted(folder.glob("*.jpg"))]
    total = int(cached_images(samples, *SIZE).to("cpu").long().sum())
    queue.put(total)


def test_two_processes_at_once_decode_everything_once(samples: list[Sample], tmp_path: Path) -> None:
    total = int(load_images(samples, *SIZE).long().sum())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    both = [context.Process(target=_decode_slowly, args=(tmp_path / "set", queue)) for _ in range(2)]
    for process in both:
        process.start()
    said = [queue.get(timeout=120) for _ in range(len(samples) + 2)]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert queue.empty()
    assert sorted(name for name in said if isinstance(name, str)) == [s.name for s in samples]
    assert [value for value in said if isinstance(value, int)] == [total, total]
