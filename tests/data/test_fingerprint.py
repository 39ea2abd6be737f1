"""Data are told apart by their content alone, and each file is read once."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cadnet_edu.data import fingerprint as room
from cadnet_edu.data.fingerprint import file_contents, fingerprint
from cadnet_edu.data.samples import Sample


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))


def pictures(folder: Path, n: int = 4) -> list[Sample]:
    folder.mkdir(parents=True)
    samples = []
    for i in range(n):
        path = folder / f"{i:04d}.png"
        Image.fromarray(np.full((8, 4, 3), i, np.uint8)).save(path)
        samples.append(Sample(path, i // 2, i % 2))
    return samples


def test_content_order_identity_camera_and_rate_count(tmp_path: Path) -> None:
    files = pictures(tmp_path / "a")
    arrays = [Sample(s.load(), s.pid, s.camera) for s in files]
    variants = [
        files, files[::-1], files[:3], arrays,
        [Sample(s.image, s.pid + 1, s.camera) for s in files],
        [Sample(s.image, s.pid, s.camera + 1) for s in files],
        [Sample(s.image, s.pid, s.camera, rate=2) for s in files],
        [Sample(255 - s.load(), s.pid, s.camera) for s in files],
    ]  # fmt: skip
    assert len({fingerprint(v) for v in variants}) == len(variants)


def test_names_places_and_times_do_not_count(tmp_path: Path) -> None:
    files = pictures(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b" / "c")
    renamed = []
    for s in files:
        path = tmp_path / "b" / "c" / s.name
        path = path.rename(path.with_name(f"x{s.name}"))
        os.utime(path, (1, 1))
        renamed.append(Sample(path, s.pid, s.camera))
    assert fingerprint(renamed) == fingerprint(files)


def test_each_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SETTLED", -1.0)  # as if the files were old
    samples = pictures(tmp_path / "a")
    name = Path(os.fsdecode(os.fsencode(samples[0].image) + b"J\xf6rg.png"))  # not in UTF-8
    samples[0] = Sample(samples[0].image.rename(name), 0, 0)
    first = fingerprint(samples)
    (store,) = (tmp_path / "cache" / "digests").iterdir()
    known = json.loads(store.read_bytes())
    assert sorted(known) == sorted(s.name for s in samples)
    for s in samples:  # what is stored is believed: none of the files is read again
        store.write_text(json.dumps(known | {s.name: [*known[s.name][:-1], "another"]}))
        assert fingerprint(samples) != first
    store.write_text(json.dumps(known))
    path = tmp_path / "a" / "0002.png"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as long and as old as it was
    changed = fingerprint(samples)
    store.unlink()
    assert changed == fingerprint(samples) != first


def test_a_cache_that_cannot_be_written_or_read_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SETTLED", -1.0)
    samples = pictures(tmp_path / "a")
    first = fingerprint(samples)
    (store,) = (tmp_path / "cache" / "digests").iterdir()
    store.write_text("{half")
    assert fingerprint(samples) == first
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "file"))
    assert fingerprint(samples) == first


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.png: there is no such file"):
        file_contents([tmp_path / "gone.png"])
    with pytest.raises(ValueError, match="cannot be read"):
        file_contents([tmp_path])
