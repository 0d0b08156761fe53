"""A hand cut out of an image with its surroundings, not the room, as recorded and mined sessions save it.

A writer of a session saves each picture before `session.json` names it, so that the session loads at every moment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.preparation.geometry import hand_square
from static_gesture_classification.sources.recorded import RecordedImage

COORDINATE_DECIMALS = 5  # of normalised coordinates: a hundredth of a pixel
PIXEL_ROUNDING = 1e-6  # pixels; a square of whole pixels stays one
JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class HandPicture:
    """A part of a picture with one hand.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2 of the hand, normalised to this part.
        landmarks: 21 pairs x, y, likewise; None without.
    """

    pixels: np.ndarray
    box: tuple[float, ...]
    landmarks: tuple[tuple[float, float], ...] | None

    def jpeg(self, quality: int = JPEG_QUALITY) -> bytes:
        """The pixels as a JPEG file, without subsampling of colours."""
        encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(self.pixels), quality=quality, colorspace="RGB")
        return encoded

    def describe(self, file: str, hand: str, **others: Any) -> RecordedImage:
        """Its entry in `session.json`; `others` are further fields of `RecordedImage`."""
        return RecordedImage(file, self.box, hand, landmarks=self.landmarks, **others)


def cut_out(image: np.ndarray, box: Sequence[float], landmarks: np.ndarray | None, margin: float | None) -> HandPicture:
    """Cut the hand out with its surroundings.

    Args:
        image: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2, normalised to the image.
        landmarks: float (21, 2), likewise; None without.
        margin: share of the box's longer side that is added on each side; the image's border cuts the square. None
            for the whole image.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if margin is not None:
        square = hand_square(width, height, box, margin)
        left, top = max(math.floor(square.left + PIXEL_ROUNDING), 0), max(math.floor(square.top + PIXEL_ROUNDING), 0)
        right = min(math.ceil(square.left + square.side - PIXEL_ROUNDING), width)
        bottom = min(math.ceil(square.top + square.side - PIXEL_ROUNDING), height)
    scale = np.array([width, height], np.float64) / (right - left, bottom - top)
    offset = np.array([left / width, top / height])
    corners = ((np.array(box, np.float64).reshape(2, 2) - offset) * scale).clip(0, 1).round(COORDINATE_DECIMALS)
    pairs = None
    if landmarks is not None:
        points = ((np.asarray(landmarks, np.float64) - offset) * scale).round(COORDINATE_DECIMALS)
        pairs = tuple((float(x), float(y)) for x, y in points)
    return HandPicture(image[top:bottom, left:right].copy(), tuple(corners.ravel().tolist()), pairs)


def write_jpeg(path: Path, jpeg: bytes) -> None:
    """Write a picture, whole or not at all. Raises `OutputError` for a read-only folder or a full disk."""
    with atomic_path(path) as partial:
        partial.write_bytes(jpeg)
