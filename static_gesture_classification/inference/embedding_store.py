"""The embedding store: one checkpoint's embeddings and probabilities of many hands, on disk.

    store.json          version, checkpoint (its digest), dimension, gestures (the checkpoint's, in class order)
    embeddings.f16      float16 (n, dimension), row after row
    probabilities.f32   float32 (n, gestures), likewise
    keys.bin            16 bytes a row: the key of the hand (its image, the image's contents, its box)

See `keyed_store`. Halves precision halves the data to read, and changes cosines by less than 0.001.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.arrays import Halves, Integers, Singles
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.keyed_store import KEY, KeyedStore
from static_gesture_classification.process_lock import ProcessLock

EMBEDDINGS_VERSION = 1
STORE_HEADER, EMBEDDINGS, PROBABILITIES, STORE_LOCK = "store.json", "embeddings.f16", "probabilities.f32", ".lock"


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
        self._columns = {
            EMBEDDINGS: np.dtype(("<f2", (dimension,))),
            PROBABILITIES: np.dtype(("<f4", (len(gestures),))),
        }
        header = {
            "version": EMBEDDINGS_VERSION,
            "checkpoint": checkpoint,
            "dimension": dimension,
            "gestures": list(gestures),
        }
        if (folder / STORE_HEADER).is_file():
            _check(folder / STORE_HEADER, header)
        else:
            write_json(folder / STORE_HEADER, header)
        self._store = KeyedStore(folder, self._columns)

    def __len__(self) -> int:
        return len(self._store)

    def rows(self, keys: Sequence[bytes]) -> Integers:
        """The row of each key, -1 if it is missing: int (n,)."""
        return self._store.find(np.array(keys, KEY))

    @property
    def embeddings(self) -> Halves:
        """All embeddings, memory-mapped: float16 (rows, dimension)."""
        return self._store.column(EMBEDDINGS)

    @property
    def probabilities(self) -> Singles:
        """All probabilities, memory-mapped: float32 (rows, gestures)."""
        return self._store.column(PROBABILITIES)

    @contextmanager
    def writer(self) -> Iterator[EmbeddingStore]:
        """Lock the store for writing.

        Raises:
            UserError: another command is writing.
            OutputError: read-only folder, full disk; rows added before stay.
        """
        lock = ProcessLock(self.folder / STORE_LOCK)
        if not lock.acquire():
            raise UserError(f"another command is adding to {self.folder}; wait until it is done, then repeat this")
        try:
            self._store = KeyedStore(self.folder, self._columns)  # it may have grown
            yield self
        finally:
            lock.release()

    def add(self, keys: Sequence[bytes], embeddings: Singles, probabilities: Singles) -> None:
        """Append rows and write them to disk; within `writer`.

        Args:
            keys: n keys of 16 bytes that are not in the store.
            embeddings: (n, dimension).
            probabilities: (n, gestures).
        """
        limit = np.finfo(np.float16).max
        halves = np.clip(embeddings, -limit, limit)
        self._store.add(np.array(keys, KEY), {EMBEDDINGS: halves, PROBABILITIES: probabilities})


def _check(path: Path, expected: dict[str, Any]) -> None:
    """Raise `DataError` where a store's header is not the expected one."""
    advice = f"delete {path.parent} and repeat the command; they are then computed anew"
    found = read_json(path, dict[str, Any], advice, ("version", EMBEDDINGS_VERSION))
    if found != expected:
        differing = ", ".join(key for key in expected if found.get(key) != expected[key])
        raise DataError(f"{path.parent} holds embeddings of another checkpoint (another {differing}); {advice}")
