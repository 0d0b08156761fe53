"""Keeps the resident memory flat while training reads memory-mapped arrays, however large.

A page of such an array that was read counts as the process's memory until the system takes it back, which it does only
when memory is short. So a training seems to grow to the size of its data, and a limit (a container's, a cluster's)
ends it. Here pages are given back after every so many bytes. The system still keeps them as cache while it has room, so
that reading them again costs no disk access.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import pyarrow as pa

from static_gesture_classification.row_arrays import mapped_file

LIMIT = 512 * 2**20  # bytes that may be resident before they are given back; arrays no larger than that stay
AROUND = 2 * 2**20  # bytes that the system may make resident where one is read: a huge page
_CAN_GIVE_BACK = hasattr(mmap, "MADV_DONTNEED")  # Linux and macOS


class MappedMemory:
    """The memory of some arrays; those that are not mapped from files are left alone.

    Args:
        arrays: arrays, objects that read rows of one by their attribute `array`, or None.
        limit: bytes that may be resident.
    """

    def __init__(self, *arrays: Any, limit: int = LIMIT) -> None:
        files = [file for file in map(mapped_file, arrays) if file is not None]
        self._files = [file for file in files if _CAN_GIVE_BACK and len(file) > limit]
        self._most_rows = limit // AROUND
        self._read = 0

    def note(self, rows: int) -> None:
        """Note that so many rows were read, and give pages back if they are many by now."""
        self._read += rows
        if self._read >= self._most_rows:
            self.give_back()

    def give_back(self) -> None:
        """Give all pages back."""
        self._read = 0
        for file in self._files:
            file.madvise(mmap.MADV_DONTNEED)


def release_freed_memory() -> None:
    """Give the system back what was freed, which the C library and Arrow keep for later.

    To open the table of a million hands takes twice the memory that it has afterwards.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)
