"""Commands inside a notebook: typed as in a terminal, run in this process, shown as a page can show them."""

from __future__ import annotations

import contextlib
import io
import shlex

from cadnet_edu.__main__ import main

NAME = "cadnet-edu"


def run(line: str) -> int:
    """Run a command of this package and print the command and what it says.

    It does what the same line does in a terminal, without starting Python again. What goes to standard error is
    printed among the rest, in order, and progress bars are left out: a page shows neither otherwise.

    Args:
        line: as typed, beginning with ``cadnet-edu``.

    Returns:
        the exit code, 0 when all went well.

    Raises:
        ValueError: for another program's command.

    >>> code = run("cadnet-edu trian")  # doctest: +ELLIPSIS
    $ cadnet-edu trian
    cadnet-edu: there is no command 'trian'.
    ...
    >>> code
    2
    """
    words = shlex.split(line.replace("\\\n", " "))
    if not words or words[0] != NAME:
        raise ValueError(f"{line!r}: a command of this package begins with {NAME}, as in: {NAME} data cache.")
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(words[1:])
    except SystemExit as stop:  # --help, and options that do not exist
        code = int(stop.code or 0)
    print(f"$ {line}")
    print(without_bars(said.getvalue()), end="")
    return code


def without_bars(text: str) -> str:
    """What was printed, without lines that were written over.

    >>> without_bars("start\\n\\r 1/2\\r 2/2\\nend\\n")
    'start\\nend\\n'
    """
    return "\n".join(line for line in text.split("\n") if "\r" not in line)
