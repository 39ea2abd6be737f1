"""Results that come with the source: records, pictures, tables and the ledger, put where the book reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadnet_edu.config import Config
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.claims import CLAIMS, Evidence, ledger, page
from cadnet_edu.lab.image_strips import ENDING
from cadnet_edu.lab.records import COMMITTED, Records, write_record
from cadnet_edu.lab.rows import Row, row
from cadnet_edu.lab.run_all import Task
from cadnet_edu.lab.tables import Path as Place
from cadnet_edu.lab.tables import per_seed, sources

LEVELS = 5  # of a table's JSON that are spread over lines, so that people can see what a change changes


def evidence(base: Config, records: Records, seeds: Sequence[int]) -> Evidence:
    """What the claims ask for: a number of a row's records, seed by seed.

    Args:
        base: the preset's settings.
        records: where the numbers are.
        seeds: which repetitions count.
    """

    def ask(name: str, place: Place, regime: str = "all", /) -> dict[int, float]:
        return per_seed(row(name, base, regime), records, place, seeds)

    return ask


def claims(base: Config, rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The ledger of the paper's claims, ready for JSON.

    Args:
        base: the preset's settings.
        rows: those whose records are told as the source.
        records: where the numbers are.
        seeds: which repetitions count.
    """
    about = {"preset": base.run.preset, "seeds": list(seeds), "provenance": sources(rows, records, seeds)}
    return ledger(CLAIMS, evidence(base, records, seeds), about)


def publish(what: str, data: dict[str, Any], todo: Sequence[Task], records: Records) -> Path:
    """Copy what a table was made of into the book's results, and the table with it.

    Records go to ``book/results/runs/PRESET``, their pictures beside them, the table to ``book/results``, and the page
    of the claims to ``book/claims.md``.

    Args:
        what: the table or figure.
        data: as it was written.
        todo: the runs that it was made of.
        records: where their records are.

    Returns:
        the table's path.

    Raises:
        ValueError: when this package was installed without the book.
    """
    results = COMMITTED.parent
    if not results.parent.is_dir():
        raise ValueError(f"--publish: there is no book at {results.parent}. Work in a checkout of the source.")
    folder = COMMITTED / todo[0].config.run.preset
    for task in todo:
        found = records.find(task.config)
        if found is not None and found.path.parent != folder:
            picture = found.path.with_suffix(ENDING)
            if found.record["picture"] and picture.exists():
                seen = picture.read_bytes()
                write_atomically(folder / picture.name, lambda file, seen=seen: file.write(seen))  # type: ignore[misc]
            write_record(folder / found.path.name, found.record)  # last: what has a record is not copied again
    if what == "claims":
        write_atomically(results.parent / "claims.md", lambda file: file.write(page(data).encode()))
    return write_record(results / f"{what}.json", data, LEVELS)
