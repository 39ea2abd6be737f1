"""Tables of images as CSV: read with errors that name the line, paths that stay inside their folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

ROLES = ("train", "query", "gallery")
Row = dict[str, str]


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV file with a header, each with its line number under the key ``line``.

    Args:
        path: the file; UTF-8, with commas, semicolons or tabs.
        required: columns that must be there and filled in.
        optional: columns that may be there.

    Raises:
        ValueError: when the file is missing or no text, a required column is missing, or an entry of one is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file. Check the path.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: this is no text in UTF-8. Save the table as CSV in UTF-8.") from None
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # what spreadsheets write depends on the country
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows, [])]
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(
            f"{path}: there is no column {missing[0]!r} in the first line, which reads {head.strip()[:80]!r}. "
            f"Needed are {', '.join(required)}; {', '.join(optional) or 'nothing else'} may be added."
        )
    found = []
    for row in rows:
        if not any(entry.strip() for entry in row):
            continue
        entries = dict(zip(names, (entry.strip() for entry in row)))
        empty = [name for name in required if not entries.get(name)]
        if empty:
            raise ValueError(f"{path}, line {rows.line_num}: nothing is given for {empty[0]!r}.")
        found.append({name: entries.get(name, "") for name in (*required, *optional)} | {"line": str(rows.line_num)})
    if not found:
        raise ValueError(f"{path}: the table has no line below its header.")
    return found


def inside(root: Path, name: str, where: str) -> Path:
    """A path of a table below the folder that it is relative to.

    Args:
        root: the folder.
        name: with slashes.
        where: file and line, for the message.

    Raises:
        ValueError: for an absolute path, or one that leaves the folder.
    """
    if PureWindowsPath(name).is_absolute() or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        raise ValueError(f"{where}: {name!r} is an absolute path. Give paths relative to the folder of the images.")
    if ".." in PurePosixPath(name).parts or "\0" in name:
        raise ValueError(f"{where}: {name!r} leaves the folder of the images. Give paths inside it.")
    return root / name


def whole_number(text: str, what: str, where: str) -> int:
    """An entry that must be a number from 0 up.

    Raises:
        ValueError: when it is another thing.
    """
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{where}: {what} = {text!r}. It must be a whole number, 0 or more.")
    return int(text)


def role_of(text: str, where: str) -> str:
    """An entry that must name a part of a split.

    Raises:
        ValueError: when it is another thing.
    """
    if text.lower() not in ROLES:
        raise ValueError(f"{where}: role = {text!r}. It must be one of {', '.join(ROLES)}.")
    return text.lower()
