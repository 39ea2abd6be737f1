"""What ``make book`` prints about a chapter: the time it is expected to take, how far it is, the time it took."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from pathlib import Path

from notebooks import write
from tqdm import tqdm

EVERY = 30.0  # seconds between two lines of a log file
BASE = (20, 80)  # seconds of a chapter that trains nothing
# Training in a chapter, in trainings of CAD-Net at the same preset. A baseline's step costs half of CAD-Net's; what an
# earlier chapter trained is loaded. Chapters that are not named train next to nothing.
TRAININGS = {
    "03_strong_baseline": 2.4,
    "04_resolution_invariant_features": 0.4,
    "05_recovering_detail": 0.4,
    "06_realism": 1.3,
    "cadnet_in_one_page": 1.0,
}


def seconds_of(folder: Path) -> dict[str, float]:
    """Return the seconds that each chapter took when it last ran, as `keep_seconds` wrote them."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
        return {str(stem): float(seconds) for stem, seconds in kept.items()}
    return {}


def keep_seconds(folder: Path, stem: str, seconds: float) -> None:
    """Write down beside the executed notebooks how long a chapter took."""
    kept = seconds_of(folder) | {stem: round(seconds, 1)}
    write(folder / "seconds.json", json.dumps(kept, indent=1, sort_keys=True) + "\n")


def expected(stem: str, preset: str, folder: Path) -> str:
    """Say how long a chapter is expected to take: as long as last time, else what a short trial of this machine tells.

    Args:
        stem: the chapter's name.
        preset: it runs at.
        folder: of the executed notebooks of this preset.
    """
    kept = seconds_of(folder).get(stem)
    if kept is not None:
        return f"took {kept:.0f} s last time"
    from cadnet_edu import config, io  # takes seconds: only when a chapter has to run
    from cadnet_edu.teach import notebook
    from cadnet_edu.training.devices import choose_device

    settings = config.preset(preset)
    span = notebook.expected_seconds(settings, choose_device(settings.run.device))
    low, high = (base + TRAININGS.get(stem, 0.0) * seconds for base, seconds in zip(BASE, span))
    return f"expected {io.duration(low, high)}"


def training(runs: Path, since: float) -> str | None:
    """Say how far a training is: the one that logged last, unless it is at its end.

    Args:
        runs: the folder of the runs.
        since: a time, in seconds since the epoch; what was logged before it does not count.
    """
    from cadnet_edu.config import Config
    from cadnet_edu.io import read_json
    from cadnet_edu.training.checkpoints import read_history

    with contextlib.suppress(OSError, ValueError, LookupError):  # a run's folder may go, or be half written
        logs = {path: path.stat().st_mtime for path in runs.glob("*/history.jsonl")}
        newest = max(logs, key=logs.__getitem__)
        if logs[newest] >= since:
            config = Config.from_dict(read_json(newest.parent / "config.json"))
            done, steps = read_history(newest.parent)[-1]["step"], config.optim.steps
            method = newest.parent.name.partition("-")[0]
            return f"{method} step {done} of {steps}" if done < steps else None
    return None


class Line:
    """The line of a chapter that runs: on a terminal it changes as the chapter goes on, a log gets further lines.

    Args:
        name: of the notebook.
        expected: a text on how long it is expected to take.
        runs: the folder where its trainings are kept.
    """

    def __init__(self, name: str, expected: str, runs: Path) -> None:
        self.name, self.expected, self.runs = name, expected, runs
        self.live = sys.stdout.isatty()
        self.since, self.started = time.time(), time.monotonic()
        self.shown = self.started
        self._print(f"  {name}: {expected}", last=not self.live)

    def show(self, cell: int, cells: int) -> str:
        """Show how far the chapter is, and return it in words without the time.

        Args:
            cell: the number of the cell that runs, from 1.
            cells: how many there are.
        """
        at = f"cell {cell} of {cells}" if cell else "starting"
        where = ", ".join(filter(None, [training(self.runs, self.since), at]))
        passed = tqdm.format_interval(time.monotonic() - self.started)
        if self.live:
            self._print(f"  {self.name.removesuffix('.ipynb')}: {passed}, {self.expected}, {where}", last=False)
        elif time.monotonic() - self.shown >= EVERY:
            self._print(f"    {passed}, {where}", last=True)
            self.shown = time.monotonic()
        return where

    def end(self, instead: str | None = None) -> float:
        """Close the line with the seconds that the chapter took, and return them.

        Args:
            instead: what became of a chapter that did not come to its end.
        """
        seconds = time.monotonic() - self.started
        self._print(f"  {self.name}: {instead or f'ran in {seconds:.0f} s'}", last=True)
        return seconds

    def _print(self, text: str, last: bool) -> None:
        if self.live:  # over the line that is there; a longer text than the terminal is wide could not be written over
            width = shutil.get_terminal_size().columns - 1
            text = "\r" + text[:width].ljust(width)
        print(text, end="\n" if last else "", flush=True)
