"""Candidates for near-duplicates: of each crop the few that are nearest by their descriptors.

They are searched in cells around randomly drawn rows, each row in its two nearest cells: the work grows like n. Only
finding a row's cells grows like n^2, but slowly: one product for every 4,000 pairs of rows.

Memory grows by some 200 bytes a row: descriptors are read from disk where they lie there, a cell at a time, and large
cells block by block; the rest are the numbers of cells, parties and pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Integers, Singles
from static_gesture_classification.preparation.splitting.in_parallel import in_parallel
from static_gesture_classification.row_arrays import Rows, SelectedRows

CANDIDATE = 0.55  # cosine of whitened descriptors
CANDIDATES_PER_ROW = 5
ROWS_PER_CELL = 4000
ROWS_READ_AT_ONCE = 65_536  # of a cell; larger ones are read again and again, block by block
ROWS_AT_ONCE, NEIGHBOURS_AT_ONCE = 256, 8192
ROWS_PER_PARCEL, MOST_PARCELS = 65_536, 256
UNSETTLED = -1  # not settled in a split


@dataclass(frozen=True)
class Parties:
    """Which rows may be paired: those of different `groups` int (n,) that are not `settled` int (n,) in one split."""

    groups: Integers
    settled: Integers

    def may_pair(self, first: Integers, second: Integers) -> npt.NDArray[np.bool_]:
        """Whether rows `first` and `second`, int (m,), may be paired: bool (m,)."""
        apart = (self.settled[first] == UNSETTLED) | (self.settled[first] != self.settled[second])
        return (self.groups[first] != self.groups[second]) & apart

    def asked(self) -> npt.NDArray[np.bool_]:
        """Rows that must be compared with all others: those not settled in the commonest split: bool (n,)."""
        splits, sizes = np.unique(self.settled[self.settled != UNSETTLED], return_counts=True)
        return self.settled != splits[sizes.argmax()] if len(splits) else np.ones(len(self.settled), bool)


@dataclass(frozen=True)
class CandidatePairs:
    """Pairs of rows (first < second), each once, ordered by the second and then the first.

    Args:
        count: number of rows.
        parcels: int (m,) each, ascending: second * count + first.
    """

    count: int
    parcels: list[Integers]

    def __len__(self) -> int:
        return sum(map(len, self.parcels))

    def pieces(self, most: int) -> Iterator[tuple[Integers, Integers]]:
        """The first and the second rows of at most `most` pairs at a time."""
        for keys in self.parcels:
            for start in range(0, len(keys), most):
                piece = keys[start : start + most]
                yield piece % self.count, piece // self.count

    def count_pieces(self, most: int) -> int:
        """How many `pieces` there are."""
        return sum(-(-len(keys) // most) for keys in self.parcels)


def candidate_pairs(descriptors: Singles, parties: Parties, seed: int) -> CandidatePairs:
    """Of each row its nearest rows that it may be paired with.

    Args:
        descriptors: float32 (n, d), of unit length.
        parties: of n rows.
        seed: of the centres of the cells.
    """
    count, asked = len(descriptors), parties.asked()
    few = asked.sum() <= ROWS_PER_CELL
    number = 1 if few else count_cells(count)
    cells = iter([np.arange(count)]) if few else search_cells(descriptors, seed)
    calls = ((descriptors, parties, asked, members) for members in cells)
    width = max(ROWS_PER_PARCEL, -(-count // MOST_PARCELS)) * count  # keys of a parcel
    bounds = np.arange(width, count * count, width)
    parcels: list[list[Integers]] = [[] for _ in range(len(bounds) + 1)]
    for pairs in in_parallel("candidates", _nearest_in_cell, calls, number):
        keys = np.unique(pairs.max(axis=1) * count + pairs.min(axis=1))
        for parcel, part in zip(parcels, np.split(keys, np.searchsorted(keys, bounds)), strict=True):
            parcel.append(part)
    return CandidatePairs(count, [np.unique(np.concatenate(parcels.pop(0))) for _ in range(len(parcels))])


def count_cells(rows: int) -> int:
    """How many cells so many rows are searched in."""
    count = rows // ROWS_PER_CELL
    return count if count >= 3 else 1


def search_cells(descriptors: Singles, seed: int) -> Iterator[Integers]:
    """Row numbers of each cell, ascending; every row is in the cells of its two nearest centres."""
    count = count_cells(len(descriptors))
    if count == 1:
        yield np.arange(len(descriptors))
        return
    chosen = np.random.default_rng(seed).choice(len(descriptors), count, replace=False)
    centres = descriptors[np.sort(chosen)]
    nearest = np.empty((len(descriptors), 2), np.min_scalar_type(count))
    for start in range(0, len(descriptors), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        nearest[part] = np.argpartition(-(descriptors[part] @ centres.T), 1, axis=1)[:, :2]
    order = np.argsort(nearest.ravel(), kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(nearest.ravel(), minlength=count))[:-1]):
        yield members // 2


def _nearest_in_cell(descriptors: Singles, parties: Parties, asked: npt.NDArray[np.bool_], rows: Integers) -> Integers:
    """Pairs (m, 2) of row numbers: each row with its nearest, in blocks of bounded size."""
    own: Rows = descriptors[rows] if len(rows) <= ROWS_READ_AT_ONCE else SelectedRows(descriptors, rows)
    asked = asked[rows]
    groups, settled = parties.groups[rows], parties.settled[rows]
    similarity = np.full((len(rows), CANDIDATES_PER_ROW), CANDIDATE, np.float32)
    nearest = np.full((len(rows), CANDIDATES_PER_ROW), -1, np.int64)
    asking = np.flatnonzero(asked)
    for start in range(0, len(asking), ROWS_AT_ONCE):
        some = asking[start : start + ROWS_AT_ONCE]
        for first in range(0, len(rows), NEIGHBOURS_AT_ONCE):
            cosine = own[some] @ own[first : first + NEIGHBOURS_AT_ONCE].T
            _offer(cosine, some, first, asked, groups, settled, similarity, nearest)
    row, column = np.nonzero(nearest >= 0)
    return np.stack([rows[row], rows[nearest[row, column]]], axis=1)


@numba.njit(cache=True, nogil=True)
def _offer(
    cosine: Any, some: Any, first: int, asked: Any, groups: Any, settled: Any, similarity: Any, nearest: Any
) -> None:
    """Offer the rows `some` those from `first` on as neighbours; and themselves to those that are not asked.

    `cosine` (len(some), k) has their similarities.
    """
    for number in range(len(some)):
        row = some[number]
        for column in range(cosine.shape[1]):
            value = cosine[number, column]
            if value < CANDIDATE:
                continue
            other = first + column
            if groups[row] == groups[other]:
                continue
            if settled[row] != UNSETTLED and settled[row] == settled[other]:
                continue
            _keep(value, other, similarity[row], nearest[row])
            if not asked[other]:
                _keep(value, row, similarity[other], nearest[other])


@numba.njit(cache=True, nogil=True)
def _keep(value: Any, other: int, similarity: Any, nearest: Any) -> None:
    """Put a neighbour in the place of the least similar one, or in an empty place, if it is nearer."""
    least = 0
    for place in range(len(nearest)):
        if nearest[place] < 0:
            least = place
            break
        if similarity[place] < similarity[least]:
            least = place
    if nearest[least] < 0 or value > similarity[least]:
        similarity[least], nearest[least] = value, other
