"""Files are written completely or not at all, and errors say where and why."""

from __future__ import annotations

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
from cadnet_edu.io import duration, read_json, remedy, write_atomically, write_json

NEW = {"new": torch.zeros(10_000)}


def only(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_new_file_and_its_folders(tmp_path):
    path = write_atomically(tmp_path / "a" / "b" / "file.bin", lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert only(path.parent) == ["file.bin"]


def test_until_the_end_the_old_file_is_there(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    write_atomically(str(path), write)
    assert path.read_bytes() == b"new"
    assert only(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("room", [0, 100, 1000, 5000])
@pytest.mark.parametrize("write", [lambda file: file.write(b"x" * 6000), lambda file: torch.save(NEW, file)])
def test_a_full_disk(tmp_path, room, write):
    """Also behind torch.save, which reports a failed write as a RuntimeError about positions in its archive."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with (
        disk_of(room),
        pytest.raises(OSError, match=r"file\.bin could not be saved \(File too large\).*untouched") as caught,
    ):
        write_atomically(path, write)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["file.bin"]


def test_others_may_read_what_they_usually_may(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_atomically(tmp_path / "ours", lambda file: file.write(b""))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")]
    assert modes[0] == modes[1]


def test_a_cause_deep_down_is_found(tmp_path):
    def write(file: BinaryIO) -> None:
        try:
            try:
                raise OSError(errno.EIO, "Input/output error")
            except OSError as error:
                raise RuntimeError("the writer failed") from error
        except RuntimeError:
            raise RuntimeError("the archive failed")  # noqa: B904

    with pytest.raises(OSError, match=r"could not be saved .Input/output error"):
        write_atomically(tmp_path / "file.bin", write)


def test_a_disk_that_fills_up_at_the_last_moment(tmp_path, monkeypatch):
    """Some file systems tell only when the bytes are forced out."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("a bug"), RuntimeError("a bug")])
def test_other_errors_come_through_as_they_are(tmp_path, error):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(type(error)) as caught:
        write_atomically(path, write)
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["file.bin"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(OSError, match=r"cannot write into .*taken .*Choose another folder"):
        write_atomically(tmp_path / "taken" / "file.bin", lambda file: file.write(b"new"))


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(OSError, match=r"file\.bin could not be saved \(Is a directory\)"):
        write_atomically(tmp_path / "file.bin", lambda file: file.write(b"new"))
    assert only(tmp_path) == ["file.bin"]


# ---------------------------------------------------------------------------------------------------------------- JSON
def test_json_there_and_back(tmp_path):
    value = {"rank1": 0.821, "name": "Zoë", "rates": [2, 3.5], "none": None}
    path = write_json(tmp_path / "a.json", value)
    assert read_json(path) == value
    assert path.read_text().endswith("}\n")
    assert "\n  " in path.read_text()  # for people, too


@pytest.mark.parametrize("value", [float("nan"), {"L": float("inf")}, np.zeros(2), {"path": Path("a")}])
def test_what_json_cannot_hold(tmp_path, value):
    path = write_json(tmp_path / "a.json", "old")
    with pytest.raises(ValueError, match=r"a\.json: JSON holds finite numbers, text, lists and dictionaries only"):
        write_json(path, value)
    assert read_json(path) == "old"
    assert only(tmp_path) == ["a.json"]


@pytest.mark.parametrize("content", [b"", b'{"rank1": 0.8', b"\xff\xfe\x00"])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: damaged, not valid JSON"):
        read_json(tmp_path / "a.json")


def test_missing_json_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: there is no such file"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["x" * 251 + ".bin", "é" * 125 + ".bin", "王" * 83 + ".bin"])
def test_a_name_as_long_as_the_disk_allows(tmp_path, name):
    write_atomically(tmp_path / name, lambda file: file.write(b"new"))
    assert only(tmp_path) == [name]


def test_a_name_too_long_is_told_as_such(tmp_path):
    for path in (tmp_path / ("x" * 300), tmp_path / ("y" * 300) / "file.bin"):
        with pytest.raises(OSError, match=r"name too long.*Choose a shorter name") as told:
            write_atomically(path, lambda file: file.write(b"new"))
        assert "another folder" not in str(told.value)
    with pytest.raises(OSError, match="Choose a shorter name"):
        files.append_line(tmp_path / ("x" * 300), "line")
    assert only(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.EEXIST, "another folder"),
    ],
)
def test_each_error_has_its_own_remedy(number: int, words: str) -> None:
    assert words in remedy(OSError(number, os.strerror(number)))


def test_units_of_durations() -> None:
    assert [duration(s) for s in (0.2, 99, 100, 5999, 6000)] == ["0 s", "99 s", "1.7 min", "100.0 min", "1.7 h"]
