"""A lock file that a process holds until it releases it or ends, even by a kill.

`filelock` does the locking. It lacks: an answer instead of an exception, file systems without locks, and a test of a
lock file that may not be written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout, lock_descriptor

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.errors import UserError

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # some network file systems have none
PATIENCE = 30.0  # seconds that a change waits for another one


class ProcessLock:
    """A lock on a file for one object at a time. Forked processes do not hold the locks of their parent.

    Args:
        path: the lock file. It is created, stays empty and is never removed (to remove it would race).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; returns whether this object holds it now.

        False where another object holds it, or where the file system has no locks.

        Raises:
            OutputError: the lock file cannot be written.
        """
        if self._lock is not None and self._lock.is_locked:
            return True
        lock = FileLock(self.path, blocking=False, thread_local=False, preserve_lock_file=True)
        try:
            with explain_write_errors(self.path):
                lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Release the lock, if this object holds it."""
        if self._lock is not None:
            self._lock.release()


@contextmanager
def change_alone(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Read, change and write a file while nobody else does: other threads and processes wait here.

    The lock is `.<name>.lock` beside the file. On file systems without locks nobody waits.

    Args:
        path: the file, which need not exist.
        patience: seconds to wait.

    Raises:
        UserError: another process takes longer.
        OutputError: the lock file cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience, thread_local=False, preserve_lock_file=True)
    try:
        with explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        raise UserError(
            f"another command has been changing {path} for {patience:g} s; wait for it, then again"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a living process, perhaps this one, holds the lock at `path`; True on file systems without locks."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # another user's run or a read-only disk: most file systems can test a lock that is open to read
        descriptor = os.open(path, os.O_RDONLY)
    try:
        return not lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True
    finally:
        os.close(descriptor)
