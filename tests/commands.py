"""Commands as a reader types them, for tests: ``from commands import cli``."""

from __future__ import annotations

import contextlib
import io
from typing import Any, NamedTuple

from cadnet_edu.cli.main import main


class Said(NamedTuple):
    """How a command ended, and what it printed where."""

    code: int
    out: str
    err: str


def cli(*arguments: Any) -> Said:
    """Run a command in this process, as the installed script would. An exception that gets out is a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Said(code, out.getvalue(), err.getvalue())
