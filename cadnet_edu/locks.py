"""File locks: one process at a time works in a folder; the others wait and say so, or are told."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
PATIENCE = 2.0  # seconds of silence before a process that waits says so

__all__ = ["Timeout", "locked"]


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it: no reason to stop
        print(text, file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path, work: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock ``path`` while the block runs.

    A process that has to wait for another one prints a line that says so. On a file system without locks (some Lustre,
    NFS and FUSE mounts) a line says that, and the block runs without one.

    Args:
        path: the lock file; its folder exists.
        work: what the holder does, as in "trains this run", for the message.
        wait: whether to wait for another process that holds it.

    Raises:
        Timeout: when another process holds it and ``wait`` is False.
        OSError: when the lock file cannot be written.
    """
    lock = FileLock(path)
    try:
        _acquire(lock, path, work, wait)
    except (OSError, NotImplementedError) as error:  # the second from older versions of filelock
        if isinstance(error, Timeout) or (isinstance(error, OSError) and error.errno not in UNSUPPORTED):
            raise
        _print(
            f"{path.parent}: there are no file locks on this file system, so nothing keeps two processes apart here. "
            f"Make sure that no other one {work} meanwhile."
        )
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # the disk may have gone meanwhile; the system frees the lock with the process
            lock.release()


def _acquire(lock: FileLock, path: Path, work: str, wait: bool) -> None:
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            raise
        _print(f"waiting for another process that {work} (it holds {path})")
        lock.acquire()
