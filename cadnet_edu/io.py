"""Writing files so that nothing is ever half-written."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
MORE_SPACE = "Free some space, or choose a folder on another disk, and run the same command again"
REMEDIES = {
    errno.ENAMETOOLONG: "Choose a shorter name",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), MORE_SPACE),
    **dict.fromkeys(READ_ONLY, "Choose a folder that you may write to"),
}


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
    """Write a file completely or not at all: into a temporary neighbour first, then renamed over ``path``.

    Args:
        path: where the file shall be; missing folders are made.
        write: called with the open temporary file.

    Raises:
        OSError: when it cannot be written (no space, no permission). An older file at ``path`` is then still whole,
            and the message says where and why.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name[:32]}.{secrets.token_hex(4)}.part"  # no longer than what disks allow
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = temporary.open("xb")  # with the usual permissions, which tempfile would narrow to the owner
    except OSError as error:
        why = f"cannot write into {path.parent} ({error.strerror}). {remedy(error)}"
        raise OSError(error.errno, why) from None
    try:
        with opened as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        cause = underlying_os_error(error)
        if cause is not None:
            raise OSError(
                cause.errno,
                f"{path} could not be saved ({cause.strerror or cause}). What was there before is untouched. "
                + remedy(cause),
            ) from None
        raise
    return path


def underlying_os_error(error: BaseException | None) -> OSError | None:
    """The system's own complaint; torch.save, for one, hides a full disk behind a RuntimeError of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__ if isinstance(error, RuntimeError) else None
    return error


def remedy(error: OSError) -> str:
    """What helps against an error of the file system."""
    return REMEDIES.get(error.errno or 0, "Choose another folder")


def append_line(path: str | Path, line: str) -> None:
    """Add a line to a text file, which is made when it is missing.

    Raises:
        OSError: when it cannot be written; the message says where and why. The line may then be there in part.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(line + "\n")
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written ({error.strerror}). {remedy(error)}") from None


def write_json(path: str | Path, value: Any) -> Path:
    """Write ``value`` as readable JSON, atomically.

    Raises:
        ValueError: for a value that JSON cannot hold, such as NaN or an array; nothing is written then.
        OSError: see ``write_atomically``.
    """
    try:
        text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: JSON holds finite numbers, text, lists and dictionaries only ({error}).") from None
    return write_atomically(path, lambda file: file.write(text.encode()))


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: when it is missing or damaged; the message names it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, not valid JSON ({error}).") from None
