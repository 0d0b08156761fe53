"""A lock file that is held for as long as its process lives, and not a moment longer, however the process ends."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from static_gesture_classification.atomic_files import explained_write_errors

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_held: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


class ProcessLock:
    """An advisory lock on a file; the operating system releases it when the process ends, also by a kill.

    A process id in a file could belong to another process by the time it is read; a held lock cannot. Forked worker
    processes would share the lock, and could hold it longer than their parent lives, so they let go of it at birth.

    Args:
        path: the lock file; it is created, stays empty and is never removed (removing it would race).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; returns whether this object holds it now.

        Raises:
            OutputError: the lock file cannot be written.
        """
        if self._descriptor is not None:
            return True
        with explained_write_errors(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(descriptor):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        _held.add(self)
        return True

    def release(self) -> None:
        """Let go of the lock; does nothing when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a living process (this one included) holds the lock file at `path`."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except PermissionError:  # someone else's run: reading is enough for an advisory lock on POSIX systems
        descriptor = os.open(path, os.O_RDONLY)
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _let_go_in_child() -> None:
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
