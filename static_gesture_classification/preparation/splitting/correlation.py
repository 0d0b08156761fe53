"""The best correlation of two crops over shifts and scales: the compiled comparison behind `near_duplicates`.

The high-pass filtered middle of one crop is laid over the other, enlarged or reduced, at every shift within a rim. The
best normalised correlation (-1..1) is that of the pair; it does not change with brightness and contrast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Singles

SHIFTS_AT_ONCE = 4  # horizontal shifts that share one pass over the pixels
LEAST_VARIANCE = 0.25  # less contrast than half a grey level: nothing to compare


@dataclass(frozen=True)
class Band:
    """A resolution of the comparison: side and searched rim in pixels, high-pass sigma, scales, least correlation."""

    side: int
    rim: int
    sigma: float
    scales: tuple[float, ...]
    least: float


def correlate(greys: Singles, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], band: Band) -> Singles:
    """Best correlation of each pair, -1 where a crop has no contrast: float32 (m,).

    Args:
        greys: float32 (n, size, size), 0..255.
        first, second: int (m,), rows of `greys`; faster where equal rows of `second` follow each other.
        band: where to look.
    """
    size = greys.shape[1]
    sharp = np.stack([area_weights(size, band.side, scale) for scale in band.scales])
    blurred = blur_weights(band.side, band.sigma) @ sharp
    middle = band.scales.index(1.0)
    greys = np.ascontiguousarray(greys, np.float32)
    return _correlate(greys, first, second, sharp, blurred, middle, band.rim)


@lru_cache(maxsize=32)
def area_weights(source: int, target: int, scale: float = 1.0) -> Singles:
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
def blur_weights(side: int, sigma: float) -> Singles:
    """Matrix (side, side) of a Gaussian blur, with weights that sum to 1 at the borders too."""
    pixel = np.arange(side)
    weights = np.exp(-0.5 * ((pixel[:, None] - pixel) / sigma) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _correlate(greys: Any, first: Any, second: Any, sharp: Any, blurred: Any, middle: int, rim: int) -> Any:
    """See `correlate`; `sharp` and `blurred` are resizing matrices (scales, side, size)."""
    scales, side, _ = sharp.shape
    shifts = 2 * rim + 1
    fields = np.zeros((scales, side * side + side + SHIFTS_AT_ONCE), np.float32)  # the last shifts reach over the end
    norms = np.empty((scales, shifts, shifts), np.float32)
    template = np.zeros((side - 2 * rim) * side, np.float32)
    result = np.empty(len(first), np.float32)
    drawn = -1
    for pair in range(len(first)):
        if second[pair] != drawn:
            drawn = second[pair]
            for scale in range(scales):
                filtered = _high_pass(greys[drawn], sharp[scale], blurred[scale])
                fields[scale, : side * side] = filtered.ravel()
                _window_norms(filtered, rim, norms[scale])
        _fill_template(_high_pass(greys[first[pair]], sharp[middle], blurred[middle]), rim, template)
        best = np.float32(-1.0)
        for scale in range(scales):
            best = max(best, _best_shift(fields[scale], template, norms[scale], side))
        result[pair] = best
    return result


@numba.njit(cache=True, fastmath=True, nogil=True)
def _high_pass(grey: Any, sharp: Any, blurred: Any) -> Any:
    """A resized crop less its blurred self: float32 (side, side)."""
    return np.dot(np.dot(sharp, grey), sharp.T) - np.dot(np.dot(blurred, grey), blurred.T)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _window_norms(field: Any, rim: int, norms: Any) -> None:
    """Norm of each window about its mean, infinite where it has no contrast, into `norms` (shifts, shifts)."""
    side, shifts = len(field), len(norms)
    middle = side - 2 * rim
    sums = np.zeros((side + 1, side + 1), np.float64)
    squares = np.zeros((side + 1, side + 1), np.float64)
    for y in range(side):
        along, along_squares = 0.0, 0.0
        for x in range(side):
            value = np.float64(field[y, x])
            along += value
            along_squares += value * value
            sums[y + 1, x + 1] = sums[y, x + 1] + along
            squares[y + 1, x + 1] = squares[y, x + 1] + along_squares
    area = middle * middle
    for y in range(shifts):
        for x in range(shifts):
            low, right = y + middle, x + middle
            total = sums[low, right] - sums[y, right] - sums[low, x] + sums[y, x]
            total_squares = squares[low, right] - squares[y, right] - squares[low, x] + squares[y, x]
            variance = total_squares - total * total / area
            norms[y, x] = np.sqrt(variance) if variance >= area * LEAST_VARIANCE else np.float32(1e30)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_template(filtered: Any, rim: int, template: Any) -> None:
    """The middle of a filtered crop, without mean and of unit length, in rows as long as the field's.

    The rest of each row stays 0, so that a window is one run of pixels in both.
    """
    side = len(filtered)
    middle = side - 2 * rim
    total, squares = 0.0, 0.0
    for y in range(middle):
        for x in range(middle):
            total += filtered[rim + y, rim + x]
    mean = np.float32(total / (middle * middle))
    for y in range(middle):
        for x in range(middle):
            value = filtered[rim + y, rim + x] - mean
            template[y * side + x] = value
            squares += value * value
    length = np.float32(1.0 / max(np.sqrt(squares), 1e-6))
    for at in range(len(template)):
        template[at] *= length


@numba.njit(cache=True, fastmath=True, nogil=True)
def _best_shift(field: Any, template: Any, norms: Any, side: int) -> Any:
    shifts, best = len(norms), np.float32(-1.0)
    for y in range(shifts):
        for x in range(0, shifts, SHIFTS_AT_ONCE):
            at = y * side + x
            products = _four_products(field[at : at + len(template) + SHIFTS_AT_ONCE], template)
            for further in range(min(SHIFTS_AT_ONCE, shifts - x)):
                best = max(best, products[further] / norms[y, x + further])
    return best


@numba.njit(cache=True, fastmath=True, nogil=True)
def _four_products(run: Any, template: Any) -> Any:
    """Scalar products of the template with the run at shifts 0, 1, 2 and 3; each pixel is loaded once for all."""
    zero, one, two, three = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for at in range(len(template)):
        value = template[at]
        zero += value * run[at]
        one += value * run[at + 1]
        two += value * run[at + 2]
        three += value * run[at + 3]
    return zero, one, two, three
