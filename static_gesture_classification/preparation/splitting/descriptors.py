"""What is kept of each crop to find near-duplicates: a hash, a small grey picture, and a histogram of its gradients.

Histograms of oriented gradients (4 x 4 cells, 8 directions; Dalal and Triggs, CVPR 2005) are compared as principal
components (`whitening`). Crops are read once, in order; 1.5 KiB of each is kept, in memory or on disk (`crop_source`).
What is kept depends on the code of this file: after a change here all crops are described anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Integers, Singles
from static_gesture_classification.preparation.splitting.correlation import area_weights, blur_weights
from static_gesture_classification.preparation.splitting.in_parallel import in_parallel
from static_gesture_classification.row_arrays import Rows

CELLS, DIRECTIONS = 4, 8
GRADIENT_SIDE = 48  # pixels at which gradients are taken
THUMBNAIL_SIDE = 32  # pixels
GRADIENTS = CELLS * CELLS * DIRECTIONS
CROPS_AT_ONCE = 256
BLANK = 8  # grey levels between the darkest and the brightest value


@dataclass(frozen=True)
class CropFacts:
    """What is kept of n crops.

    Args:
        digests: uint64 (n,), a hash of the pixels, 0 for a blank crop.
        thumbnails: uint8 (n, 32, 32), grey.
        gradients: float32 (n, 128), oriented gradient histograms of unit length.
    """

    digests: Rows
    thumbnails: Rows
    gradients: Rows


def describe_crops(crops: Rows) -> CropFacts:
    """Read all crops once, uint8 (n, size, size, 3)."""
    count = len(crops)
    digests = np.empty(count, np.uint64)
    thumbnails = np.empty((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    gradients = np.empty((count, GRADIENTS), np.float32)
    for rows, part in describe_in_order(crops, np.arange(count)):
        digests[rows], thumbnails[rows], gradients[rows] = part.digests[:], part.thumbnails[:], part.gradients[:]
    return CropFacts(digests, thumbnails, gradients)


def describe_in_order(crops: Rows, rows: Integers) -> Iterator[tuple[Integers, CropFacts]]:
    """Describe some of the crops, piece by piece: the rows of each piece, and what is kept of them."""
    pieces = [rows[start : start + CROPS_AT_ONCE] for start in range(0, len(rows), CROPS_AT_ONCE)]
    calls = ((crops, piece) for piece in pieces)
    yield from zip(pieces, in_parallel("descriptors", _describe, calls, len(pieces)), strict=True)


def grey_of(crops: np.ndarray) -> Singles:
    """Luma (ITU-R BT.601) of RGB crops: float32 (n, size, size)."""
    grey = np.empty(crops.shape[:3], np.float32)
    _fill_grey(np.ascontiguousarray(crops), grey)
    return grey


def _describe(crops: Rows, rows: Integers) -> CropFacts:
    chunk = np.ascontiguousarray(crops[rows])
    grey = grey_of(chunk)
    shrink = area_weights(grey.shape[1], THUMBNAIL_SIDE)
    thumbnails = np.rint(shrink @ grey @ shrink.T).astype(np.uint8)
    return CropFacts(_digests(chunk), thumbnails, _gradients(grey))


def _digests(chunk: np.ndarray) -> npt.NDArray[np.uint64]:
    flat = chunk.reshape(len(chunk), -1)
    digests = [int.from_bytes(hashlib.blake2b(crop.data, digest_size=8).digest(), "little") for crop in flat]
    return np.where(flat.max(axis=1) - flat.min(axis=1) >= BLANK, np.array(digests, np.uint64), np.uint64(0))


def _gradients(grey: Singles) -> Singles:
    """Oriented gradient histograms: float32 (k, GRADIENTS), unit length."""
    shrink = blur_weights(GRADIENT_SIDE, 1.0) @ area_weights(grey.shape[1], GRADIENT_SIDE)
    small = shrink @ grey @ shrink.T
    pool = _pooling_weights()
    histograms = np.zeros((len(grey), CELLS, CELLS, DIRECTIONS), np.float32)
    _fill_histograms(small, pool, histograms)
    return unit_rows(histograms.reshape(len(grey), -1))


def _pooling_weights() -> Singles:
    """Matrix (CELLS, GRADIENT_SIDE) of Gaussians around the cell centres, 0.6 of a cell wide."""
    step = GRADIENT_SIDE / CELLS
    centres = (np.arange(CELLS) + 0.5) * step - 0.5
    weights = np.exp(-0.5 * ((np.arange(GRADIENT_SIDE) - centres[:, None]) / (0.6 * step)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def unit_rows(rows: np.ndarray) -> Singles:
    """Rows (k, d) at unit length."""
    unit: Singles = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_grey(crops: Any, grey: Any) -> None:
    red, green, blue = np.float32(0.299), np.float32(0.587), np.float32(0.114)
    flat, channels = grey.reshape(-1), crops.reshape(-1)
    for at in range(len(flat)):
        first = 3 * at
        flat[at] = red * channels[first] + green * channels[first + 1] + blue * channels[first + 2]


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_histograms(small: Any, pool: Any, histograms: Any) -> None:
    """Add up each picture's gradients by cell and direction, shared between the two nearest directions.

    Square roots of the gradients' lengths reduce the weight of contrast, soft pooling that of small shifts.
    """
    side = small.shape[1]
    strengths = np.empty((side, side * DIRECTIONS), np.float32)
    for n in range(len(small)):
        for y in range(side):
            _fill_strengths(small[n], y, strengths[y].reshape(side, DIRECTIONS))
        by_row = np.dot(pool, strengths)
        for row in range(CELLS):
            histograms[n, row] = np.dot(pool, by_row[row].reshape(side, DIRECTIONS))


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_strengths(picture: Any, y: int, strengths: Any) -> None:
    """The gradients of a row of pixels, each shared between two of the eight directions."""
    side = len(picture)
    above, below = max(y - 1, 0), min(y + 1, side - 1)
    strengths[:] = 0
    for x in range(side):
        left, right = max(x - 1, 0), min(x + 1, side - 1)
        down = (picture[below, x] - picture[above, x]) / np.float32(below - above)
        across = (picture[y, right] - picture[y, left]) / np.float32(right - left)
        strength = np.sqrt(np.sqrt(down * down + across * across))
        turn = _eighths(down, across)
        lower = int(turn)
        share = strength * (turn - np.float32(lower))
        strengths[x, lower % DIRECTIONS] += strength - share
        strengths[x, (lower + 1) % DIRECTIONS] += share


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _eighths(down: Any, across: Any) -> Any:
    """The direction of a gradient in eighths of a turn, 0..8, within 1e-4.

    The polynomial is Abramowitz and Stegun's 4.4.49 for the arc tangent between 0 and 1.
    """
    high, wide = abs(down), abs(across)
    ratio = min(high, wide) / max(max(high, wide), np.float32(1e-12))
    square = ratio * ratio
    series = np.float32(0.1801410) + square * (np.float32(-0.0851330) + square * np.float32(0.0208351))
    angle = ratio * (np.float32(0.9998660) + square * (np.float32(-0.3302995) + square * series))
    turn = angle * np.float32(4 / np.pi)
    turn = np.float32(2) - turn if high > wide else turn
    turn = np.float32(4) - turn if across < 0 else turn
    return np.float32(8) - turn if down < 0 else turn
