"""Atomic writing of files, JSON, and durations as text."""

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


def write_atomically(path: str | Path, content: bytes | Callable[[BinaryIO], Any]) -> Path:
    """Write a file atomically: into a temporary file beside it, which is then renamed.

    Args:
        path: of the file; missing folders are created.
        content: of the file, or a function that writes it into the open file.

    Raises:
        OSError: when it cannot be written (no space, no permission), with path, reason and remedy. An older file at
            ``path`` is unchanged.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name[:32]}.{secrets.token_hex(4)}.part"  # within the limit of file systems
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = temporary.open("xb")  # tempfile would restrict the permissions to the owner
    except OSError as error:
        why = f"cannot write into {path.parent} ({error.strerror}). {remedy(error)}"
        raise OSError(error.errno, why) from None
    try:
        with opened as file:
            file.write(content) if isinstance(content, bytes) else content(file)
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
    """The operating system's error behind one; torch.save wraps it in a RuntimeError."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__ if isinstance(error, RuntimeError) else None
    return error


def remedy(error: OSError) -> str:
    """The remedy for an error of the file system."""
    return REMEDIES.get(error.errno or 0, "Choose another folder")


def append_line(path: str | Path, line: str) -> None:
    """Append a line to a text file, creating it if necessary.

    Raises:
        OSError: when it cannot be written, with path, reason and remedy. Part of the line may have been written.
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
    return write_atomically(path, text.encode())


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


def duration(seconds: float, most: float | None = None) -> str:
    """Format seconds, or a range of seconds, in a suitable unit.

    Args:
        seconds: the duration, or the lower end of the range.
        most: the upper end of the range.

    >>> duration(42), duration(200), duration(9000), duration(200_000)
    ('42 s', '3.3 min', '2.5 h', '2.3 days')
    >>> duration(2, 7), duration(100, 290), duration(40 * 3600, 130 * 3600)
    ('2 to 7 s', '2 to 5 min', '2 to 5 days')
    """
    units = (("s", 1, 100), ("min", 60, 6000), ("h", 3600, 172_800))  # name, seconds in it, seconds up to which it fits
    longest = seconds if most is None else most
    name, size = next(((name, size) for name, size, limit in units if longest < limit), ("days", 86_400))
    if most is None:
        return f"{seconds:.0f} s" if name == "s" else f"{seconds / size:.1f} {name}"
    low, high = (max(1, round(value / size)) for value in (seconds, most))
    return f"{low} to {high} {name}" if low < high else f"{high} {name}"
