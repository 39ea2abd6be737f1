"""Shared by all commands: parsing of options, ``~`` in paths, commands to paste, and output streams."""

import contextlib
import dataclasses
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from cadnet_edu.config import RENAMED, RETIRED, expand
from cadnet_edu.training.distributed import current_rank

STOPPED = "\nstopped. The same command goes on from the last checkpoint."
Options = TypeVar("Options")
# Options of earlier versions -> their present names.
OLD_OPTIONS = {"plan": "dry_run", "headline_seeds": "main_seeds", "any_code": "allow_stale_code"} | {
    old.removeprefix("lam."): new for old, new in RENAMED.items()
}


@dataclasses.dataclass(kw_only=True)
class OtherData:
    """The data set, where it is not that of the run or the preset."""

    dataset: str | None = None  # Another data set than the run's or the preset's.
    root: Path | None = None  # Folder of that data set, or of the run's own if that has moved.
    data_seed: int | None = None  # Which random halves (viper, caviar, own), test set (cuhk03) or people (walkers).
    bbox: Literal["detected", "labeled"] | None = None  # Of cuhk03.
    filename_pattern: str | None = None  # Of own images: where identity and camera stand in file names.
    allow_withdrawn: bool = False  # You know that dukemtmc_reid was withdrawn and may use it.


def read(kind: type[Options], arguments: Sequence[str], prog: str, default: Options | None = None) -> Options:
    """Parse the arguments of a command; all commands call this function, so that they accept the same spellings.

    ``~`` is expanded in all paths, and a list can be written ``--rates 1 4``, ``--rates 1,4`` or
    ``--rates 1 --rates 4``.

    Args:
        kind: a dataclass with a field for each option.
        arguments: as typed, without the command's name.
        prog: the command's name, for its help.
        default: values of options that are not given.

    Raises:
        ValueError: for a value that the dataclass refuses, an option's earlier name, or ``~`` without a home folder.
        SystemExit: for options that do not exist, and after ``--help``.
    """
    refuse_old_options(arguments, fields(kind))
    words = join_lists(arguments, list_options(kind))
    more: dict[str, Any] = {} if default is None else {"default": default}
    found: Options = expand_paths(tyro.cli(kind, args=words, prog=prog, **more))
    return found


def fields(kind: type) -> dict[str, Any]:
    """Name -> type of each option of a command, those of nested dataclasses included."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        while get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        found |= fields(hint) if dataclasses.is_dataclass(hint) and isinstance(hint, type) else {name: hint}
    return found


def refuse_old_options(arguments: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an option that was renamed, with its present name, or removed."""
    for typed in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        name = typed.removeprefix("--").replace("-", "_")
        no, name = ("no_", name[3:]) if name.startswith("no_") else ("", name)
        new = OLD_OPTIONS.get(name, "")
        if name in known:
            continue
        if name == "encoder_passes" and new in known:
            raise ValueError(f"{typed} is now a flag: give --joint-batchnorm for 1, --no-joint-batchnorm for 2.")
        if new in known:
            raise ValueError(f"{typed} is now called {option(no + new)}: give {option(no + new)} instead.")
        if name in RETIRED and "steps" in known:
            raise ValueError(f"{typed}: this version has no such setting any more. Leave it out.")


def option(name: str) -> str:
    """The option of a setting.

    >>> option("lambda_rec")
    '--lambda-rec'
    """
    return f"--{name.replace('_', '-')}"


def list_options(kind: type) -> set[str]:
    """The options of a command that take several values.

    >>> from cadnet_edu.config import Config
    >>> list_options(Config)
    {'--rates'}
    """
    return {
        option(name)
        for name, hint in fields(kind).items()
        if tuple in (get_origin(hint), *map(get_origin, get_args(hint)))
    }


def join_lists(arguments: Iterable[str], lists: set[str]) -> list[str]:
    """Collect all values of a list option behind its first mention, and split them at commas.

    >>> join_lists(["run", "--rates=1,2", "--json", "--rates", "-4"], {"--rates"})
    ['run', '--rates', '1', '2', '-4', '--json']
    """
    parts: list[list[str]] = [[]]
    of: dict[str, list[str]] = {}
    current: list[str] | None = None
    for word in arguments:
        name, _, value = word.partition("=")
        name = name.replace("_", "-")
        if name in lists:
            if name not in of:
                of[name] = [name]
                parts += [of[name], []]
            current = of[name]
            word = value
        elif word.startswith("-") and not is_number(word.split(",")[0]):
            current = None
        if current is None:
            parts[-1].append(word)
        else:
            current += filter(None, word.split(","))
    return [word for part in parts for word in part]


def is_number(word: str) -> bool:
    """Whether a word reads as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def expand_paths(value: Any) -> Any:
    """Expand ``~`` in all paths of a value, also inside dataclasses and tuples."""
    if isinstance(value, Path):
        return expand(value)
    if isinstance(value, tuple):
        return tuple(expand_paths(each) for each in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    found = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    changed = {name: new for name, old in found.items() if (new := expand_paths(old)) != old}
    return dataclasses.replace(value, **changed) if changed else value


def command(*words: object) -> str:
    """A command of this package, quoted for a shell.

    >>> command("evaluate", Path("my runs/a"))
    "cadnet-edu evaluate 'my runs/a'"
    """
    line = ["cadnet-edu", *map(str, words)]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def say(text: str) -> None:
    """Print progress or a note on standard error, from rank 0 only; results go to standard output, see ``show``."""
    if current_rank() == 0:
        print(text, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print a result on standard output, at once."""
    with _standard_output():
        print(text, flush=True)


def flush() -> None:
    """Write out what is buffered for standard output."""
    with _standard_output():
        if sys.stdout is not None:  # None in a program started without one
            sys.stdout.flush()


@contextlib.contextmanager
def _standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, f"standard output cannot be written ({error.strerror})") from None


def accept_any_text() -> None:
    """Escape characters that standard output or standard error cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def discard_unwritable() -> None:
    """Redirect unwritable standard streams to the null device, or Python would report an error at exit."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
