"""Cutting hands out of an image, for the crops stage and for commands that read images themselves."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np

from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.images import (
    JPEG_FACTORS,
    ImageHeader,
    Scratch,
    UnreadableImageError,
    decode,
    read_bytes,
    read_header,
)
from static_gesture_classification.preparation.geometry import Square, hand_square, resample

# A JPEG is decoded at 1/2, 1/4 or 1/8 only where the hand's square still has this many times the pixels it needs, per
# side. At 2 the crop differs from the full decode by less than the JPEG's own loss (above 50 dB, measured on webcam
# frames at 640 to 2560 pixels); at 1 it is visible (35 to 45 dB).
HEADROOM = 2.0
_SCRATCH = Scratch()


@cache
def cutting_code() -> str:
    """Hash of the code that makes a crop of an image and a box."""
    return code_digest([Path(__file__)])


def cut_hands(path: Path, boxes: np.ndarray, size: int, margin: float) -> tuple[list[np.ndarray | None], str]:
    """The crops of one image's hands.

    Args:
        path: the image.
        boxes: float (k, 4), normalised.
        size: side of a crop in pixels.
        margin: share of the box's longer side that is added on each side.

    Returns:
        k crops, uint8 (size, size, 3) RGB, or None; and the reason for the first None, or "".
    """
    try:
        cut = cut_hands_of(read_bytes(path), boxes, size, margin)
    except UnreadableImageError as error:
        return [None] * len(boxes), str(error)
    reasons = [each for each in cut if isinstance(each, str)]
    return [None if isinstance(each, str) else each for each in cut], reasons[0] if reasons else ""


def cut_hands_of(data: bytes, boxes: np.ndarray, size: int, margin: float) -> list[np.ndarray | str]:
    """The crops of the hands in an encoded image, each a crop or a reason; see `cut_hands`.

    The image is decoded once for each scale that its hands need.

    Raises:
        UnreadableImageError: it is no image, or damaged.
    """
    header = read_header(data)
    squares = [hand_square(header.width, header.height, box, margin) for box in boxes]
    factors = [reduction(header, square, size) for square in squares]
    cut: list[np.ndarray | str] = [
        f"its box is smaller than a pixel ({square.side:.2g} pixels wide)" for square in squares
    ]
    for factor in sorted(set(factors)):
        hands = [hand for hand, own in enumerate(factors) if own == factor]
        lowest = max(squares[hand].top + squares[hand].side for hand in hands)
        pixels = decode(data, header, factor, math.ceil(lowest), _SCRATCH)
        for hand in hands:
            if squares[hand].side >= 1:
                cut[hand] = resample(pixels, squares[hand].reduce(factor), size)
    return cut


def reduction(header: ImageHeader, square: Square, size: int) -> int:
    """The largest factor by which a JPEG may be reduced for a hand: see `HEADROOM`.

    1 where the square leaves the image: the repeated border row would be a mean of several rows. It does not depend on
    other hands in the image, so a crop never depends on them.
    """
    inside = min(
        square.left, square.top, header.width - square.left - square.side, header.height - square.top - square.side
    )
    if header.is_jpeg and inside >= 0:
        for factor in JPEG_FACTORS:
            if square.side >= HEADROOM * size * factor and header.width % factor == 0 and header.height % factor == 0:
                return factor
    return 1
