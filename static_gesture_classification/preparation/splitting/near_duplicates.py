"""Near-duplicates: crops that show the same moment, found from their pixels.

A re-encoded, resized, brightened or slightly shifted copy is a near-duplicate, and so are neighbouring frames of one
recording. Two people who show the same gesture on a white wall are not. So fine structure is compared after alignment,
in two steps:

1. Candidates. Nearest neighbours by descriptors (`whiten`) are searched in cells around randomly drawn rows, each row
   in its two nearest cells: the work grows like n, not n^2.
2. Verification. The high-pass filtered middle of one crop is searched in the other over shifts and scales
   (`correlation`), first in small, then in full. The pair is a near-duplicate if the best correlation reaches `SAME`.

Pairs that cannot be in two splits are not compared: of one group, or both settled in train, or both in test.
`benchmarks/near_duplicates.py` measures both steps on known subjects and copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles, Integers, Singles
from static_gesture_classification.preparation.splitting.correlation import Band, correlate
from static_gesture_classification.preparation.splitting.crop_source import CropSource
from static_gesture_classification.preparation.splitting.descriptors import grey_of, in_parallel, whiten
from static_gesture_classification.row_arrays import Rows

# Correlation from which two crops show the same moment. Measured on crops of 64 pixels: different people with the same
# gesture reach at most 0.85 (160,905 pairs of close-ups of 154 people), all but the coarsest copies at least 0.9
# (benchmarks/results/near_duplicates.md).
SAME = 0.88

CANDIDATE = 0.55  # cosine of whitened descriptors
CANDIDATES_PER_ROW = 5
ROWS_PER_CELL = 4000
ROWS_AT_ONCE, NEIGHBOURS_AT_ONCE = 256, 8192
PAIRS_AT_ONCE = 256
UNSETTLED = -1  # not settled in a split

COARSE = Band(32, 5, 1.5, (0.93, 1.0, 1.07), 0.7)
FINE = Band(64, 10, 3.0, (0.91, 0.955, 1.0, 1.045, 1.09), SAME)


@dataclass(frozen=True)
class Links:
    """Pairs of near-duplicate rows of different groups: `first` < `second` int (m,), `similarity` float (m,)."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def join(self, other: Links) -> Links:
        """These links and those of `other`, each once, in order."""
        pairs = np.stack(
            [np.concatenate(ends) for ends in ((self.first, other.first), (self.second, other.second))], axis=1
        )
        unique, at = np.unique(pairs, axis=0, return_index=True)
        return Links(unique[:, 0], unique[:, 1], np.concatenate([self.similarity, other.similarity])[at])

    @classmethod
    def none(cls) -> Links:
        """No links at all."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


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


def near_duplicates(
    crops: CropSource | Rows, groups: np.ndarray, seed: int, settled: np.ndarray | None = None
) -> Links:
    """Find near-duplicates across groups.

    Args:
        crops: uint8 (n, size, size, 3); those that are not described yet are read in order, then those that are alike.
        groups: int (n,); pairs within one group are left out.
        seed: of the centres of the search cells.
        settled: int (n,), the split that a row stays in whatever it is linked to, or `UNSETTLED`; pairs settled in
            one split are left out.
    """
    if len(np.unique(groups)) < 2:
        return Links.none()
    parties = Parties(groups.astype(np.int64), np.full(len(groups), UNSETTLED) if settled is None else settled)
    crops = CropSource.of(crops)
    facts = crops.facts()
    copies = find_identical(facts.digests[:], parties)
    first, second = candidate_pairs(whiten(facts.gradients, seed), parties, seed)
    for pictures, band in ((facts.thumbnails, COARSE), (crops, FINE)):
        similarity = verify(pictures, first, second, band)
        same = similarity >= band.least
        first, second, similarity = first[same], second[same], similarity[same]
    return copies.join(Links(first, second, similarity))


def find_identical(digests: npt.NDArray[np.uint64], parties: Parties) -> Links:
    """Link every crop to the first that is the same byte for byte, settled in each split and open; not blank ones.

    The search for candidates looks only at a few neighbours of each row, and would miss some of many copies.
    """
    _, number = np.unique(digests, return_inverse=True)
    rows, pairs = np.arange(len(digests)), [np.zeros((0, 2), np.int64)]
    for split in np.unique(parties.settled):
        own = np.flatnonzero(parties.settled == split)
        first = np.full(number.max() + 1, -1)
        first[number[own[::-1]]] = own[::-1]
        copied = np.flatnonzero((first[number] >= 0) & (digests != 0))
        copied = copied[parties.may_pair(first[number[copied]], rows[copied])]
        pairs.append(np.sort(np.stack([first[number[copied]], copied], axis=1), axis=1))
    unique = np.unique(np.concatenate(pairs), axis=0)
    return Links(unique[:, 0], unique[:, 1], np.ones(len(unique)))


def candidate_pairs(descriptors: Singles, parties: Parties, seed: int) -> tuple[Integers, Integers]:
    """For each row its nearest rows that it may be paired with, as pairs (first < second), each once, in order."""
    asked = parties.asked()
    few = asked.sum() <= ROWS_PER_CELL
    members = [np.arange(len(descriptors))] if few else search_cells(descriptors, seed)
    cells = [(descriptors, parties, asked, each) for each in members]
    count = len(descriptors)
    found = [
        pairs.min(axis=1) * count + pairs.max(axis=1) for pairs in in_parallel("candidates", _nearest_in_cell, cells)
    ]
    keys = np.unique(np.concatenate(found))
    return keys // count, keys % count


def verify(pictures: Rows, first: Integers, second: Integers, band: Band) -> Doubles:
    """Best correlation of each pair over shifts and scales, rounded to four decimals: float (m,).

    Args:
        pictures: uint8 (n, size, size, 3) RGB or (n, size, size) grey.
        first, second: int (m,), rows of `pictures`.
        band: where to look.
    """
    order = np.lexsort((first, second))
    pieces = [order[start : start + PAIRS_AT_ONCE] for start in range(0, len(order), PAIRS_AT_ONCE)]
    calls = [(pictures, first[piece], second[piece], band) for piece in pieces]
    similarity = np.zeros(len(first))
    found = in_parallel(f"comparison at {band.side} x {band.side} pixels", _correlate_rows, calls)
    for piece, best in zip(pieces, found, strict=True):
        similarity[piece] = np.round(best.astype(np.float64), 4)
    return similarity


def _correlate_rows(pictures: Rows, first: Integers, second: Integers, band: Band) -> Singles:
    rows, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    chosen = pictures[rows]
    greys = grey_of(chosen) if chosen.ndim == 4 else chosen.astype(np.float32)
    return correlate(greys, at[: len(first)], at[len(first) :], band)


def search_cells(descriptors: Singles, seed: int) -> Iterator[Integers]:
    """Row numbers of each cell, ascending; every row is in the cells of its two nearest centres."""
    count = max(1, len(descriptors) // ROWS_PER_CELL)
    if count < 3:
        yield np.arange(len(descriptors))
        return
    chosen = np.random.default_rng(seed).choice(len(descriptors), count, replace=False)
    centres = descriptors[np.sort(chosen)]
    nearest = np.concatenate(
        [
            np.argpartition(-(descriptors[start : start + ROWS_AT_ONCE] @ centres.T), 1, axis=1)[:, :2]
            for start in range(0, len(descriptors), ROWS_AT_ONCE)
        ]
    )
    order = np.argsort(nearest.ravel(), kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(nearest.ravel(), minlength=count))[:-1]):
        yield members // 2


def _nearest_in_cell(descriptors: Singles, parties: Parties, asked: npt.NDArray[np.bool_], rows: Integers) -> Integers:
    """Pairs (m, 2) of row numbers: each row with its nearest, in blocks of bounded size."""
    own, asked = descriptors[rows], asked[rows]
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
