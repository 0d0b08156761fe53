"""A cache of extracted landmarks, so that no hand is looked for twice.

The key of a row is a hash of the image's contents, the box and the detector's settings. Each row has a checksum: a
damaged one is extracted anew.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from static_gesture_classification.keyed_store import KeyedStore, Keys
from static_gesture_classification.samples import LANDMARK_COUNT

CACHE_FOLDER, CACHE_ROWS = "extracted", "landmarks.bin"
EXTRACTED = np.dtype([("landmarks", "<f4", (LANDMARK_COUNT, 2)), ("checksum", "<u4")])


class ExtractedLandmarks:
    """The landmarks kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._store = KeyedStore(folder / CACHE_FOLDER, {CACHE_ROWS: EXTRACTED})

    def find(self, keys: Keys) -> tuple[np.ndarray, np.ndarray]:
        """Look up hands by their keys V16 (n,).

        Returns:
            bool (n,), whether the hand is in the cache; float32 (n, 21, 2), its normalised landmarks, NaN where no hand
            was found or the hand is not in the cache.
        """
        rows = self._store.find(keys)
        landmarks = np.full((len(keys), LANDMARK_COUNT, 2), np.nan, np.float32)
        there = np.flatnonzero(rows >= 0)
        kept = self._store.column(CACHE_ROWS)[rows[there]]
        whole = kept["checksum"] == _checksums(keys[there], kept["landmarks"])
        landmarks[there[whole]] = kept["landmarks"][whole]
        return np.isin(np.arange(len(keys)), there[whole]), landmarks

    def add(self, keys: Keys, landmarks: np.ndarray) -> None:
        """Add landmarks float32 (n, 21, 2), NaN where no hand was found.

        Raises:
            UserError, OutputError: the folder cannot be written; see `KeyedStore.add`.
        """
        records = np.zeros(len(keys), EXTRACTED)
        records["landmarks"], records["checksum"] = landmarks, _checksums(keys, landmarks)
        self._store.add(keys, {CACHE_ROWS: records})


def _checksums(keys: Keys, landmarks: np.ndarray) -> np.ndarray:
    rows = zip(keys, np.ascontiguousarray(landmarks, "<f4"), strict=True)
    return np.array([zlib.crc32(key.tobytes() + marks.tobytes()) for key, marks in rows], np.uint32)
