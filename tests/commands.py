"""Commands as a user types them, for tests: ``from commands import cli, refused``."""

import contextlib
import io
from typing import Any, NamedTuple

from cadnet_edu.cli.main import main

TINY = (
    "--preset", "smoke", "--device", "cpu", "--precision", "32-true", "--height", "32", "--width", "16", "--steps", "4",
    "--backbone-width", "8", "--decoder-width", "2", "--discriminator-width", "8", "--num-identities", "2",
    "--num-instances", "2", "--log-every", "1",
)  # fmt: skip


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


def refused(said: Said, *words: str) -> str:
    """Check that a command failed with an error message that holds these words, and return it as one line."""
    text = " ".join(said.err.replace("│", " ").split())
    assert said.code != 0, said
    assert "Traceback" not in text
    assert said.out == ""
    for word in words:
        assert word in text, text
    return text
