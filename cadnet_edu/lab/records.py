"""Store and find the records of runs: one small JSON file each, from which all tables and figures are made.

A record is found by its *settings* (the configuration without device, precision, logging and paths), its seed and the
fingerprint of its data. It names the code that made it, but is not found by it.
"""

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
KeyPath = tuple[str | int, ...]  # keys to a number in a record
# Records that come with the source, a folder a preset. A package installed without the book has none.
COMMITTED_RUNS = Path(__file__).resolve().parents[2] / "book" / "results" / "runs"


def settings(config: Config) -> dict[str, Any]:
    """The settings that identify an experiment: those that differ from the paper's, ``Config()``, and are used.

    So a setting that is added later, with its default, does not change the key of older records, and another G does
    not change that of a method without G.

    >>> settings(Config().replace(steps=9, seed=3, device="cpu"))
    {'steps': 9}
    """
    paper = flatten(Config().to_dict())
    ignored = {"seed", *config.unused()}  # a seed is a repetition
    return {k: v for k, v in identity(config).items() if k not in ignored and v != paper[k]}


def settings_key(config: Config, data: str | None = None) -> str:
    """A short hash of ``settings`` and of the fingerprint of a data set on disk, None for the embedded one."""
    text = json.dumps(settings(config) | ({"data": data} if data else {}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def record_name(row: str, config: Config, data: str | None = None) -> str:
    """The file name of a record, without ending; see ``settings_key``.

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
        here: folder of own records; they take precedence over committed ones.
        committed: folders of committed records.
        data: the fingerprint of the data set on disk that ``find`` looks for; None for the embedded one.

    Raises:
        ValueError: when a file is damaged, or a record has an unknown setting.
    """

    def __init__(self, here: Path | None = None, committed: Iterable[Path] = (), data: str | None = None) -> None:
        self.data = data
        self.found: dict[tuple[str, int], StoredRecord] = {}
        self._keys: dict[Config, str] = {}  # a table looks up the same settings for each of its numbers
        for folder, is_committed in [*((c, True) for c in committed), *([(here, False)] if here else [])]:
            for path in sorted(p for p in folder.glob("*-seed*.json") if p.name.count(".") == 1):  # no file of errors
                self.add(read_json(path), path, is_committed)

    def add(self, record: RunRecord, path: Path, committed: bool = False) -> None:
        """Add one record; a later one with the same settings and seed replaces it."""
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
        return self.found.get((self._key(config), config.run.seed))

    def by_seed(self, config: Config, seeds: Iterable[int]) -> dict[int, RunRecord]:
        """seed -> record, for the seeds that have one."""
        key = self._key(config)
        return {k: self.found[key, k].record for k in seeds if (key, k) in self.found}

    def _key(self, config: Config) -> str:
        if config not in self._keys:
            self._keys[config] = settings_key(config, self.data)
        return self._keys[config]

    def __iter__(self) -> Iterator[StoredRecord]:
        return iter(self.found.values())

    def __len__(self) -> int:
        return len(self.found)


def write_record(path: Path, record: RunRecord, levels: int = 3) -> Path:
    """Write a record atomically as indented JSON, with the innermost lists and numbers on one line.

    Args:
        path, record: of the file.
        levels: of dictionaries that are spread over lines.

    Raises:
        ValueError: for a value that JSON cannot hold.
    """
    try:
        text = _lines(record, levels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: JSON holds finite numbers, text, lists and dictionaries only ({error}).") from None
    return write_atomically(path, f"{text}\n".encode())


def _lines(value: Any, levels: int, indent: str = "") -> str:
    """JSON with some levels of dictionaries, and of lists of them, spread over lines."""
    inside = indent + " "
    if levels and value and isinstance(value, dict):
        items = [f"{inside}{json.dumps(str(k))}: {_lines(v, levels - 1, inside)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if levels and isinstance(value, list) and any(isinstance(v, dict) for v in value):
        return "[\n" + ",\n".join(inside + _lines(v, levels - 1, inside) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def committed_folders(preset: str) -> list[Path]:
    """The folder of committed records of a preset, if it exists."""
    folder = COMMITTED_RUNS / preset
    return [folder] if folder.is_dir() else []


def published(name: str) -> dict[str, Any]:
    """A published table, the numbers of a figure, or the table of claims.

    A checkout of the source has them in ``book/results``; an installed package has its own copy.

    Raises:
        ValueError: for an unknown name, with those that there are.
    """
    folders = (COMMITTED_RUNS.parent, Path(__file__).parents[1] / "results")
    for folder in folders:
        if (folder / f"{name}.json").is_file():
            return dict(read_json(folder / f"{name}.json"))
    known = sorted({path.stem for folder in folders for path in folder.glob("*.json")})
    raise ValueError(f"Nothing is published as {name!r}. There is {', '.join(known) or 'nothing'}.")
