import errno
import fcntl
import os
from pathlib import Path

import pytest

from static_gesture_classification.errors import OutputError
from static_gesture_classification.process_lock import ProcessLock, is_locked


@pytest.fixture
def lock(tmp_path: Path) -> ProcessLock:
    return ProcessLock(tmp_path / "lock")


def test_one_object_at_a_time_holds_a_lock(lock: ProcessLock) -> None:
    other = ProcessLock(lock.path)
    assert lock.acquire()
    assert lock.acquire()
    assert not other.acquire()
    lock.release()
    assert other.acquire()
    assert not lock.acquire()


def test_to_ask_for_a_lock_neither_makes_nor_takes_it(lock: ProcessLock) -> None:
    assert not is_locked(lock.path)
    assert not lock.path.exists()
    assert lock.acquire()
    assert is_locked(lock.path)
    lock.release()
    lock.release()
    assert not is_locked(lock.path)
    assert lock.acquire()


def test_a_lock_that_nothing_refers_to_is_free(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "lock")
    assert lock.acquire()
    del lock
    assert not is_locked(tmp_path / "lock")


def test_a_lock_stays_held_when_its_folder_moves(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lock = ProcessLock(tmp_path / "a" / "lock")
    assert lock.acquire()
    (tmp_path / "a").rename(tmp_path / "b")
    assert is_locked(tmp_path / "b" / "lock")
    lock.release()
    assert not is_locked(tmp_path / "b" / "lock")


@pytest.mark.concurrent
def test_a_forked_process_does_not_hold_the_lock_of_its_parent(lock: ProcessLock) -> None:
    assert lock.acquire()
    child = os.fork()
    if child == 0:
        os._exit(lock.acquire())
    assert os.waitpid(child, 0)[1] == 0
    assert is_locked(lock.path)
    lock.release()


def test_a_lock_that_may_only_be_read_can_be_asked_for(lock: ProcessLock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock.acquire()
    opened = os.open

    def read_only(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    assert is_locked(lock.path)
    lock.release()
    assert not is_locked(lock.path)


def test_a_lock_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/lock"):
        ProcessLock(tmp_path / "file" / "lock").acquire()


def test_without_locks_in_the_file_system_nobody_gets_one(lock: ProcessLock, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    lock.path.touch()
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert not lock.acquire()
    assert is_locked(lock.path)
