"""Write results into the book of a source checkout: records, images, tables and the page of the claims."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadnet_edu.config import Config
from cadnet_edu.io import write_atomically
from cadnet_edu.lab.claims import CLAIMS, claims_table, page
from cadnet_edu.lab.image_strips import ENDING
from cadnet_edu.lab.records import COMMITTED_RUNS, KeyPath, Records, write_record
from cadnet_edu.lab.regimes import FIGURE_FILE, regimes_page
from cadnet_edu.lab.rows import Row, row
from cadnet_edu.lab.run_all import Task
from cadnet_edu.lab.tables import per_seed, sources

LEVELS = 5  # of a table's JSON that are spread over lines, so that a diff shows what changed


def claims(base: Config, rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The table of the paper's claims, ready for JSON.

    Args:
        base: the preset's settings.
        rows, records, seeds: the source of the numbers, as in ``cadnet_edu.lab.tables.table``.
    """

    def lookup(name: str, path: KeyPath, regime: str = "all", /) -> dict[int, float]:
        return per_seed(row(name, base, regime), records, path, seeds)

    metadata = {"preset": base.run.preset, "seeds": list(seeds), "provenance": sources(rows, records, seeds)}
    return claims_table(CLAIMS, lookup, metadata)


def publish(what: str, data: dict[str, Any], todo: Sequence[Task], records: Records, out: Path) -> Path:
    """Copy a table and the records that it was made of into the book's results.

    Records go to ``book/results/runs/PRESET``, their images beside them, the table to ``book/results``, and the page
    of the claims or of the regimes to ``book``.

    Args:
        what, data: the table or figure, and its numbers.
        todo, records: the runs that it was made of, and their records.
        out: folder of the figures that were drawn.

    Returns:
        the table's path.

    Raises:
        ValueError: when this package was installed without the book.
    """
    results = COMMITTED_RUNS.parent
    if not results.parent.is_dir():
        raise ValueError(f"--publish: there is no book at {results.parent}. Work in a checkout of the source.")
    folder = COMMITTED_RUNS / todo[0].config.run.preset
    for task in todo:
        found = records.find(task.config)
        if found is not None and found.path.parent != folder:
            images = found.path.with_suffix(ENDING)
            if found.record["picture"] and images.exists():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(images, folder / images.name)
            write_record(folder / found.path.name, found.record)  # last: a run with a record is not copied again
    if what == "claims":
        write_atomically(results.parent / "claims.md", page(data).encode())
    if what == "regimes":
        write_atomically(results.parent / "regimes.md", regimes_page(data).encode())
        if data["figure"]:
            shutil.copyfile(out / FIGURE_FILE, results.parent / "_static" / FIGURE_FILE)
    return write_record(results / f"{what}.json", data, LEVELS)
