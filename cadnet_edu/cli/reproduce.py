"""``cadnet-edu reproduce``: the paper's tables and figures, and further analyses, from trained runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cadnet_edu.cli.console import OtherData, command, option, read, say, show
from cadnet_edu.config import Config, preset
from cadnet_edu.data.fingerprint import data_fingerprint
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.claims import page
from cadnet_edu.lab.extra_analyses import beyond, beyond_text
from cadnet_edu.lab.figures_3_4 import figure3, figure3_text, figure4, figure4_text
from cadnet_edu.lab.publish import LEVELS, claims, publish
from cadnet_edu.lab.records import Records, committed_folders, write_record
from cadnet_edu.lab.regimes import regimes, regimes_page
from cadnet_edu.lab.rows import DEFAULT_REGIMES, ROWS, Row, Target, rows
from cadnet_edu.lab.run_all import plan, run_all, tasks
from cadnet_edu.lab.tables import markdown, table

# Settings of the preset that options change.
CHANGES = ("steps", "dataset", "data_seed", "bbox", "filename_pattern", "num_identities")


@dataclass
class Reproduce(OtherData):
    """Recompute a table or a figure; train and evaluate the runs that it still lacks.

    Finished runs, in --out or committed with the source, are used as they are; a stopped run is resumed from its last
    checkpoint.
    """

    what: Annotated[Target, tyro.conf.Positional]
    """Which table or figure; beyond: further analyses; claims: a verdict on each claim of the paper."""
    preset: str | None = None  # smoke, quick, reduced or full; see the README.
    seeds: int = 1  # How many repetitions: seeds 0 to N - 1.
    main_seeds: int | None = None  # More repetitions for the main rows: CAD-Net and the rows that it is compared with.
    out: Path = Path("runs/reproduce")  # Folder for records, tables and figures.
    publish: bool = False
    """Also copy records and result into the book of a source checkout, as the results that come with it."""
    dry_run: bool = False
    """Only list the finished runs and the missing ones, and estimate the time that these will take."""
    finished: bool = False  # Train and measure nothing: only the rows and seeds that are finished.
    fresh: bool = False  # Train and evaluate every run again.
    allow_stale_code: bool = False
    """Also use networks trained by an earlier version of this code; every record names the version."""
    regimes: tuple[Literal["all", "few", "hr_labels", "fixed"], ...] = ()
    """Labels for all, for few identities, for HR images only; or a fixed re-identification network. By default those
    of the table."""
    rows: tuple[str, ...] = ()  # Only these rows; without it all of the table.
    steps: int | None = None  # Another number of training steps than the preset's.
    num_identities: int | None = None  # Identities in a batch; fewer than the preset's for data sets of few people.
    device: str = "auto"  # auto, cpu, cuda or mps.
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto, fp32, bf16 or fp16.


def reproduce(arguments: Sequence[str]) -> int:
    """``cadnet-edu reproduce``: 1 when a run failed, otherwise 0."""
    options = read(Reproduce, arguments, "cadnet-edu reproduce")
    if options.seeds < 1:
        raise ValueError(f"--seeds {options.seeds}: give at least 1.")
    base = base_config(options)
    lines = requested_rows(options, base)
    if options.main_seeds is not None and options.main_seeds < options.seeds:
        raise ValueError(f"--main-seeds {options.main_seeds}: give at least as many as --seeds, {options.seeds}.")
    if options.finished and options.fresh:
        raise ValueError("--finished trains nothing, --fresh trains everything: give one of them.")
    seeds = list(range(options.main_seeds or options.seeds))
    here = options.out / "runs"
    data = data_fingerprint(base)
    records = Records(here, committed_folders(base.run.preset), data)
    if options.finished:
        lines = finished(lines, records, seeds)
    todo = tasks(lines, range(options.seeds), seeds, data)
    todo = [task for task in todo if records.find(task.config)] if options.finished else todo
    if options.dry_run:
        done = Records(here, data=data) if options.fresh else records
        plan(todo, done, show, allow_stale_code=options.allow_stale_code)
        return 0
    failed = {}
    if not options.finished:
        failed = run_all(todo, here, records, say, options.fresh, options.allow_stale_code)
    result, text = recompute(options, base, lines, records, seeds)
    write(options, result, text)
    if options.publish:
        say(f"published: {publish(options.what, result, todo, records, options.out)}")
    show(text)
    for name, why in failed.items():
        say(f"failed: {name}: {why}")
    return 1 if failed else 0


def base_config(options: Reproduce) -> Config:
    """The preset's settings with what the command line changes."""
    named = {name: getattr(options, name) for name in (*CHANGES, "root")}
    changes = {name: value for name, value in named.items() if value is not None}
    return preset(options.preset, device=options.device, precision=options.precision,
                   allow_withdrawn=options.allow_withdrawn, **changes)  # fmt: skip


def requested_rows(options: Reproduce, base: Config) -> list[Row]:
    """All rows of the table or figure, or those of --rows."""
    unknown = [name for name in options.rows if name not in ROWS[options.what]]
    if unknown:
        raise ValueError(f"{options.what} has no row {unknown[0]!r}. Its rows: {', '.join(ROWS[options.what])}.")
    names = [name for name in ROWS[options.what] if not options.rows or name in options.rows]
    return rows(names, base, options.regimes or DEFAULT_REGIMES[options.what], whole=options.what == "regimes")


def finished(lines: Sequence[Row], records: Records, seeds: Sequence[int]) -> list[Row]:
    """The rows that have a finished run.

    Raises:
        ValueError: when none has.
    """
    kept = [row for row in lines if records.by_seed(row.config, seeds if row.trained else [0])]
    if not kept:
        raise ValueError("--finished: no run of these rows is finished yet. Without it they are trained.")
    return kept


def write(options: Reproduce, data: dict[str, Any], text: str) -> None:
    """Write the numbers of a table or figure as JSON and as Markdown."""
    write_record(options.out / f"{options.what}.json", data, LEVELS)
    write_atomically(options.out / f"{options.what}.md", text.encode())
    say(f"written: {options.out / options.what}.json and .md")


def same_numbers(options: Reproduce, base: Config) -> str:
    """The command that reproduces the same numbers, without the options that depend on the machine."""
    words: list[object] = ["reproduce", options.what, "--preset", base.run.preset, "--seeds", options.seeds]
    for name in ("main_seeds", "regimes", "rows", *CHANGES):
        value = getattr(options, name)
        if value not in (None, ()):
            words += [option(name), *(value if isinstance(value, tuple) else [value])]
    flags = [option(name) for name in ("finished", "allow_withdrawn") if getattr(options, name)]
    return command(*words, *flags)


def recompute(
    options: Reproduce, base: Config, lines: list[Row], records: Records, seeds: list[int]
) -> tuple[dict[str, Any], str]:
    """The table or figure as data and as text; figures are also written to --out."""
    what, out = options.what, options.out
    labels = {row.name: row.label for row in lines}
    if what in ("figure3", "figure4"):
        draw, text_of = (figure3, figure3_text) if what == "figure3" else (figure4, figure4_text)
        data = draw([row for row in lines if row.regime == lines[0].regime], records, seeds, out)
        return data, text_of(data, labels)
    if what == "claims":
        data = claims(base, lines, records, seeds) | {"command": same_numbers(options, base)}
        return data, page(data)
    if what == "beyond":
        data = beyond(lines, records, seeds, out)
        return data, beyond_text(data)
    if what == "regimes":
        data = regimes(lines, records, seeds, out) | {"command": same_numbers(options, base)}
        return data, regimes_page(data)
    data = table(what, lines, records, seeds)
    return data, markdown(data)
