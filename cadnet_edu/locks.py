"""File locks: one process at a time works in a folder; others wait with a message, or get an error."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
PATIENCE = 2.0  # seconds before a waiting process prints a message

__all__ = ["Timeout", "locked"]


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # an unwritable standard error is ignored
        print(text, file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path, work: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock ``path`` while the block runs.

    A process that waits for another one prints a message. On a file system without locks (some Lustre, NFS and FUSE
    mounts) it prints a warning and runs the block without a lock.

    Args:
        path: the lock file; its folder exists.
        work: of the holder, for messages, such as "trains this run".
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
        with suppress(OSError):  # an unmounted disk; the lock ends with the process
            lock.release()


def _acquire(lock: FileLock, path: Path, work: str, wait: bool) -> None:
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            raise
        _print(f"waiting for another process that {work} (it holds {path})")
        lock.acquire()
