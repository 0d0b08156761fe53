"""Pictures of samples that have no prepared crops: cut out of their images when they are looked at, or drawn.

Where the image is not there, or cannot be read, the landmarks are drawn instead.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from static_gesture_classification.evaluation.figures import BLUE, INK, PALE, Image8
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.samples import BOX, image_path
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.inputs import Parts

SIZE, MARGIN = 112, 0.15
_INSIDE = 0.8  # of a drawn picture's side is the hand
_FINER = 3  # times as large is drawn, then shrunk, for smooth lines
# The wrist to each finger's root and along it to the tip, and across the palm; MediaPipe's order.
BONES = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (9, 10), (10, 11), (11, 12)),
    *((13, 14), (14, 15), (15, 16), (0, 17), (17, 18), (18, 19), (19, 20), (5, 9), (9, 13), (13, 17)),
)


class Pictures(Protocol):
    """Pictures of samples by row: an array of crops (n, size, size, 3), or what gives the same when it is indexed."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (k, size, size, 3), RGB, of k rows."""
        ...


class CutPictures:
    """Pictures that are cut out of their images when they are looked at.

    Args:
        samples: n rows with root, image and box.
        points: (n, 21, 2) float32, drawn where there is no image; None draws an empty picture.
    """

    def __init__(self, samples: pd.DataFrame, points: np.ndarray | None = None) -> None:
        self.samples, self.points = samples, points

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (k, SIZE, SIZE, 3), RGB, of k rows."""
        return np.stack([self._picture(int(row)) for row in np.atleast_1d(rows)])

    def _picture(self, row: int) -> np.ndarray:
        sample = self.samples.iloc[row]
        try:
            image = read_image(image_path(str(sample["root"]), str(sample["image"])))
        except UnreadableImageError:
            return drawn(np.full((21, 2), np.nan, np.float32) if self.points is None else self.points[row])
        return crop_square(image, [float(sample[name]) for name in BOX], SIZE, MARGIN)


def drawn(points: np.ndarray, size: int = SIZE) -> Image8:
    """Points (21, 2) as a hand of lines, uint8 (size, size, 3); without a line where they are NaN."""
    side = size * _FINER
    canvas = Image.new("RGB", (side, side), PALE)
    if np.isfinite(points).all():
        low, high = points.min(axis=0), points.max(axis=0)
        scale = _INSIDE * side / max(float((high - low).max()), 1e-6)
        placed = [tuple(point) for point in ((points - (low + high) / 2) * scale + side / 2).tolist()]
        draw = ImageDraw.Draw(canvas)
        for start, end in BONES:
            draw.line([placed[start], placed[end]], fill=BLUE, width=2 * _FINER)
        for x, y in placed:
            draw.ellipse([x - 2 * _FINER, y - 2 * _FINER, x + 2 * _FINER, y + 2 * _FINER], fill=INK)
    return np.asarray(canvas.resize((size, size), Image.Resampling.LANCZOS))


def pictures_of(data: GestureDataModule) -> Pictures:
    """Pictures of a data module's samples: its crops, or cut out of the images."""
    hands = data.hands
    return CutPictures(hands.samples, hands.points) if hands.crops is None else hands.crops


def draw_parts(parts: Parts) -> np.ndarray:
    """What a network is given, to look at: uint8 (n, size, size, 3), crops as they are, points as drawn hands."""
    if parts.crops is not None:
        return parts.crops
    assert parts.points is not None
    return np.stack([drawn(hand) for hand in parts.points])
