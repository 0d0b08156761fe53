"""Arrays of which rows are read when they are asked for."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


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


def expect_single_rows(rows: Any) -> None:
    """Tell the system that single rows of a memory-mapped array are read, here and there, and no neighbours of them.

    Else it reads up to 2 MiB around each row that is not in memory yet. Other arrays are left alone.
    """
    file = mapped_file(rows)
    if file is not None and hasattr(mmap, "MADV_RANDOM"):  # Linux and macOS
        file.madvise(mmap.MADV_RANDOM)


def mapped_file(rows: Any) -> mmap.mmap | None:
    """The mapped file that an array, or what reads rows of it by its attribute `array`, is a view of."""
    while hasattr(rows, "array"):
        rows = rows.array
    while isinstance(rows, np.ndarray):
        rows = rows.base
    return rows if isinstance(rows, mmap.mmap) else None
