"""Doing the runs: each trained once, measured, and told in one record; what fails is told at the end."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cadnet_edu.config import Config, cache_dir, make_cache_folder
from cadnet_edu.data.samples import noise_split
from cadnet_edu.io import duration, read_json, write_json
from cadnet_edu.lab.analyses import NAMES
from cadnet_edu.lab.measure import measure, measure_floor
from cadnet_edu.lab.records import Records, RunRecord, StoredRecord, record_name, settings_key, write_record
from cadnet_edu.lab.rows import Row
from cadnet_edu.lab.scoring import lpips_missing
from cadnet_edu.locks import Timeout, locked
from cadnet_edu.methods import method_of
from cadnet_edu.runs import code_version, is_finished, load_run, run_key, train_or_load

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One run: a row with one seed."""

    row: Row
    config: Config
    data: str | None = None  # the fingerprint of a data set on disk

    @property
    def name(self) -> str:
        """The name of its record."""
        return record_name(self.row.name, self.config, self.data)

    @property
    def folder(self) -> Path:
        """Where its trained network is kept."""
        return cache_dir() / "runs" / run_key(self.config, self.data)

    def __str__(self) -> str:
        regime = "" if self.row.regime == "all" else f" ({self.row.regime} labels)"
        return f"{self.row.name}{regime}" + (f", seed {self.config.run.seed}" if self.row.trained else "")


def tasks(
    rows: Iterable[Row], seeds: Iterable[int], headline: Iterable[int] = (), data: str | None = None
) -> list[Task]:
    """All runs of some rows, seed by seed, so that every row has its first before any has its second.

    Args:
        rows: to be run.
        seeds: of every row.
        headline: further seeds, of headline rows only.
        data: the fingerprint of their data set on disk; None for the embedded one.
    """
    rows, seeds = list(rows), list(seeds)
    found: dict[tuple[str, int], Task] = {}
    for seed in dict.fromkeys((*seeds, *headline)):
        for row in rows:
            for config in row.runs([seed] if seed in seeds or row.headline else []):
                found.setdefault((settings_key(config), config.run.seed), Task(row, config, data))
    return list(found.values())


# ---------------------------------------------------------------------------------------------------- plan


def state(task: Task, records: Records) -> str:
    """Where a run stands: finished here, committed, or to do."""
    found = records.find(task.config)
    if found is None:
        return "to do"
    code = found.record["provenance"].get("code")
    same = "the training code is still that" if code == code_version() else "the training code has changed since"
    return f"{'committed' if found.committed else 'finished here'}, code {code}" + (f" ({same})" if code else "")


def plan(
    todo: Sequence[Task], records: Records, say: Say, estimate: bool = True, allow_stale_code: bool = False
) -> float:
    """Say for each run whether it is done, and for the others how long they will take.

    Args:
        todo: the runs.
        records: what there is already.
        say: called with each line.
        estimate: time a few steps of each kind of run that no record tells about.
        allow_stale_code: networks that other code trained count as trained.

    Returns:
        the seconds that all runs still to do will take.
    """
    total, timed = 0.0, {}
    for task in todo:
        line = state(task, records)
        if line == "to do":
            kind = settings_key(task.config)
            if kind not in timed:
                timed[kind] = seconds_needed(task, records, estimate)
            seconds, how = timed[kind]
            if task.row.trained and kept_network(task, allow_stale_code) is not None:
                seconds, how = 0.0, "(trained already, only to be measured)"
            total += seconds or 0.0
            line += f", {how}" if seconds is None else f", about {duration(seconds)} {how}"
        say(f"{task!s:44} {line}")
    left = sum(records.find(task.config) is None for task in todo)
    say(f"{len(todo)} runs, {len(todo) - left} done, {left} to do" + (f": about {duration(total)}" if total else ""))
    return total


def seconds_needed(task: Task, records: Records, estimate: bool = True) -> tuple[float | None, str]:
    """The training time of a run, and how it is known: other seeds of it, trial steps, or not at all."""
    estimate_fit = method_of(task.config).estimate
    if not task.row.trained or estimate_fit is None:
        return 0.0, "(nothing to train)"
    key = settings_key(task.config, task.data)
    known = [
        found.record["budget"]["wall_seconds"]
        for (settings, _), found in records.found.items()
        if settings == key and found.record["budget"].get("wall_seconds")
    ]
    if known:
        return float(np.median(known)), "(as other seeds took)"
    if not estimate:
        return None, "time unknown"
    try:
        return estimate_fit(noise_split(task.config), task.config), "(from trial steps)"
    except ValueError as error:
        return None, f"time unknown ({error})"


# ---------------------------------------------------------------------------------------------------- doing


def run_all(
    todo: Sequence[Task], out: Path, records: Records, say: Say, fresh: bool = False, allow_stale_code: bool = False
) -> dict[str, str]:
    """Do every run that has no record yet. One that fails leaves the others alone.

    Several processes may work on one folder: each takes runs that no other is at.

    Args:
        todo: the runs.
        out: folder of the new records.
        records: what there is already; new records join it.
        say: called with a line for each run.
        fresh: do all runs again, whatever there is.
        allow_stale_code: take networks that other code trained with the same settings, too; their records say which.

    Returns:
        name of each run that failed -> why.
    """
    out.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    waiting = list(enumerate(todo, 1))
    for wait in (False, True):  # first what nobody else is at, then the rest
        later = []
        for number, task in waiting:
            try:
                with locked(out / f".{task.name}.lock", f"does {task}", wait):
                    how = {"fresh": fresh and not wait, "allow_stale_code": allow_stale_code}
                    _do(f"[{number}/{len(todo)}] {task}", task, out, records, say, failed, **how)
            except Timeout:
                later.append((number, task))
        waiting = later
    return failed


def _do(
    head: str,
    task: Task,
    out: Path,
    records: Records,
    say: Say,
    failed: dict[str, str],
    fresh: bool,
    allow_stale_code: bool,
) -> None:
    path, error_path = out / f"{task.name}.json", out / f"{task.name}.error.json"
    found = records.find(task.config)
    if not fresh and found is None and path.exists():  # by another process, meanwhile
        records = _reread(records, out)
        found = records.find(task.config)
    if found is not None and not fresh and not can_be_completed(task, found.record):
        say(f"{head}: {state(task, records)}")
        return
    started = time.perf_counter()
    try:
        made = (
            train_and_measure(task, path, fresh, allow_stale_code)
            if found is None or fresh
            else remeasured(task, path, found)
        )
        write_record(path, made)
    except Exception as error:  # the other runs do not depend on this one
        if found is not None and not fresh:
            say(f"{head}: kept as it is; measuring it again failed ({type(error).__name__}: {error})")
            return
        failed[str(task)] = f"{type(error).__name__}: {error}"
        write_json(error_path, {"run": str(task), "error": failed[str(task)], "traceback": traceback.format_exc()})
        say(f"{head}: FAILED, {failed[str(task)]}")
        return
    error_path.unlink(missing_ok=True)
    records.add(made, path)
    say(f"{head}: {summary(made)}, in {duration(time.perf_counter() - started)}")


def _reread(records: Records, out: Path) -> Records:
    for found in Records(out):
        records.add(found.record, found.path)
    return records


def train_and_measure(task: Task, path: Path, fresh: bool = False, allow_stale_code: bool = False) -> RunRecord:
    """Train one run, or find it trained, and measure it.

    Args:
        task: which.
        path: where its record will be.
        fresh: train again even when a trained network is kept.
        allow_stale_code: a network that other code trained with the same settings will do.
    """
    if not task.row.trained:
        return measure_floor(task.row, path)
    folder = task.folder
    if fresh and folder.is_dir():
        with locked(folder / ".lock", "trains this run"):
            for left in folder.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
                elif left.name != ".lock":
                    left.unlink()
    kept = kept_network(task, allow_stale_code and not fresh)
    if kept is None:
        make_cache_folder(folder)
    run = train_or_load(task.config, folder=folder) if kept is None else load_run(kept, task.config.data.root)
    return measure(task.row, run, path)


def kept_network(task: Task, allow_stale_code: bool = False) -> Path | None:
    """Where the finished network of a task is kept, if it is.

    Args:
        task: with its seed.
        allow_stale_code: look among the runs of other code as well.
    """
    if is_finished(task.folder, task.config):
        return task.folder
    wanted = (settings_key(task.config, task.data), task.config.run.seed)
    others = (
        sorted(task.folder.parent.glob(f"{task.config.run.method}-{task.config.run.preset}-*"))
        if allow_stale_code
        else []
    )
    return next((folder for folder in others if run_settings(folder) == wanted), None)


def run_settings(folder: Path) -> tuple[str, int] | None:
    """Settings and seed of a finished run's folder; None when it is not finished, or made with unknown settings."""
    if not (folder / "run.json").exists() or not (folder / "checkpoint.pt").exists():
        return None
    metadata = read_json(folder / "run.json")
    try:
        config = Config.from_dict(metadata["config"])
    except (KeyError, TypeError, ValueError):  # of another version of this package
        return None
    return settings_key(config, metadata.get("data")), config.run.seed


def remeasured(task: Task, path: Path, found: StoredRecord) -> RunRecord:
    """The record of a run whose network is still kept, measured again."""
    folder = network_of(found.record)
    return (
        train_and_measure(task, path)
        if folder is None
        else measure(task.row, load_run(folder, task.config.data.root), path)
    )


def can_be_completed(task: Task, record: RunRecord) -> bool:
    """Whether something can be measured now that the record does not tell, without any training."""
    return bool(missing_entries(record)) and (not task.row.trained or network_of(record) is not None)


def missing_entries(record: RunRecord) -> list[str]:
    """What a record does not tell and today's code would measure.

    An analysis that has been added since, or a score that could not be had on the machine where it was made.
    """
    absent = [name for name in NAMES if name not in record["analyses"]] if record["network"] else []
    scored_now = [name for name in record["missing"] if "too small" not in record["missing"][name]]
    return absent + (scored_now if scored_now and lpips_missing() is None else [])


def network_of(record: RunRecord) -> Path | None:
    """Where the network of a record is kept, if it still is."""
    folder = cache_dir() / "runs" / str(record["network"])
    return folder if record["network"] and (folder / "checkpoint.pt").exists() else None


def summary(record: RunRecord) -> str:
    """The scores of a run in a few words."""
    by_rate = record["scores"]
    if "rank1" in by_rate["4"]:
        return "rank-1 " + ", ".join(f"{100 * by_rate[r]['rank1']:.1f} at r = {r}" for r in ("1", "4", "8"))
    return f"PSNR {by_rate['4']['psnr']:.2f} dB at r = 4"
