"""Ctrl-C and SIGTERM during training: finish the step, save, then stop."""

import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context that records the first Ctrl-C or SIGTERM in ``number``; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python delivers no signals, nothing is changed.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in CAUGHT if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
        if number == signal.SIGINT:
            with suppress(RuntimeError, OSError, ValueError):  # the step may be writing at this very moment
                sys.stderr.write("\nstopping after this step; Ctrl-C again stops at once\n")

    def leave(self) -> None:
        """Stop as the signal requires.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: after SIGTERM, with its exit code, 143.
        """
        raise SystemExit(128 + signal.SIGTERM) if self.number == signal.SIGTERM else KeyboardInterrupt
