"""The embedding store: what one checkpoint says about many hands, kept on disk and added to as it is worked out.

    store.json          version, checkpoint (its digest), dimension, gestures (the checkpoint's, in class order)
    embeddings.f16      float16 (n, dimension), row after row
    probabilities.f32   float32 (n, gestures), likewise
    keys.bin            16 bytes a row: which hand it is (its image, the image's contents, its box)

Rows are only ever appended, their keys last, so that a kill at any moment costs the rows of one block: what lies behind
the last key is cut off by the next writer. Half precision halves what has to be read; it changes cosines by less than
0.001.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from static_gesture_classification.atomic_files import explained_write_errors, write_json
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.process_lock import ProcessLock

VERSION = 1
HEADER, KEYS, EMBEDDINGS, PROBABILITIES, LOCK = (
    "store.json",
    "keys.bin",
    "embeddings.f16",
    "probabilities.f32",
    ".lock",
)
KEY = np.dtype("V16")

Half = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class EmbeddingStore:
    """Embeddings and probabilities of one checkpoint, by key.

    Args:
        folder: where it is kept; made where it does not exist.
        checkpoint: the checkpoint's digest.
        dimension: length of an embedding.
        gestures: the checkpoint's gestures.

    Raises:
        DataError: the folder holds embeddings of another checkpoint, or is damaged.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, checkpoint: str, dimension: int, gestures: Sequence[str]) -> None:
        self.folder = folder
        self.dimension, self.classes = dimension, len(gestures)
        header = {
            "version": VERSION,
            "checkpoint": checkpoint,
            "dimension": dimension,
            "gestures": list(gestures),
        }
        if (folder / HEADER).is_file():
            _check(folder / HEADER, header)
        else:
            write_json(folder / HEADER, header)
        self._row_of = {key: row for row, key in enumerate(self._read_keys())}

    def __len__(self) -> int:
        return len(self._row_of)

    def rows(self, keys: Sequence[bytes]) -> Integers:
        """The row of each key, -1 where it is not there: int (n,)."""
        return np.array([self._row_of.get(key, -1) for key in keys], np.int64)

    @property
    def embeddings(self) -> Half:
        """All embeddings, memory-mapped: float16 (rows, dimension)."""
        return self._mapped(EMBEDDINGS, np.float16, self.dimension)

    @property
    def probabilities(self) -> Floats:
        """All probabilities, memory-mapped: float32 (rows, gestures)."""
        return self._mapped(PROBABILITIES, np.float32, self.classes)

    def writer(self) -> StoreWriter:
        """Take the store for writing; see `StoreWriter`."""
        return StoreWriter(self)

    def _mapped(self, name: str, kind: npt.DTypeLike, columns: int) -> npt.NDArray[Any]:
        if not len(self):
            return np.zeros((0, columns), kind)
        return np.memmap(self.folder / name, kind, "r", shape=(len(self), columns))

    def _read_keys(self) -> list[bytes]:
        """The keys whose row is there as a whole."""
        path = self.folder / KEYS
        data = path.read_bytes() if path.is_file() else b""
        whole = min(len(data) // KEY.itemsize, *(self._rows_in(name, size) for name, size in self._row_bytes()))
        return [data[start : start + KEY.itemsize] for start in range(0, whole * KEY.itemsize, KEY.itemsize)]

    def _row_bytes(self) -> list[tuple[str, int]]:
        return [(EMBEDDINGS, 2 * self.dimension), (PROBABILITIES, 4 * self.classes)]

    def _rows_in(self, name: str, row_bytes: int) -> int:
        path = self.folder / name
        return path.stat().st_size // row_bytes if path.is_file() else 0


class StoreWriter:
    """Appends to a store; one process at a time. Use it as a context manager.

    Raises:
        UserError: another process is writing.
        OutputError: read-only folder, full disk; what was added before stays.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        self.store = store
        self._lock = ProcessLock(store.folder / LOCK)

    def __enter__(self) -> StoreWriter:
        if not self._lock.acquire():
            raise UserError(
                f"another command is adding to {self.store.folder}; wait until it is done, then repeat this"
            )
        self.store._row_of = {key: row for row, key in enumerate(self.store._read_keys())}  # it may have grown
        sizes = [*self.store._row_bytes(), (KEYS, KEY.itemsize)]
        with explained_write_errors(self.store.folder):
            self._files = {name: (self.store.folder / name).open("ab") for name, _ in sizes}
            for name, row_bytes in sizes:
                self._files[name].truncate(len(self.store) * row_bytes)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        self._lock.release()

    def add(self, keys: Sequence[bytes], embeddings: Floats, probabilities: Floats) -> None:
        """Append rows, and make them last.

        Args:
            keys: n keys of 16 bytes that are not in the store.
            embeddings: (n, dimension).
            probabilities: (n, gestures).
        """
        limit = np.finfo(np.float16).max
        content = {
            EMBEDDINGS: np.clip(embeddings, -limit, limit).astype("<f2").tobytes(),
            PROBABILITIES: np.ascontiguousarray(probabilities, "<f4").tobytes(),
            KEYS: b"".join(keys),
        }
        with explained_write_errors(self.store.folder):
            for name, data in content.items():  # the keys last
                self._files[name].write(data)
                self._files[name].flush()
                os.fsync(self._files[name].fileno())
        first = len(self.store)
        self.store._row_of.update((key, first + number) for number, key in enumerate(keys))


def _check(path: Path, expected: dict[str, Any]) -> None:
    """Raise `DataError` where a store's header is not the expected one."""
    advice = f"delete {path.parent} and repeat the command; they are then computed anew"
    found = read_json(path, dict[str, Any], advice, ("version", VERSION))
    if found != expected:
        differing = ", ".join(key for key in expected if found.get(key) != expected[key])
        raise DataError(f"{path.parent} holds embeddings of another checkpoint (another {differing}); {advice}")
