"""Tables of images as CSV: read with errors that name the line, paths that stay inside their folder."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

ROLES = ("train", "query", "gallery")
LONGEST = 18  # digits: every number of so many fits in 64 bits
Row = dict[str, str]


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV file with a header, each with its line number under the key ``line``.

    Args:
        path: the file; UTF-8 or UTF-16, with commas, semicolons or tabs, perhaps below Excel's line ``sep=;``.
        required: columns that must be there and filled in, that of the files first: a name may begin with a blank, so
            the blanks around its entries stay.
        optional: columns that may be there.

    Raises:
        ValueError: when the file is missing or no text, a required column is missing or there twice, an entry of one is
            empty, or a line has more entries than the header.
    """
    text, delimiter, skipped = table_text(path)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = []
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        check_header(path, names, required, optional)
        for row in rows:
            if not any(entry.strip() for entry in row):
                continue
            where = f"{path}, line {rows.line_num + skipped}"
            entries = dict(zip(names, row))
            empty = [name for name in required if not entries.get(name, "").strip()]
            if empty:
                raise ValueError(f"{where}: nothing is given for {empty[0]!r}.")
            if any(entry.strip() for entry in row[len(names) :]):
                raise ValueError(f"{where}: {len(row)} entries, {len(names)} columns. Quote names with {delimiter!r}.")
            known = {name: entries.get(name, "").strip() for name in (*required, *optional)}
            found.append(known | {required[0]: entries[required[0]], "line": str(rows.line_num + skipped)})
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num + skipped}: {error}. Is a quotation mark left open?") from None
    if not found:
        raise ValueError(f"{path}: the table has no line below its header.")
    return found


def table_text(path: Path) -> tuple[str, str, int]:
    """The text of a CSV file from its header on, the delimiter, and the number of skipped lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file. Check the path.") from None
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{path}: this is no text in UTF-8. Save the table as CSV in UTF-8.") from None
    declared = re.match(r"sep=(.)(\r\n|\r|\n)", text, re.IGNORECASE)  # Excel's
    if declared:
        return text[declared.end() :], declared[1], 1
    head = re.split(r"[\r\n]", text, maxsplit=1)[0]
    return text, max(",;\t", key=head.count), 0  # what spreadsheets write depends on the country


def check_header(path: Path, names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a header that lacks a column or has one twice."""
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(
            f"{path}: there is no column {missing[0]!r} in the first line, which reads {','.join(names)[:80]!r}. "
            f"Needed are {', '.join(required)}; {', '.join(optional) or 'nothing else'} may be added."
        )
    twice = [name for name in (*required, *optional) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: there are {names.count(twice[0])} columns {twice[0]!r}. Keep one.")


def listed_file(root: Path, name: str, where: str) -> Path:
    """The file of a table's entry: as written, else without surrounding blanks, else with slashes.

    Returns:
        the first of these that is a file, or the last.

    Raises:
        ValueError: for an absolute path, or one that leaves the folder.
    """
    path = inside(root, name, where)
    for spelling in (name.strip(), name.strip().replace("\\", "/")):
        if path.is_file():
            break
        path = inside(root, spelling, where)
    return path


def inside(root: Path, name: str, where: str) -> Path:
    """A path of a table below the folder that it is relative to; see ``listed_file``."""
    if PureWindowsPath(name).is_absolute() or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        raise ValueError(f"{where}: {name!r} is an absolute path. Give paths relative to the folder of the images.")
    if ".." in PurePosixPath(name).parts or "\0" in name:
        raise ValueError(f"{where}: {name!r} leaves the folder of the images. Give paths inside it.")
    return root / name


def whole(text: str) -> str:
    """A whole number without the ``.0`` that spreadsheets and pandas append to it; other text as it is.

    >>> whole("12.0"), whole("-1,0"), whole("1.5"), whole("a")
    ('12', '-1', '1.5', 'a')
    """
    number = re.fullmatch(r"(-?[0-9]+)[.,]0+", text)
    return number[1] if number else text


def whole_number(text: str, what: str, where: str) -> int:
    """An entry that must be a number from 0 up."""
    number = whole(text)
    if not (number.isascii() and number.isdecimal()):
        raise ValueError(f"{where}: {what} = {text!r}. It must be a whole number, 0 or more.")
    if len(number) > LONGEST:
        raise ValueError(f"{where}: {what} = {text[:40]!r}. It must have {LONGEST} digits or fewer.")
    return int(number)


def role_of(text: str, where: str) -> str:
    """An entry that must name a part of a split."""
    if text.lower() not in ROLES:
        raise ValueError(f"{where}: role = {text!r}. It must be one of {', '.join(ROLES)}.")
    return text.lower()
