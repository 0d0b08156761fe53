"""Rows by key, kept on disk: results that take long are computed once.

    keys.bin     16 bytes a row: a hash of everything that the row depends on
    and one file for each column, row after row

Rows are appended in blocks, the keys of a block last. A kill costs the rows of one block: the next block overwrites an
unfinished one. The last row of a key counts. Several commands may add to one store: a lock guards each block.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Integers
from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.errors import UserError
from static_gesture_classification.process_lock import ProcessLock

KEYS, APPEND_LOCK = "keys.bin", ".appending.lock"
KEY = np.dtype("V16")
LEAST_INDEXED = 1 << 14  # added rows, from which on they are indexed
LONGEST_WAIT = 30.0  # seconds for the lock; writing a block takes milliseconds

Keys = npt.NDArray[np.void]


def digest(data: bytes) -> bytes:
    """A key of 16 bytes: the hash of everything that a row depends on."""
    return hashlib.blake2b(data, digest_size=KEY.itemsize).digest()


class KeyIndex:
    """Finds keys in an array V16 (n,); of equal ones the last."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._order = np.argsort(_numbers(keys), kind="stable")
        self._sorted = _numbers(keys)[self._order]

    def find(self, wanted: Keys) -> Integers:
        """Positions of the keys `wanted` V16 (k,): int (k,), -1 for absent ones."""
        if not len(self.keys):
            return np.full(len(wanted), -1)
        place = np.searchsorted(self._sorted, _numbers(wanted), side="right") - 1
        position = self._order[place.clip(min=0)]
        return np.where(self.keys[position] == wanted, position, -1)


class KeyedStore:
    """A store in a folder.

    Args:
        folder: created with the first rows.
        columns: file name -> type of an entry, such as `numpy.dtype(("<f4", (21, 2)))`. A column of another type needs
            another name.
    """

    def __init__(self, folder: Path, columns: Mapping[str, np.dtype[Any]]) -> None:
        self.folder = folder
        self._types = {**columns, KEYS: KEY}
        self._rows = self._rows_on_disk()
        self._index = KeyIndex(np.array(self.column(KEYS)))
        self._added: dict[bytes, int] = {}

    def __len__(self) -> int:
        return self._rows

    def find(self, keys: Keys) -> Integers:
        """The row of each key V16 (n,): int (n,), -1 for absent ones."""
        rows = self._index.find(keys)
        if self._added:
            rows = np.array([self._added.get(k.tobytes(), row) for k, row in zip(keys, rows, strict=True)], np.int64)
        return rows

    def column(self, name: str) -> npt.NDArray[Any]:
        """All rows of a column, memory-mapped."""
        if not self._rows:
            return np.zeros(0, self._types[name])
        return np.memmap(self.folder / name, self._types[name], "r", shape=(self._rows,))

    def add(self, keys: Keys, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append rows and flush them to the disk.

        Args:
            keys: V16 (n,).
            columns: n entries of each column.

        Raises:
            UserError: the store is locked by another command.
            OutputError: read-only folder, full disk; earlier rows stay.
        """
        if not len(keys):
            return
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _hold_lock(self.folder / APPEND_LOCK):
                first = self._rows_on_disk()
                for name, kind in self._types.items():  # the keys last
                    values = keys if name == KEYS else columns[name]
                    with (self.folder / name).open("ab") as file:
                        file.truncate(first * kind.itemsize)
                        file.write(np.ascontiguousarray(values, kind.base).tobytes())
                        file.flush()
                        os.fsync(file.fileno())
        self._added.update((key.tobytes(), first + number) for number, key in enumerate(keys))
        self._rows = first + len(keys)
        if len(self._added) > max(LEAST_INDEXED, len(self._index.keys)):  # an index takes a tenth of the memory
            self._index, self._added = KeyIndex(np.array(self.column(KEYS))), {}

    def _rows_on_disk(self) -> int:
        """The number of whole rows."""
        files = [(self.folder / name, kind.itemsize) for name, kind in self._types.items()]
        return min(path.stat().st_size // size if path.is_file() else 0 for path, size in files)


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    lock, start = ProcessLock(path), time.monotonic()
    while not lock.acquire():
        if time.monotonic() - start > LONGEST_WAIT:
            raise UserError(
                f"{path.parent} is locked by another command, or its file system has no locks; end the other command, "
                "or let the configuration name another folder for it"
            )
        time.sleep(0.01)
    try:
        yield
    finally:
        lock.release()


def _numbers(keys: Keys) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each key as a number, for sorting."""
    return np.ascontiguousarray(keys).view("<u8")[::2]
