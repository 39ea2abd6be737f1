"""``cadnet-edu reproduce``: the paper's tables and figures and what goes beyond them, run by run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cadnet_edu.cli.console import command, read, show
from cadnet_edu.config import Config, profile
from cadnet_edu.data.fingerprint import data_fingerprint
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.claims import page
from cadnet_edu.lab.extra_analyses import beyond, beyond_text
from cadnet_edu.lab.figures_3_4 import figure3, figure3_text, figure4, figure4_text
from cadnet_edu.lab.publish import LEVELS, claims, publish
from cadnet_edu.lab.records import Records, committed_folders, write_record
from cadnet_edu.lab.rows import DEFAULT_REGIMES, ROWS, Row, Target, rows
from cadnet_edu.lab.run_all import Task, conduct, plan, tasks
from cadnet_edu.lab.tables import markdown, table

CHANGES = ("steps", "dataset", "data_seed", "boxes", "pattern", "identities")  # settings that the options change


@dataclass
class Reproduce:
    """Recompute a table or a figure from runs, doing those that are still to do.

    Runs that were done before are not done again, neither those in --out nor those that come with the source; a run
    that was stopped goes on from its last checkpoint.
    """

    what: Annotated[Target, tyro.conf.Positional]
    """Which table or figure, what goes beyond the paper, or the ledger of its claims."""
    profile: str | None = None
    """smoke, quick, reduced or full; see the README."""
    seeds: int = 1
    """How many repetitions: seeds 0 to N - 1."""
    headline_seeds: int | None = None
    """How many of the rows that the headline rests on (CAD-Net and what it has to beat), where that is to be more."""
    out: Path = Path("runs/reproduce")
    """Folder for records, tables and figures."""
    publish: bool = False
    """Also copy records and result into the book of a source checkout, as the results that come with it."""
    dry_run: bool = False
    """Only show what would be done, what is done already, and how long the rest will take."""
    fresh: bool = False
    """Do every run again, whatever there is."""
    any_code: bool = False
    """Take networks that an earlier version of this code trained, too; every record says which version it was."""
    regimes: tuple[Literal["all", "few", "few_long"], ...] = ()
    """Labels for all training identities, for few, or for few and training longer; without it all that are asked."""
    rows: tuple[str, ...] = ()
    """Only these rows; without it all of the table."""
    steps: int | None = None
    """Another number of training steps than the profile's."""
    dataset: str | None = None
    """Another data set than the profile's."""
    root: Path | None = None
    """Folder of that data set."""
    data_seed: int | None = None
    """Which random halves (viper, caviar, own), test set (cuhk03) or people (walkers)."""
    boxes: Literal["detected", "labeled"] | None = None
    """Of cuhk03."""
    pattern: str | None = None
    """Of own images: how file names say who and where."""
    allow_withdrawn: bool = False
    """You know that dukemtmc_reid was withdrawn and may use it."""
    identities: int | None = None
    """People in a batch; fewer than the profile's where a data set has few people."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto, fp32, bf16 or fp16."""


def say(text: str) -> None:
    """A line for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def reproduce(arguments: Sequence[str]) -> int:
    """``cadnet-edu reproduce``: 1 when a run failed, otherwise 0."""
    if "--plan" in arguments:
        raise ValueError("--plan is now called --dry-run: give --dry-run instead.")
    asked = read(Reproduce, arguments, "cadnet-edu reproduce")
    if asked.seeds < 1:
        raise ValueError(f"--seeds {asked.seeds}: give at least 1.")
    base = base_config(asked)
    lines = rows_asked(asked, base)
    if asked.headline_seeds is not None and asked.headline_seeds < asked.seeds:
        raise ValueError(f"--headline-seeds {asked.headline_seeds}: give at least as many as --seeds, {asked.seeds}.")
    seeds = list(range(asked.headline_seeds or asked.seeds))
    here = asked.out / "runs"
    data = data_fingerprint(base)
    records = Records(here, committed_folders(base.profile), data)
    todo = tasks(lines, range(asked.seeds), seeds, data)
    if asked.dry_run:
        plan(todo, Records(here, data=data) if asked.fresh else records, show, any_code=asked.any_code)
        return 0
    failed = conduct(todo, here, records, say, asked.fresh, asked.any_code)
    result, text = shown(asked, base, lines, records, seeds)
    write(asked, result, text)
    if asked.publish:
        say(f"published: {publish(asked.what, result, todo, records)}")
    show(text)
    for name, why in failed.items():
        say(f"failed: {name}: {why}")
    return 1 if failed else 0


def base_config(asked: Reproduce) -> Config:
    """The profile's settings with what the command line changes."""
    named = {name: getattr(asked, name) for name in (*CHANGES, "root")}
    changes = {name: value for name, value in named.items() if value is not None}
    return profile(asked.profile, device=asked.device, precision=asked.precision,
                   allow_withdrawn=asked.allow_withdrawn, **changes)  # fmt: skip


def rows_asked(asked: Reproduce, base: Config) -> list[Row]:
    """The rows of what was asked for, or those named.

    Raises:
        ValueError: for a row that the table does not have.
    """
    unknown = [name for name in asked.rows if name not in ROWS[asked.what]]
    if unknown:
        raise ValueError(f"{asked.what} has no row {unknown[0]!r}. Its rows: {', '.join(ROWS[asked.what])}.")
    names = [name for name in ROWS[asked.what] if not asked.rows or name in asked.rows]
    return rows(names, base, asked.regimes or DEFAULT_REGIMES[asked.what])


def write(asked: Reproduce, data: dict[str, Any], text: str) -> None:
    """Write a table or a figure's numbers, as data and as text."""
    write_record(asked.out / f"{asked.what}.json", data, LEVELS)
    write_atomically(asked.out / f"{asked.what}.md", lambda file: file.write(text.encode()))
    say(f"written: {asked.out / asked.what}.json and .md")


def same_numbers(asked: Reproduce, base: Config) -> str:
    """The command that gives the same numbers elsewhere, without what depends on the machine.

    Args:
        asked: the command line.
        base: the profile's settings.
    """
    words: list[object] = ["reproduce", asked.what, "--profile", base.profile, "--seeds", asked.seeds]
    for name in ("headline_seeds", "regimes", "rows", *CHANGES):
        value = getattr(asked, name)
        if value not in (None, ()):
            words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else [value])]
    return command(*words, *(["--allow-withdrawn"] if asked.allow_withdrawn else []))


def shown(
    asked: Reproduce, base: Config, lines: list[Row], records: Records, seeds: list[int]
) -> tuple[dict[str, Any], str]:
    """What was asked for, as data and as text; its figures are written.

    Args:
        asked: the command line.
        base: the profile's settings.
        lines: the rows.
        records: where the numbers are.
        seeds: which repetitions count.
    """
    what, out = asked.what, asked.out
    labels = {row.name: row.label for row in lines}
    if what in ("figure3", "figure4"):
        draw, tell = (figure3, figure3_text) if what == "figure3" else (figure4, figure4_text)
        data = draw([row for row in lines if row.regime == lines[0].regime], records, seeds, out)
        return data, tell(data, labels)
    if what == "claims":
        data = claims(base, lines, records, seeds) | {"command": same_numbers(asked, base)}
        return data, page(data)
    if what == "beyond":
        data = beyond(lines, records, seeds, out)
        return data, beyond_text(data)
    data = table(what, lines, records, seeds)
    return data, markdown(data)


__all__ = ["Reproduce", "Task", "reproduce"]
