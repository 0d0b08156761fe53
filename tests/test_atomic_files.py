import errno
import json
import os
from pathlib import Path

import pytest

from static_gesture_classification.atomic_files import atomic_path, partial_path, write_json, write_text
from static_gesture_classification.errors import OutputError


def test_failed_write_keeps_the_earlier_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"a": 1})

    def fail_half_way() -> None:
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_flushes_only_what_is_open_for_writing_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    flush, flushed = os.fsync, []

    def as_on_windows(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flush(descriptor)
        flushed.append(descriptor)

    monkeypatch.setattr(os, "fsync", as_on_windows)
    write_text(tmp_path / "report.txt", "whole")
    assert (tmp_path / "report.txt").read_text() == "whole"
    assert flushed


def test_leftover_of_a_killed_write_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    partial_path(path).write_text("left by a killed process, longer than the new text")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_output_below_a_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a part of this path is a file"):
        write_text(tmp_path / "file" / "report.txt", "x")


def test_full_disk_is_an_error_that_names_the_file_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"

    def run_out_of_space() -> None:
        with atomic_path(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"report\.txt: the disk is full; free some space"):
        run_out_of_space()


def test_a_folder_that_vanishes_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "report.txt"

    def lose_the_folder() -> None:
        with atomic_path(path) as partial:
            path.parent.rmdir()
            partial.write_text("x")

    with pytest.raises(OutputError, match=r"report\.txt: its folder is gone"):
        lose_the_folder()


def test_a_missing_input_is_not_taken_for_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "report.txt") as partial:
        partial.write_text((tmp_path / "input.txt").read_text())


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "metrics.json", {"f1": float("nan")})
    assert list(tmp_path.iterdir()) == []
