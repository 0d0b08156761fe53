"""The crop geometry of training and inference: from a box around a hand to the square that the classifier sees.

For an image of W x H pixels, a box (x1, y1, x2, y2) in 0..1 and a margin m, the square has

    side   = max((x2 - x1) * W, (y2 - y1) * H) * (1 + 2 * m)
    left   = (x1 + x2) / 2 * W - side / 2
    top    = (y1 + y2) / 2 * H - side / 2

in pixels, not rounded. Where it leaves the image, the border pixels are repeated: mirroring would add fingers to hands
at the edge. Pillow's antialiased bicubic filter resamples it to size x size; it averages over the right area when it
shrinks, and honours fractional positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Square:
    """A square in pixels from the image's upper left corner; it may leave the image."""

    left: float
    top: float
    side: float

    def reduce(self, factor: int) -> Square:
        """The same square in the image reduced by `factor`."""
        return Square(self.left / factor, self.top / factor, self.side / factor)


def hand_square(width: int, height: int, box: Sequence[float], margin: float) -> Square:
    """The square around a box: see the formula above.

    Args:
        width: of the image, in pixels.
        height: of the image, in pixels.
        box: x1, y1, x2, y2, normalised to 0..1.
        margin: share of the box's longer side that is added on each side.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    side = max((x2 - x1) * width, (y2 - y1) * height) * (1 + 2 * margin)
    return Square((x1 + x2) / 2 * width - side / 2, (y1 + y2) / 2 * height - side / 2, side)


def crop_square(image: np.ndarray, box: Sequence[float], size: int, margin: float) -> np.ndarray:
    """Cut the hand in `box` out of an image: square, with a margin, resampled.

    Args:
        image: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2, normalised to 0..1, with an area.
        size: side of the result, in pixels.
        margin: share of the box's longer side that is added on each side.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    height, width = image.shape[:2]
    return resample(image, hand_square(width, height, box, margin), size)


def resample(image: np.ndarray, square: Square, size: int) -> np.ndarray:
    """The pixels of `square` in a uint8 (height, width, 3) image as uint8 (size, size, 3)."""
    height, width = image.shape[:2]
    left, top = math.floor(square.left), math.floor(square.top)
    right, bottom = math.ceil(square.left + square.side), math.ceil(square.top + square.side)
    inside = image[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    padding = [(max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0)]
    if any(any(pair) for pair in padding):
        inside = np.pad(inside, padding, mode="edge")
    x, y = square.left - left, square.top - top
    box = (x, y, min(x + square.side, inside.shape[1]), min(y + square.side, inside.shape[0]))
    pixels = Image.fromarray(np.ascontiguousarray(inside))
    return np.asarray(pixels.resize((size, size), Image.Resampling.BICUBIC, box=box))
