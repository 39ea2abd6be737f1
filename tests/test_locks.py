"""One process at a time: who waits says so, and a file system without locks stops nobody."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cadnet_edu import locks
from cadnet_edu.locks import FileLock, Timeout, locked

HOLD = """
import sys, time
from pathlib import Path
from cadnet_edu.locks import locked
with locked(Path(sys.argv[1]), "works here"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held_elsewhere(path: Path, seconds: float) -> Iterator[None]:
    """Another process holds the lock for so long, or until the block ends."""
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as other:
        assert other.stdout.readline() == "held\n"
        yield
        other.kill()


def test_the_second_waits_and_says_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    path = tmp_path / ".lock"
    with held_elsewhere(path, 0.6), locked(path, "trains this run"):
        said = capsys.readouterr().err
    assert said == f"waiting for another process that trains this run (it holds {path})\n"


def test_who_does_not_wait_is_told(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with held_elsewhere(path, 60), pytest.raises(Timeout), locked(path, "works", wait=False):
        pass


@pytest.mark.parametrize("number", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_without_locks_the_work_is_done_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    def refused(self: FileLock, **_: object) -> None:
        raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)))

    monkeypatch.setattr(FileLock, "acquire", refused)
    with locked(tmp_path / ".lock", "trains this run"):
        done = True
    assert done
    assert f"{tmp_path}: there are no file locks on this file system" in capsys.readouterr().err


def test_an_error_of_the_work_itself_is_no_error_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), locked(tmp_path / ".lock", "works"):
        raise OSError(errno.ENOLCK, "mine")
    with locked(tmp_path / ".lock", "works", wait=False):  # and the lock is free again
        pass
