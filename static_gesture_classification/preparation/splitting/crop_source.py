"""Crops with what is kept of each to find near-duplicates, on disk where it is known what they were cut from.

What is kept lies beside the crops, by a hash of everything that a crop depends on and of the code that describes it. So
the split, the quick loop and mining describe each crop once, whichever comes first, and map the rest from disk: 1.5 KiB
a crop, an eighth of a crop of 64 pixels. The folder may be deleted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.arrays import Integers
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.keyed_store import KeyedStore, Keys
from static_gesture_classification.preparation.splitting import descriptors
from static_gesture_classification.preparation.splitting.descriptors import (
    GRADIENTS,
    THUMBNAIL_SIDE,
    CropFacts,
    describe_crops,
    describe_in_order,
)
from static_gesture_classification.row_arrays import JoinedRows, Rows, SelectedRows, expect_single_rows

DIGESTS, THUMBNAILS, GRADIENT_ROWS = "digests.u8", "thumbnails.u1", "gradients.f4"
KEPT_COLUMNS: dict[str, np.dtype[Any]] = {
    DIGESTS: np.dtype("<u8"),
    THUMBNAILS: np.dtype(("u1", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))),
    GRADIENT_ROWS: np.dtype(("<f4", (GRADIENTS,))),
}
PIECES_PER_WRITE = 32


class CropSource:
    """n crops, read when they are asked for, and what is kept of them.

    Args:
        crops: uint8 (n, size, size, 3).
        keys: V16 (n,), a hash of what each crop depends on; None: unknown.
        folders: where to look for what is kept; what is new is added to the first, unless it cannot be written.
    """

    def __init__(self, crops: Rows, keys: Keys | None = None, *folders: Path) -> None:
        self._crops, self._keys, self._folders = crops, keys, folders

    @classmethod
    def of(cls, crops: CropSource | Rows) -> CropSource:
        """Crops in memory as a source; a source as it is."""
        return crops if isinstance(crops, CropSource) else cls(crops)

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._crops[rows]

    @property
    def array(self) -> Rows:
        """The crops alone."""
        return self._crops

    @property
    def size(self) -> int:
        """The side of a crop, in pixels."""
        return int(self._crops[:1].shape[1])

    def take(self, rows: Integers) -> CropSource:
        """Some of the crops, in another order."""
        keys = None if self._keys is None else self._keys[rows]
        return CropSource(SelectedRows(self._crops, rows), keys, *self._folders)

    def facts(self) -> CropFacts:
        """What is kept of the crops; those that are not described yet are read.

        Raises:
            OutputError: the disk is full. UserError: another command keeps the folder locked.
        """
        if self._keys is None or not self._may_keep():
            found = describe_crops(self._crops)
        else:
            found = _kept_facts(self._crops, self._keys, [folder / _maker() for folder in self._folders])
        expect_single_rows(self._crops)  # of those that are alike
        return found

    def scratch(self) -> Path | None:
        """A folder for what a search keeps on disk meanwhile; None where nothing is kept on disk."""
        return self._folders[0].parent if self._may_keep() else None

    def _may_keep(self) -> bool:
        return self._keys is not None and bool(self._folders) and os.access(self._folders[0].parent, os.W_OK)


class JoinedCrops(CropSource):
    """Two sources, one after the other."""

    def __init__(self, first: CropSource, second: CropSource) -> None:
        super().__init__(JoinedRows(first, second))
        self._parts = first, second

    def facts(self) -> CropFacts:
        """See `CropSource.facts`."""
        first, second = (part.facts() for part in self._parts)
        return CropFacts(
            np.concatenate([first.digests[:], second.digests[:]]),
            JoinedRows(first.thumbnails, second.thumbnails),
            JoinedRows(first.gradients, second.gradients),
        )

    def scratch(self) -> Path | None:
        """See `CropSource.scratch`."""
        return self._parts[0].scratch()


def _kept_facts(crops: Rows, keys: Keys, folders: Sequence[Path]) -> CropFacts:
    stores = [KeyedStore(folder, KEPT_COLUMNS) for folder in folders]
    missing = np.flatnonzero(_find(stores, keys) < 0)
    waiting: list[tuple[Integers, CropFacts]] = []
    for piece in describe_in_order(crops, missing):
        waiting.append(piece)
        if len(waiting) == PIECES_PER_WRITE:
            _keep(stores[0], keys, waiting)
    _keep(stores[0], keys, waiting)
    rows = _find(stores, keys)
    return CropFacts(*(SelectedRows(_column(stores, name), rows) for name in KEPT_COLUMNS))


def _find(stores: Sequence[KeyedStore], keys: Keys) -> Integers:
    """The row of each key in the stores, one after the other: int (n,), -1 where none has it."""
    rows, before = np.full(len(keys), -1), 0
    for store in stores:
        found = store.find(keys)
        rows = np.where((rows < 0) & (found >= 0), before + found, rows)
        before += len(store)
    return rows


def _column(stores: Sequence[KeyedStore], name: str) -> Rows:
    """A column of all stores, memory-mapped."""
    first, *others = [store.column(name) for store in stores]
    joined: Rows = first
    for column in others:
        joined = JoinedRows(joined, column)
    for column in (first, *others) if name == THUMBNAILS else ():
        expect_single_rows(column)
    return joined


def _keep(store: KeyedStore, keys: Keys, pieces: list[tuple[Integers, CropFacts]]) -> None:
    """Write what was found out about some rows; `pieces` is empty afterwards."""
    if not pieces:
        return
    facts = [found for _, found in pieces]
    columns = {
        DIGESTS: np.concatenate([found.digests[:] for found in facts]),
        THUMBNAILS: np.concatenate([found.thumbnails[:] for found in facts]),
        GRADIENT_ROWS: np.concatenate([found.gradients[:] for found in facts]),
    }
    store.add(keys[np.concatenate([rows for rows, _ in pieces])], columns)
    pieces.clear()


def _maker() -> str:
    """The code that describes crops: 16 hex digits."""
    return code_digest([Path(descriptors.__file__)])[:16]
