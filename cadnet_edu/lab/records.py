"""What a finished run leaves behind: one small JSON record, from which all tables and figures are made.

A record belongs to a row of a table by its *settings*, the configuration without what only says how to run it, and by
the fingerprint of its data. The code it came from is told in the record and is no part of that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cadnet_edu.config import Config, flatten
from cadnet_edu.io import read_json, write_atomically
from cadnet_edu.training.checkpoints import identity

RunRecord = dict[str, Any]
# Where records that come with the source lie, a folder a preset. A package installed without the book has none.
COMMITTED = Path(__file__).resolve().parents[2] / "book" / "results" / "runs"


def settings(config: Config) -> dict[str, Any]:
    """What tells one experiment from another: the settings that differ from the paper's, ``Config()``.

    A setting that is added later, with its default, leaves older records what they were.

    >>> settings(Config().replace(steps=9, seed=3, device="cpu"))
    {'steps': 9}
    """
    paper = flatten(Config().to_dict())
    return {k: v for k, v in identity(config).items() if k != "seed" and v != paper[k]}  # a seed is a repetition


def settings_key(config: Config, data: str | None = None) -> str:
    """A short hash of ``settings`` and of the data.

    Args:
        config: all settings.
        data: the fingerprint of a data set on disk; None for the embedded one.
    """
    text = json.dumps(settings(config) | ({"data": data} if data else {}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def record_name(row: str, config: Config, data: str | None = None) -> str:
    """The file name of a record, without ending.

    Args:
        row: the line of the table.
        config: all settings.
        data: see ``settings_key``.

    >>> record_name("cadnet", Config().replace(seed=4)).split("-")[::3]
    ['cadnet', 'seed4']
    """
    return f"{row}-{config.run.preset}-{settings_key(config, data)}-seed{config.run.seed}"


@dataclasses.dataclass(frozen=True)
class StoredRecord:
    """A record and the file it was read from."""

    record: RunRecord
    path: Path
    committed: bool


class Records:
    """Records of one or several folders, found by configuration and seed.

    Args:
        here: folder of the records made here; they win over committed ones.
        committed: folders of committed records.
        data: the fingerprint of the data set on disk that is looked for; None for the embedded one.

    Raises:
        ValueError: when a file is damaged, or a record holds a setting that this version does not know.
    """

    def __init__(self, here: Path | None = None, committed: Iterable[Path] = (), data: str | None = None) -> None:
        self.data = data
        self.found: dict[tuple[str, int], StoredRecord] = {}
        for folder, is_committed in [*((c, True) for c in committed), *([(here, False)] if here else [])]:
            for path in record_files(folder):
                self.add(read_json(path), path, is_committed)

    def add(self, record: RunRecord, path: Path, committed: bool = False) -> None:
        """Take in one record; a later one with the same settings and seed replaces it.

        Raises:
            ValueError: for a record with a setting that this version does not know, and for a file that is no record.
        """
        try:
            config = Config.from_dict(record["config"])
        except KeyError:
            raise ValueError(f"{path}: no record of a run, it holds no 'config'. Move the file away.") from None
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}: the record cannot be used: {error} It was made by another version of this package; install "
                "that one, or move the file away."
            ) from None
        data = record.get("provenance", {}).get("data")
        self.found[settings_key(config, data), config.run.seed] = StoredRecord(record, path, committed)

    def find(self, config: Config) -> StoredRecord | None:
        """The record of this configuration and seed, on these data."""
        return self.found.get((settings_key(config, self.data), config.run.seed))

    def by_seed(self, config: Config, seeds: Iterable[int]) -> dict[int, RunRecord]:
        """seed -> record, for those of the seeds that there are."""
        found = {k: self.find(config.replace(seed=k)) for k in seeds}
        return {k: one.record for k, one in found.items() if one is not None}

    def __iter__(self) -> Iterator[StoredRecord]:
        return iter(self.found.values())

    def __len__(self) -> int:
        return len(self.found)


def record_files(folder: Path) -> list[Path]:
    """The records in a folder, in order; other files, such as those of errors, are left out."""
    return sorted(p for p in folder.glob("*-seed*.json") if p.name.count(".") == 1) if folder.is_dir() else []


def write_record(path: Path, record: RunRecord, levels: int = 3) -> Path:
    """Write a record, whole or not at all: readable, but with the innermost lists and numbers on one line.

    Args:
        path: of the file.
        record: what ``cadnet_edu.lab.measure`` found.
        levels: how many levels of dictionaries are spread over lines.

    Raises:
        ValueError: for a value that JSON cannot hold.
    """
    try:
        text = _lines(record, levels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: JSON holds finite numbers, text, lists and dictionaries only ({error}).") from None
    return write_atomically(path, lambda file: file.write((text + "\n").encode()))


def _lines(value: Any, levels: int, indent: str = "") -> str:
    """JSON in which so many levels of dictionaries, and of lists of them, are spread over lines."""
    inside = indent + " "
    if levels and value and isinstance(value, dict):
        items = [f"{inside}{json.dumps(str(k))}: {_lines(v, levels - 1, inside)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if levels and isinstance(value, list) and any(isinstance(v, dict) for v in value):
        return "[\n" + ",\n".join(inside + _lines(v, levels - 1, inside) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def committed_folders(preset: str) -> list[Path]:
    """The folder of committed records of a preset, where there is one."""
    folder = COMMITTED / preset
    return [folder] if folder.is_dir() else []


def published(name: str) -> dict[str, Any]:
    """A table, a figure's numbers or the ledger of claims, as it was published last.

    A checkout of the source holds them in ``book/results``; an installed package brings its own copy of the same files.

    Args:
        name: "table1", "table2", "table3", "figure3", "figure4", "beyond", "claims" or "plan_full".

    Raises:
        ValueError: for another name.
    """
    folders = (COMMITTED.parent, Path(__file__).parents[1] / "results")
    for folder in folders:
        if (folder / f"{name}.json").is_file():
            return dict(read_json(folder / f"{name}.json"))
    known = sorted({path.stem for folder in folders for path in folder.glob("*.json")})
    raise ValueError(f"Nothing is published as {name!r}. There is {', '.join(known) or 'nothing'}.")
