"""Train and measure every run once; a run that fails is reported at the end."""

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
from cadnet_edu.lab.records import Records, RunRecord, record_name, settings_key, write_record
from cadnet_edu.lab.rows import Row
from cadnet_edu.lab.scoring import lpips_missing
from cadnet_edu.locks import Timeout, locked
from cadnet_edu.methods import method_of
from cadnet_edu.runs import is_finished, load_run, run_key, train_or_load
from cadnet_edu.training.code_version import code_version

Log = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One run: a row and a seed."""

    row: Row
    config: Config
    data: str | None = None  # the fingerprint of a data set on disk

    @property
    def name(self) -> str:
        """The name of its record."""
        return record_name(self.row.name, self.config, self.data)

    @property
    def folder(self) -> Path:
        """The folder of its trained network."""
        return cache_dir() / "runs" / run_key(self.config, self.data)

    def __str__(self) -> str:
        regime = "" if self.row.regime == "all" else f" ({self.row.regime} labels)"
        return f"{self.row.name}{regime}" + (f", seed {self.config.run.seed}" if self.row.trained else "")


def tasks(
    rows: Iterable[Row], seeds: Iterable[int], main_seeds: Iterable[int] = (), data: str | None = None
) -> list[Task]:
    """All runs of some rows, seed by seed: every row has its first before any has its second.

    Args:
        rows: to be run.
        seeds: of every row.
        main_seeds: of the main rows; see ``Row.main``.
        data: the fingerprint of their data set on disk; None for the embedded one.
    """
    rows, seeds = list(rows), list(seeds)
    found: dict[tuple[str, int], Task] = {}
    for seed in dict.fromkeys((*seeds, *main_seeds)):
        for row in rows:
            for config in row.runs([seed] if seed in seeds or row.main else []):
                found.setdefault((settings_key(config), config.run.seed), Task(row, config, data))
    return list(found.values())


# ---------------------------------------------------------------------------------------------------- plan


def state(task: Task, records: Records) -> str:
    """The state of a run: finished here, committed, or to do."""
    found = records.find(task.config)
    if found is None:
        return "to do"
    code = found.record["provenance"].get("code")
    same = "the training code is the same" if code == code_version() else "the training code has changed since"
    return f"{'committed' if found.committed else 'finished here'}, code {code}" + (f" ({same})" if code else "")


def plan(todo: Sequence[Task], records: Records, log: Log, allow_stale_code: bool = False) -> None:
    """Log the state of each run, and the training time of those to do.

    Args:
        todo: the runs.
        records: of finished runs.
        log: called with each line.
        allow_stale_code: networks that other code trained count as trained.
    """
    total, timed = 0.0, {}
    for task in todo:
        line = state(task, records)
        if line == "to do":
            kind = settings_key(task.config)
            if kind not in timed:
                timed[kind] = seconds_needed(task, records)
            seconds, how = timed[kind]
            if task.row.trained and kept_network(task, allow_stale_code) is not None:
                seconds, how = 0.0, "(trained already, only to be measured)"
            total += seconds or 0.0
            line += f", {how}" if seconds is None else f", about {duration(seconds)} {how}"
        log(f"{task!s:44} {line}")
    left = sum(records.find(task.config) is None for task in todo)
    log(f"{len(todo)} runs, {len(todo) - left} done, {left} to do" + (f": about {duration(total)}" if total else ""))


def seconds_needed(task: Task, records: Records) -> tuple[float | None, str]:
    """The training time of a run, and the source of this number: other seeds, trial steps, or none."""
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
    try:
        return estimate_fit(noise_split(task.config), task.config), "(from trial steps)"
    except ValueError as error:
        return None, f"time unknown ({error})"


# ---------------------------------------------------------------------------------------------------- running


def run_all(
    todo: Sequence[Task], out: Path, records: Records, log: Log, fresh: bool = False, allow_stale_code: bool = False
) -> dict[str, str]:
    """Train and measure every run that has no record yet. A run that fails does not stop the others.

    Several processes may share a folder: each takes runs that no other process has locked.

    Args:
        todo: the runs.
        out: folder of the new records.
        records: of finished runs; new records are added.
        log: called with a line for each run.
        fresh: repeat all runs.
        allow_stale_code: use networks that other code trained with the same settings, too; records name their code.

    Returns:
        name of each failed run -> the error.
    """
    out.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    waiting = list(enumerate(todo, 1))
    for wait in (False, True):  # first the runs that no other process has locked, then the rest
        later = []
        for number, task in waiting:
            try:
                with locked(out / f".{task.name}.lock", f"runs {task}", wait):
                    head = f"[{number}/{len(todo)}] {task}"
                    _run(head, task, out, records, log, failed, fresh and not wait, allow_stale_code)
            except Timeout:
                later.append((number, task))
        waiting = later
    return failed


def _run(
    head: str, task: Task, out: Path, records: Records, log: Log, failed: dict[str, str], fresh: bool, stale: bool
) -> None:
    path, error_path = out / f"{task.name}.json", out / f"{task.name}.error.json"
    found = records.find(task.config)
    if not fresh and found is None and path.exists():  # another process has written it meanwhile
        for each in Records(out):
            records.add(each.record, each.path)
        found = records.find(task.config)
    if fresh:
        found = None
    elif found is not None and not can_be_completed(task, found.record):
        log(f"{head}: {state(task, records)}")
        return
    started = time.perf_counter()
    try:
        network = None if found is None else network_folder(found.record)
        if network is None:
            made = train_and_measure(task, path, fresh, stale)
        else:
            made = measure(task.row, load_run(network, task.config.data.root), path)
        write_record(path, made)
    except Exception as error:  # the other runs do not depend on this one
        why = f"{type(error).__name__}: {error}"
        if found is not None:
            log(f"{head}: kept as it is; measuring it again failed ({why})")
            return
        failed[str(task)] = why
        write_json(error_path, {"run": str(task), "error": why, "traceback": traceback.format_exc()})
        log(f"{head}: FAILED, {why}")
        return
    error_path.unlink(missing_ok=True)
    records.add(made, path)
    log(f"{head}: {summary(made)}, in {duration(time.perf_counter() - started)}")


def train_and_measure(task: Task, path: Path, fresh: bool = False, allow_stale_code: bool = False) -> RunRecord:
    """Train one run, or load its trained network, and measure it.

    Args:
        task: the run.
        path: of its record.
        fresh: train again even when a trained network is kept.
        allow_stale_code: accept a network that other code trained with the same settings.
    """
    if not task.row.trained:
        return measure_floor(task.row, path)
    folder = task.folder
    if fresh and folder.is_dir():
        with locked(folder / ".lock", "trains this run"):
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
                elif old.name != ".lock":
                    old.unlink()
    kept = kept_network(task, allow_stale_code and not fresh)
    if kept is None:
        make_cache_folder(folder)
    run = train_or_load(task.config, folder=folder) if kept is None else load_run(kept, task.config.data.root)
    return measure(task.row, run, path)


def kept_network(task: Task, allow_stale_code: bool = False) -> Path | None:
    """The folder of a run's trained network; None when there is none.

    Args:
        task: the run.
        allow_stale_code: search the runs of other code as well.
    """
    if is_finished(task.folder, task.config):
        return task.folder
    wanted = (settings_key(task.config, task.data), task.config.run.seed)
    run = task.config.run
    others = sorted(task.folder.parent.glob(f"{run.method}-{run.preset}-*")) if allow_stale_code else []
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


def can_be_completed(task: Task, record: RunRecord) -> bool:
    """Whether missing entries of a record can be measured without training."""
    return bool(missing_entries(record)) and (not task.row.trained or network_folder(record) is not None)


def missing_entries(record: RunRecord) -> list[str]:
    """What a record lacks and this machine can measure: analyses added since, and LPIPS."""
    absent = [name for name in NAMES if name not in record["analyses"]] if record["network"] else []
    scored_now = [name for name in record["missing"] if "too small" not in record["missing"][name]]
    return absent + (scored_now if scored_now and lpips_missing() is None else [])


def network_folder(record: RunRecord) -> Path | None:
    """The folder of a record's network; None when it is gone."""
    folder = cache_dir() / "runs" / str(record["network"])
    return folder if record["network"] and (folder / "checkpoint.pt").exists() else None


def summary(record: RunRecord) -> str:
    """The main scores of a run."""
    by_rate = record["scores"]
    if "rank1" in by_rate["4"]:
        return "rank-1 " + ", ".join(f"{100 * by_rate[r]['rank1']:.1f} at r = {r}" for r in ("1", "4", "8"))
    return f"PSNR {by_rate['4']['psnr']:.2f} dB at r = 4"
