"""Near-duplicates: crops that show the same moment, found from their pixels.

A re-encoded, resized, brightened or slightly shifted copy is a near-duplicate, and so are neighbouring frames of one
recording. Two people who show the same gesture on a white wall are not. So fine structure is compared after alignment,
in two steps:

1. Candidates. Nearest neighbours by descriptors (`candidates`).
2. Comparison. The high-pass filtered middle of one crop is searched in the other over shifts and scales
   (`correlation`), first in small, then in full. The pair is a near-duplicate if the best correlation reaches `SAME`.

Pairs that cannot be in two splits are not compared: of one group, or both settled in train, or both in test.
Crops, and what is kept of them, are read piece by piece and given back, so that memory grows by the candidates' few
numbers alone. `benchmarks/near_duplicates.py` measures both steps on known subjects and copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles, Integers
from static_gesture_classification.preparation.splitting.candidates import (
    UNSETTLED,
    CandidatePairs,
    Parties,
    candidate_pairs,
)
from static_gesture_classification.preparation.splitting.correlation import Band, correlate
from static_gesture_classification.preparation.splitting.crop_source import CropSource
from static_gesture_classification.preparation.splitting.descriptors import grey_of
from static_gesture_classification.preparation.splitting.in_parallel import in_parallel
from static_gesture_classification.preparation.splitting.whitening import whiten
from static_gesture_classification.row_arrays import Rows, give_back

__all__ = ["UNSETTLED", "Links", "near_duplicates"]

# Correlation from which two crops show the same moment. Measured on crops of 64 pixels: different people with the same
# gesture reach at most 0.85 (160,905 pairs of close-ups of 154 people), all but the coarsest copies at least 0.9
# (benchmarks/results/near_duplicates.md).
SAME = 0.88

PAIRS_AT_ONCE = 256
PIECES_KEPT = 128  # after which the pages of crops and thumbnails are given back

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

    Raises:
        OutputError: the disk is full.
    """
    if len(np.unique(groups)) < 2:
        return Links.none()
    parties = Parties(groups.astype(np.int64), np.full(len(groups), UNSETTLED) if settled is None else settled)
    crops = CropSource.of(crops)
    facts = crops.facts()
    copies = find_identical(facts.digests[:], parties)
    pairs = candidate_pairs(whiten(facts.gradients, seed, crops.scratch()), parties, seed)
    return copies.join(compare_pairs(pairs, facts.thumbnails, crops))


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


def compare_pairs(pairs: CandidatePairs, thumbnails: Rows, crops: Rows) -> Links:
    """The near-duplicates among pairs.

    Args:
        pairs: of n rows.
        thumbnails: uint8 (n, size, size), grey; pairs that differ in them are not looked at in full.
        crops: uint8 (n, size, size, 3).
    """
    calls = ((thumbnails, crops, first, second) for first, second in pairs.pieces(PAIRS_AT_ONCE))
    found = [Links.none()]
    for number, links in enumerate(in_parallel("comparison", _compare, calls, pairs.count_pieces(PAIRS_AT_ONCE))):
        if len(links):
            found.append(links)
        if number % PIECES_KEPT == 0:
            give_back(thumbnails, crops)
    columns = ([links.first for links in found], [links.second for links in found], [one.similarity for one in found])
    return Links(*map(np.concatenate, columns))


def _compare(thumbnails: Rows, crops: Rows, first: Integers, second: Integers) -> Links:
    similarity = np.ones(len(first))
    for pictures, band in ((thumbnails, COARSE), (crops, FINE)):
        similarity = similarity_of(pictures, first, second, band)
        same = similarity >= band.least
        first, second, similarity = first[same], second[same], similarity[same]
        if not len(first):
            break
    return Links(first, second, similarity)


def similarity_of(pictures: Rows, first: Integers, second: Integers, band: Band) -> Doubles:
    """Best correlation of each pair over shifts and scales, rounded to four decimals: float (m,).

    Args:
        pictures: uint8 (n, size, size, 3) RGB or (n, size, size) grey.
        first, second: int (m,), rows of `pictures`; faster where equal ones of `second` follow each other.
        band: where to look.
    """
    rows, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    chosen = pictures[rows]
    greys = grey_of(chosen) if chosen.ndim == 4 else chosen.astype(np.float32)
    best = correlate(greys, at[: len(first)], at[len(first) :], band)
    rounded: Doubles = best.astype(np.float64).round(4)
    return rounded
