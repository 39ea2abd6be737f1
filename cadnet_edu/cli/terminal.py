"""Run commands of this package in a notebook, in its own process."""

import contextlib
import io
import re
import shlex

from cadnet_edu.cli.main import main

NAME = "cadnet-edu"
# What can hold a backslash, longest first: a Windows path from its drive or its server on, with or without double
# quotes; other quotes; a character that is special to a shell; anything else.
BACKSLASHES = re.compile(
    r"""(?P<windows>(?<![^\s=])(?:"(?:[a-zA-Z]:\\|\\\\)[^"]*"|(?:[a-zA-Z]:\\|\\\\)[^\s"']*))"""
    r"""|'[^']*'|"(?:\\.|[^"\\])*"|\\[^\w.-]|(?P<alone>\\)""",
    re.DOTALL,
)


def run(line: str) -> int:
    """Run a command of this package; print the command and its output.

    It does the same as in a terminal, without starting Python again. Standard error is printed in order with standard
    output, and progress bars are left out.

    Args:
        line: as typed, beginning with ``cadnet-edu``; see ``words_of`` for quotes and backslashes.

    Returns:
        the exit code, 0 when all went well.

    Raises:
        ValueError: for another program's command, and for a quote that is not closed.

    >>> code = run("cadnet-edu trian")  # doctest: +ELLIPSIS
    $ cadnet-edu trian
    cadnet-edu: there is no command 'trian'.
    ...
    >>> code
    2
    """
    words = words_of(line)
    if not words or words[0] != NAME:
        raise ValueError(f"{line!r}: a command of this package begins with {NAME}, as in: {NAME} data cache.")
    output = io.StringIO()
    print(f"$ {line}")
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            return main(words[1:])
    finally:  # also before an error, or when the cell is interrupted
        print(without_bars(output.getvalue()), end="")


def words_of(line: str) -> list[str]:
    r"""Split a command into words as a shell of Linux does, on every system, except that paths of Windows stay whole.

    Quotes keep a word together, and a backslash at the end of a line continues it in the next. Within a line, a
    backslash takes the special meaning from a space, a quote, a bracket and the like; before a letter, a digit, ``.``,
    ``-`` and ``_``, and everywhere in a word that begins as ``C:\`` or ``\\``, it stays what it is.

    Raises:
        ValueError: for a quote that is not closed.

    >>> words_of(r'data check own --root "C:\My Photos" --out runs\a\ b')
    ['data', 'check', 'own', '--root', 'C:\\My Photos', '--out', 'runs\\a b']
    """
    joined = re.sub(r"\\\r?\n", " ", line)
    kept = BACKSLASHES.sub(lambda m: m[0].replace("\\", r"\\") if m["windows"] or m["alone"] else m[0], joined)
    try:
        return shlex.split(kept)
    except ValueError:
        raise ValueError(f"{line!r}: a quote is opened and not closed.") from None


def without_bars(text: str) -> str:
    """The output without progress bars, which are lines with a carriage return.

    >>> without_bars("start\\n\\r 1/2\\r 2/2\\nend\\n")
    'start\\nend\\n'
    """
    return "\n".join(line for line in text.split("\n") if "\r" not in line)
