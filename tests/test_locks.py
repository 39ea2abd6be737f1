"""One process at a time: who waits says so, and a file system without locks stops nobody."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cadnet_edu import locks
from cadnet_edu.locks import FileLock, locked


def test_the_second_waits_and_says_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    held = FileLock(tmp_path / ".lock", thread_local=False)
    held.acquire()
    threading.Timer(0.6, held.release).start()
    with locked(tmp_path / ".lock", "trains this run"):
        assert f"waiting for another process that trains this run (it holds {tmp_path / '.lock'})" in (
            capsys.readouterr().err
        )


def test_who_does_not_wait_is_told(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock", "works here"):
        code = (
            "import sys\nfrom pathlib import Path\nfrom cadnet_edu.locks import Timeout, locked\n"
            "try:\n    with locked(Path(sys.argv[1]), 'works here', wait=False): print('in')\n"
            "except Timeout: print('held')\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
        other = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True)
    assert other.stdout == "held\n"


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


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"), locked(tmp_path / "file" / ".lock", "works"):
        pass
