"""Near-duplicates: crops that show the same moment, found from their pixels.

A re-encoded, resized, brightened or slightly shifted copy is a near-duplicate, and so are neighbouring frames of one
recording. Two people who show the same gesture on a white wall are not. So fine structure is compared after alignment,
in two steps:

1. Candidates. A histogram of oriented gradients (4 x 4 cells, 8 directions; Dalal and Triggs, CVPR 2005) is reduced to
   64 whitened principal components, which removes the structure that all hands share. Nearest neighbours are searched
   in cells around randomly drawn rows, each row in its two nearest cells: the work grows like n, not n^2.
2. Verification. The high-pass filtered middle of one crop is searched in the other over shifts and scales. The pair is
   a near-duplicate if the best normalised correlation reaches `SAME`.

`benchmarks/near_duplicates.py` measures both steps on known subjects and copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import joblib
import numpy as np
from scipy import fft

from static_gesture_classification.terminal import progress_bar

# Correlation from which two crops show the same moment. Measured on crops of 64 pixels: different people with the same
# gesture reach at most 0.85 (160,905 pairs of close-ups of 154 people), all but the coarsest copies at least 0.9
# (benchmarks/results/near_duplicates.md).
SAME = 0.88

CELLS, DIRECTIONS, COMPONENTS = 4, 8, 64
GRADIENT_SIDE = 48
CANDIDATE = 0.55  # cosine of whitened descriptors
CANDIDATES_PER_ROW = 5
ROWS_PER_CELL = 4000
FIT_ROWS = 20_000
CROPS_AT_ONCE = 1024
BLANK = 8  # grey levels between the darkest and the brightest value

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Band:
    """A resolution of the verification: side and searched rim in pixels, high-pass sigma, scales, least correlation."""

    side: int
    rim: int
    sigma: float
    scales: tuple[float, ...]
    least: float


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


def near_duplicates(crops: np.ndarray, groups: np.ndarray, seed: int) -> Links:
    """Find near-duplicates across groups.

    Args:
        crops: uint8 (n, size, size, 3), may be memory-mapped; read in order, in chunks.
        groups: int (n,); pairs within one group are left out.
        seed: of the centres of the search cells.
    """
    if len(np.unique(groups)) < 2:
        return Links.none()
    copies = find_identical(crops, groups)
    descriptors = describe_crops(crops, seed)
    first, second = candidate_pairs(descriptors, groups, seed)
    for band in (COARSE, FINE):
        similarity = verify(crops, first, second, band)
        same = similarity >= band.least
        first, second, similarity = first[same], second[same], similarity[same]
    return copies.join(Links(first, second, similarity))


def find_identical(crops: np.ndarray, groups: np.ndarray) -> Links:
    """Link every crop to the first that is the same byte for byte, without blank ones.

    The search for candidates looks only at a few neighbours of each row, and would miss some of many copies.
    """
    starts = range(0, len(crops), CROPS_AT_ONCE)
    digests = _in_parallel("identical crops", [joblib.delayed(_digests)(crops, start) for start in starts])
    _, first_of, number = np.unique(digests, return_index=True, return_inverse=True)
    rows = np.arange(len(crops))
    first = first_of[number]
    linked = (groups[first] != groups) & (digests != 0)
    return Links(first[linked], rows[linked], np.ones(linked.sum()))


def describe_crops(crops: np.ndarray, seed: int) -> np.ndarray:
    """Whitened gradient descriptors of unit length: float32 (n, components)."""
    starts = range(0, len(crops), CROPS_AT_ONCE)
    gradients = _in_parallel("gradients", [joblib.delayed(_gradients)(crops, start) for start in starts])
    sample = np.random.default_rng(seed).permutation(len(gradients))[:FIT_ROWS]
    mean, whitening = _whitening(gradients[np.sort(sample)])
    return _unit((gradients - mean) @ whitening)


def candidate_pairs(descriptors: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row its nearest rows of other groups, as pairs (first < second), each once, in order."""
    pairs = [np.zeros((0, 2), np.int64)]
    for members in _search_cells(descriptors, seed):
        pairs.extend(_nearest_in_cell(descriptors[members], groups[members], members))
    unique = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
    return unique[:, 0], unique[:, 1]


def verify(crops: np.ndarray, first: np.ndarray, second: np.ndarray, band: Band) -> np.ndarray:
    """Best correlation of each pair over shifts and scales, rounded to four decimals: float (m,)."""
    if not len(first):
        return np.zeros(0)
    starts = range(0, len(first), CROPS_AT_ONCE // 4)
    pieces = [slice(start, start + CROPS_AT_ONCE // 4) for start in starts]
    calls = [joblib.delayed(_best_correlation)(crops, first[piece], second[piece], band) for piece in pieces]
    return np.round(_in_parallel(f"comparison at {band.side} x {band.side} pixels", calls), 4)


def _in_parallel(what: str, calls: list) -> np.ndarray:
    """The concatenated results of joblib's delayed calls, with progress."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(calls), unit="pieces")
        parts = []
        for part in joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")(calls):
            parts.append(part)
            bar.advance(task)
    return np.concatenate(parts)


def _digests(crops: np.ndarray, start: int) -> np.ndarray:
    """A hash of each crop of a chunk, 0 for a blank one: uint64 (k,)."""
    chunk = np.ascontiguousarray(crops[start : start + CROPS_AT_ONCE]).reshape(
        len(crops[start : start + CROPS_AT_ONCE]), -1
    )
    digests = [int.from_bytes(hashlib.sha256(row.data).digest()[:8], "little") for row in chunk]
    return np.array(digests, np.uint64) * (np.ptp(chunk, axis=1) >= BLANK)


def _gradients(crops: np.ndarray, start: int) -> np.ndarray:
    """Oriented gradient histograms of a chunk: float32 (k, DIRECTIONS * CELLS * CELLS), unit length.

    Square roots of the gradients' lengths reduce the weight of contrast, soft pooling that of small shifts.
    """
    grey = _grey(crops[start : start + CROPS_AT_ONCE])
    shrink = _blur_weights(GRADIENT_SIDE, 1.0) @ _area_weights(grey.shape[1], GRADIENT_SIDE)
    small = shrink @ grey @ shrink.T
    down, right = np.gradient(small, axis=(1, 2))
    strength = np.sqrt(np.hypot(right, down))
    direction = (np.arctan2(down, right) / (2 * np.pi) * DIRECTIONS) % DIRECTIONS
    lower = np.floor(direction).astype(np.int64) % DIRECTIONS
    share = direction - np.floor(direction)
    pool = _pooling_weights()
    histograms = []
    for bin_ in range(DIRECTIONS):
        weight = np.where(lower == bin_, 1 - share, 0) + np.where((lower + 1) % DIRECTIONS == bin_, share, 0)
        histograms.append((pool @ (strength * weight).astype(np.float32) @ pool.T).reshape(len(grey), -1))
    return _unit(np.concatenate(histograms, axis=1))


def _grey(crops: np.ndarray) -> np.ndarray:
    return np.asarray(crops, np.float32) @ _LUMA


@lru_cache(maxsize=32)
def _area_weights(source: int, target: int, scale: float = 1.0) -> np.ndarray:
    """Matrix (target, source) that resizes a row of pixels: each target pixel is the mean of its part of the source.

    With a `scale` above 1 the middle of the row fills the target; below 1 the border pixels are repeated.
    """
    span = source / scale
    edges = (source - span) / 2 + np.arange(target + 1) * (span / target)
    pixel = np.arange(source)
    left, right = pixel.astype(np.float64), pixel + 1.0
    left[0], right[-1] = min(0.0, edges[0]), max(float(source), edges[-1])
    overlap = np.minimum(edges[1:, None], right) - np.maximum(edges[:-1, None], left)
    return (np.clip(overlap, 0, None) * (target / span)).astype(np.float32)


@lru_cache(maxsize=8)
def _blur_weights(side: int, sigma: float) -> np.ndarray:
    """Matrix (side, side) of a Gaussian blur, with weights that sum to 1 at the borders too."""
    pixel = np.arange(side)
    weights = np.exp(-0.5 * ((pixel[:, None] - pixel) / sigma) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _pooling_weights() -> np.ndarray:
    """Matrix (CELLS, GRADIENT_SIDE) of Gaussians around the cell centres, 0.6 of a cell wide."""
    step = GRADIENT_SIDE / CELLS
    centres = (np.arange(CELLS) + 0.5) * step - 0.5
    weights = np.exp(-0.5 * ((np.arange(GRADIENT_SIDE) - centres[:, None]) / (0.6 * step)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _whitening(gradients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and the projection to the leading principal components at unit variance."""
    mean = gradients.mean(axis=0)
    covariance = np.cov(gradients - mean, rowvar=False).astype(np.float64)
    variance, axes = np.linalg.eigh(np.nan_to_num(covariance))
    leading = np.argsort(-variance, kind="stable")[:COMPONENTS]
    scale = 1 / np.sqrt(variance[leading] + 1e-3 * max(float(variance.max()), 1e-12))
    return mean, (axes[:, leading] * scale).astype(np.float32)


def _search_cells(descriptors: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of each cell, ascending; every row is in the cells of its two nearest centres."""
    count = max(1, len(descriptors) // ROWS_PER_CELL)
    if count < 3:
        yield np.arange(len(descriptors))
        return
    chosen = np.random.default_rng(seed).choice(len(descriptors), count, replace=False)
    centres = descriptors[np.sort(chosen)]
    nearest = np.concatenate(
        [
            np.argpartition(-(descriptors[start : start + CROPS_AT_ONCE] @ centres.T), 1, axis=1)[:, :2]
            for start in range(0, len(descriptors), CROPS_AT_ONCE)
        ]
    )
    order = np.argsort(nearest.ravel(), kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(nearest.ravel(), minlength=count))[:-1]):
        yield members // 2


def _nearest_in_cell(descriptors: np.ndarray, groups: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs (m, 2) of row numbers: each row with its nearest of other groups, in blocks of bounded size."""
    block = max(1, min(CROPS_AT_ONCE, (1 << 24) // max(1, len(rows))))
    for start in range(0, len(rows), block):
        cosine = descriptors[start : start + block] @ descriptors.T
        cosine[groups[start : start + block, None] == groups[None]] = -1
        most = min(CANDIDATES_PER_ROW, len(rows))
        best = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        row, column = np.nonzero(np.take_along_axis(cosine, best, axis=1) >= CANDIDATE)
        yield np.stack([rows[start + row], rows[best[row, column]]], axis=1)


def _best_correlation(crops: np.ndarray, first: np.ndarray, second: np.ndarray, band: Band) -> np.ndarray:
    middle = band.side - 2 * band.rim
    templates, template_of = np.unique(first, return_inverse=True)
    inner = _high_pass(_grey(crops[templates]), band, 1.0)[:, band.rim : -band.rim, band.rim : -band.rim]
    flat = inner.reshape(len(templates), -1)
    padded = np.zeros((len(templates), band.side, band.side), np.float32)
    padded[:, :middle, :middle] = _unit(flat - flat.mean(axis=1, keepdims=True)).reshape(-1, middle, middle)
    spectra = np.conj(fft.rfft2(padded))
    fields, field_of = np.unique(second, return_inverse=True)
    grey = _grey(crops[fields])
    best = np.full(len(first), -1.0)
    for scale in band.scales:
        field = _high_pass(grey, band, scale)
        deviation = _deviations(field, middle)
        product = fft.irfft2(fft.rfft2(field)[field_of] * spectra[template_of], s=field.shape[1:])
        shifts = 2 * band.rim + 1
        best = np.maximum(best, (product[:, :shifts, :shifts] / deviation[field_of]).max(axis=(1, 2)))
    return best


def _deviations(field: np.ndarray, middle: int) -> np.ndarray:
    """Norm of each window of `field` about its mean, infinite where it has no contrast: (k, 2 rim + 1, 2 rim + 1)."""
    sums = [_window_sums(values, middle) for values in (field.astype(np.float64), field.astype(np.float64) ** 2)]
    variance = sums[1] - sums[0] ** 2 / middle**2
    flat = variance < middle**2 * 0.25  # less contrast than half a grey level: nothing to compare
    return np.sqrt(np.where(flat, np.inf, variance)).astype(np.float32)


def _window_sums(values: np.ndarray, side: int) -> np.ndarray:
    total = np.pad(values.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    return total[:, side:, side:] - total[:, :-side, side:] - total[:, side:, :-side] + total[:, :-side, :-side]


def _high_pass(grey: np.ndarray, band: Band, scale: float) -> np.ndarray:
    """Grey crops enlarged by `scale` about their middle, less their blurred selves: float32 (k, side, side)."""
    scaled = _area_weights(grey.shape[1], band.side, scale)
    blurred = _blur_weights(band.side, band.sigma) @ scaled
    return scaled @ grey @ scaled.T - blurred @ grey @ blurred.T


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
