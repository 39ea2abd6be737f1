"""Ctrl-C, SIGTERM and a closed terminal end the book's commands with a sentence, never with a traceback."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType

INTERRUPTED = 130  # the exit status of a command that was interrupted, as shells count


def quietly() -> None:
    """Treat each of these signals as a Ctrl-C, and show an interruption that nothing catches as one sentence.

    For a script's first lines: the imports of the book's tools take seconds, in which Ctrl-C may come.
    """
    sys.excepthook = _without_traceback
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP: so it stays
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
