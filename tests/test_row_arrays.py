"""Arrays of which rows are read when they are asked for."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification import row_arrays
from static_gesture_classification.row_arrays import (
    JoinedRows,
    ScatteredRows,
    SelectedRows,
    array_on_disk,
    give_back,
    read_scattered,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def stored(tmp_path: Path) -> np.ndarray:
    """16 MiB in 1,024 rows, memory-mapped."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).integers(0, 256, (1024, 128, 128), np.uint8))
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


def test_a_file_larger_than_memory_is_read_row_by_row_and_a_smaller_one_as_it_is(
    stored: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_scattered(stored) is stored
    assert isinstance(read_scattered(np.ones(3)), np.ndarray)
    monkeypatch.setattr(row_arrays, "free_memory", lambda: 0)
    rows, expected = read_scattered(stored), np.array(stored)
    assert isinstance(rows, ScatteredRows)
    for wanted in (np.array([1023, 5, 5, -1]), slice(3, 7), 8, np.zeros(0, np.int64)):
        assert np.array_equal(rows[wanted], expected[wanted])
    assert len(rows) == 1024


@linux
def test_of_a_file_larger_than_memory_little_more_is_read_than_the_rows(stored: np.ndarray) -> None:
    rows = ScatteredRows(stored)
    with Path(stored.filename).open("rb") as file:  # type: ignore[attr-defined]
        os.fsync(file.fileno())
        give_back(stored)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = bytes_from_disk()
    assert rows[np.array([900, 100, 500])].shape == (3, 128, 128)
    assert bytes_from_disk() - before < 3 * 2**16


def bytes_from_disk() -> int:
    return int(re.search(r"^read_bytes: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)[1])  # type: ignore[index]


def test_blocks_on_disk_are_one_array_whose_file_nobody_sees(tmp_path: Path) -> None:
    blocks = [np.full((3, 2), 1.5, np.float32), np.arange(8, dtype=np.float32).reshape(4, 2)]
    array = array_on_disk(iter(blocks), tmp_path)
    assert np.array_equal(array, np.concatenate(blocks))
    assert array.dtype == np.float32
    assert not list(tmp_path.iterdir())


@linux
def test_what_was_read_is_given_back_through_whatever_selects_and_joins_rows(stored: np.ndarray) -> None:
    joined = JoinedRows(np.zeros((1, 128, 128), np.uint8), SelectedRows(stored, np.arange(1024)))
    assert joined[:].any()
    assert resident(stored) > 8 * 2**20
    give_back(joined, np.ones(3))
    assert resident(stored) == 0
    assert np.array_equal(joined[np.array([5])][0], stored[4])


def resident(array: np.ndarray) -> int:
    """Bytes of a mapped file in this process's memory."""
    name = re.escape(Path(array.filename).name)  # type: ignore[attr-defined]
    maps = Path("/proc/self/smaps").read_text()
    return 1024 * int(re.search(rf"{name}\n.*?^Rss:\s+(\d+) kB", maps, re.DOTALL | re.MULTILINE)[1])  # type: ignore[index]
