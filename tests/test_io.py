"""Files are written completely or not at all, and errors say where and why."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from people import disk_of

from cadnet_edu import io as files
from cadnet_edu.io import append_line, read_json, remedy, write_atomically, write_json

NEW = {"new": torch.zeros(10_000)}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    return tmp_path / "file.bin"


def only(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def unchanged(path: Path) -> bool:
    return path.read_bytes() == b"old" and only(path.parent) == [path.name]


def test_a_new_file_in_new_folders_may_be_read_as_usual(tmp_path):
    made = write_atomically(tmp_path / "a" / "b" / "file.bin", lambda file: file.write(b"new"))
    assert made.read_bytes() == b"new"
    assert only(made.parent) == ["file.bin"]
    (tmp_path / "usual").write_bytes(b"")
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_until_the_end_the_old_file_is_there(path):
    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    write_atomically(str(path), write)
    assert path.read_bytes() == b"new"
    assert only(path.parent) == ["file.bin"]


@pytest.mark.parametrize("room", [0, 100, 1000, 5000])
@pytest.mark.parametrize("write", [lambda file: file.write(b"x" * 6000), lambda file: torch.save(NEW, file)])
def test_a_full_disk(path, room, write):
    """Also behind torch.save, which reports a failed write as a RuntimeError about positions in its archive."""
    message = r"file\.bin could not be saved \(File too large\).*untouched"
    with disk_of(room), pytest.raises(OSError, match=message) as caught:
        write_atomically(path, write)
    assert caught.value.errno == errno.EFBIG
    assert unchanged(path)


def test_a_disk_that_fills_up_at_the_last_moment(path, monkeypatch):
    """Some file systems tell only when the bytes are forced out."""

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(path, lambda file: file.write(b"new"))
    assert unchanged(path)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("a bug"), RuntimeError("a bug")])
def test_other_errors_come_through_as_they_are(path, error):
    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(type(error)) as caught:
        write_atomically(path, write)
    assert caught.value is error
    assert unchanged(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken/file.bin", r"cannot write into .*taken .*Choose another folder"),
        ("folder", r"folder could not be saved \(Is a directory\)"),
        ("x" * 300, r"name too long\)\.(?!.*another folder).*Choose a shorter name"),
        ("y" * 300 + "/file.bin", r"name too long\)\.(?!.*another folder).*Choose a shorter name"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "taken").write_text("a file where a folder should be")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=message):
        write_atomically(tmp_path / name, lambda file: file.write(b"new"))
    assert only(tmp_path) == ["folder", "taken"]


def test_a_line_that_cannot_be_appended(tmp_path):
    with pytest.raises(OSError, match="Choose a shorter name"):
        append_line(tmp_path / ("x" * 300), "line")


@pytest.mark.parametrize("name", ["x" * 251 + ".bin", "é" * 125 + ".bin", "王" * 83 + ".bin"])
def test_a_name_as_long_as_the_disk_allows(tmp_path, name):
    write_atomically(tmp_path / name, lambda file: file.write(b"new"))
    assert only(tmp_path) == [name]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("ENOSPC", "Free some space"),
        ("EROFS", "may write to"),
        ("EACCES", "may write to"),
        ("EEXIST", "another folder"),
    ],
)
def test_each_error_has_its_own_remedy(number: str, words: str) -> None:
    assert words in remedy(OSError(getattr(errno, number), ""))


def test_json_there_and_back(tmp_path):
    value = {"rank1": 0.821, "name": "Zoë", "rates": [2, 3.5], "none": None}
    path = write_json(tmp_path / "a.json", value)
    assert read_json(path) == value
    assert "\n  " in path.read_text()  # for people, too


@pytest.mark.parametrize("value", [float("nan"), {"L": float("inf")}, np.zeros(2), {"path": Path("a")}])
def test_what_json_cannot_hold(tmp_path, value):
    path = write_json(tmp_path / "a.json", "old")
    with pytest.raises(ValueError, match=r"a\.json: JSON holds finite numbers, text, lists and dictionaries only"):
        write_json(path, value)
    assert read_json(path) == "old"
    assert only(tmp_path) == ["a.json"]


@pytest.mark.parametrize("content", [b"", b'{"rank1": 0.8', b"\xff\xfe\x00"])
def test_damaged_and_missing_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: damaged, not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"none\.json: there is no such file"):
        read_json(tmp_path / "none.json")
