"""A second copy of finished and half-finished runs in another folder, for machines that forget: Colab with its Drive.

Training writes to the local disk, as ever. A thread copies what changed, whole files only, so that a Drive that hangs
or goes away costs the copy and not the training.
"""

from __future__ import annotations

import atexit
import shutil
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from cadnet_edu.checkpoints import load_checkpoint
from cadnet_edu.files import write_atomically

LAST = ("checkpoint.pt", "history.jsonl", "run.json")  # copied in this order, after everything else


class Mirror:
    """Keeps the runs of a folder in another one as well.

    A checkpoint is copied before the history that goes on after it, and ``run.json``, which says that a run is
    finished, at the very end. Whatever moment the machine stops at, the copy can be continued from.

    Args:
        here: the folder of runs, a folder each.
        there: where the copies go; missing folders are made.
        every: seconds between two looks.
    """

    def __init__(self, here: Path, there: Path, every: float = 30.0) -> None:
        self.here, self.there, self.every = Path(here), Path(there), every
        self.trouble = ""  # what the last look failed with
        self._copied: dict[Path, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="mirror of runs", daemon=True)

    def fetch(self) -> list[str]:
        """Copy the runs that are only there, or trained further there, and return their names.

        A run that is here as far, or is being trained at this moment, is left alone.
        """
        found = [folder for folder in sorted(self.there.glob("[!.]*")) if folder.is_dir()]
        return [folder.name for folder in found if self._fetch(folder, self.here / folder.name)]

    def _fetch(self, there: Path, here: Path) -> bool:
        if not here.exists():
            self._part(there).rename(here)
            return True
        try:
            with FileLock(here / ".lock", timeout=0):  # as whoever trains it holds
                if (here / "run.json").exists() or _steps(there) <= _steps(here):
                    return False
                part = self._part(there)
                for file in sorted(filter(_wanted, part.iterdir()), key=_order):
                    file.replace(here / file.name)
                shutil.rmtree(part)
        except Timeout:
            return False
        return True

    def _part(self, there: Path) -> Path:
        """A copy of a run beside those that count."""
        part = self.here / f".{there.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        return Path(shutil.copytree(there, part, ignore=shutil.ignore_patterns(".*")))

    def push(self) -> int:
        """Copy every file that changed since the last time, and return how many there were.

        Raises:
            OSError: when they cannot be written there.
        """
        copied = 0
        with self._busy:
            for folder in sorted(path for path in self.here.glob("[!.]*") if path.is_dir()):
                for file in sorted(filter(_wanted, folder.iterdir()), key=_order):
                    copied += self._copy(file)
        return copied

    def _copy(self, file: Path) -> bool:
        state = file.stat()
        seen = state.st_mtime_ns, state.st_size
        if self._copied.get(file) == seen:
            return False
        with file.open("rb") as source:  # a checkpoint is replaced and never changed: what is open stays whole
            target = self.there / file.relative_to(self.here)
            write_atomically(target, lambda copy: shutil.copyfileobj(source, copy))
        self._copied[file] = seen
        return True

    def start(self) -> Mirror:
        """Fetch what is there, and copy from now on, until ``stop`` or until Python ends."""
        self.here.mkdir(parents=True, exist_ok=True)
        self.there.mkdir(parents=True, exist_ok=True)
        for half in self.there.glob("*/.*.part"):  # of a machine that stopped while it copied
            half.unlink(missing_ok=True)
        self.fetch()
        self._thread.start()
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Copy once more and end."""
        self._stop.set()
        self._thread.join()
        atexit.unregister(self.stop)

    def _watch(self) -> None:
        ended = False
        while not ended:
            ended = self._stop.wait(self.every)
            try:
                self.push()
            except OSError as error:
                if not self.trouble:
                    print(f"The copy in {self.there} is behind: {error}. Training goes on; the copy is tried again.")
                self.trouble = str(error)
            else:
                self.trouble = ""


def _steps(folder: Path) -> int:
    """After how many steps the checkpoint in a folder was taken; -1 when there is none that can be read."""
    try:
        return int(load_checkpoint(folder / "checkpoint.pt")["step"])
    except ValueError:
        return -1


def _wanted(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")


def _order(file: Path) -> tuple[int, str]:
    return LAST.index(file.name) + 1 if file.name in LAST else 0, file.name
