"""Arrays of which rows are read when they are asked for."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.free_memory import free_memory


class Rows(Protocol):
    """An array with a row for each hand, or an object that can be indexed like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


@dataclass(frozen=True)
class SelectedRows:
    """Some rows of an array."""

    array: Rows
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.array[self.rows[rows]]


@dataclass(frozen=True)
class JoinedRows:
    """The rows of two arrays, one after the other."""

    first: Rows
    second: Rows

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: Any) -> np.ndarray:
        rows = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        early = rows < len(self.first)
        if early.all():
            return self.first[rows]
        late = self.second[rows[~early] - len(self.first)]
        result = np.empty((len(rows), *late.shape[1:]), late.dtype)
        result[early], result[~early] = self.first[rows[early]], late
        return result


class ScatteredRows:
    """Rows of a memory-mapped array, read here and there: those of one call are asked of the disk at the same time.

    The system else reads up to some MiB around each row, and one row after the other.

    Args:
        array: (n, ...), mapped from a file.
    """

    def __init__(self, array: np.ndarray) -> None:
        file = mapped_file(array)
        assert file is not None
        expect_single_rows(array)
        self.array, self._file = array, file
        self._start = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
        self._bytes = array.dtype.itemsize * int(np.prod(array.shape[1:]))

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            starts = self._start + rows.astype(np.int64) % len(self.array) * self._bytes
            for start, page in zip(starts.tolist(), (starts // mmap.PAGESIZE * mmap.PAGESIZE).tolist(), strict=True):
                self._file.madvise(mmap.MADV_WILLNEED, page, start - page + self._bytes)
        return self.array[rows]


def read_scattered(array: np.ndarray) -> Rows:
    """An array whose rows will be read in random order, in the way that is fastest.

    Where memory takes all of a file, that is the system's: after the first rows it has read the rest.
    """
    file = mapped_file(array)
    if file is None or not len(array) or len(file) <= free_memory() or not hasattr(mmap, "MADV_WILLNEED"):
        return array
    return ScatteredRows(array)


def array_on_disk(blocks: Iterable[np.ndarray], folder: Path) -> np.ndarray:
    """Blocks of rows (n, ...), at least one, as one array that is read from a file without a name.

    The file is gone when the array is, or the process.

    Raises:
        OutputError: the folder cannot be written, the disk is full.
    """
    rows = 0
    with explain_write_errors(folder), tempfile.TemporaryFile(dir=folder) as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
            rows += len(block)
        file.flush()
        return np.memmap(file, block.dtype, "r", shape=(rows, *block.shape[1:])).view(np.ndarray)


def expect_single_rows(rows: Any) -> None:
    """Tell the system that single rows of a memory-mapped array are read, here and there, and no neighbours of them.

    Else it reads up to 2 MiB around each row that is not in memory yet. Other arrays are left alone.
    """
    if hasattr(mmap, "MADV_RANDOM"):  # Linux and macOS
        for file in mapped_files(rows):
            file.madvise(mmap.MADV_RANDOM)


def give_back(*arrays: Any) -> None:
    """Take what was read of memory-mapped arrays out of the process's memory; the system's cache keeps it for now.

    Other arrays are left alone.
    """
    if hasattr(mmap, "MADV_DONTNEED"):  # Linux and macOS
        for file in (file for array in arrays for file in mapped_files(array)):
            file.madvise(mmap.MADV_DONTNEED)


def mapped_files(rows: Any) -> list[mmap.mmap]:
    """The mapped files that an array, or what reads rows of some, is a view of."""
    if isinstance(rows, JoinedRows):
        return [*mapped_files(rows.first), *mapped_files(rows.second)]
    if hasattr(rows, "array"):
        return mapped_files(rows.array)
    file = mapped_file(rows)
    return [] if file is None else [file]


def mapped_file(rows: Any) -> mmap.mmap | None:
    """The mapped file that an array, or what reads rows of it by its attribute `array`, is a view of."""
    while hasattr(rows, "array"):
        rows = rows.array
    while isinstance(rows, np.ndarray):
        rows = rows.base
    return rows if isinstance(rows, mmap.mmap) else None
