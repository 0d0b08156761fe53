"""A hand drawn from its landmarks, in place of the picture that posed hands do not have."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

SIDE = 112  # pixels
PAPER, LINE, POINT = "#e6e6e6", "#2f6db3", "#2b2b2b"  # as in the figures
_INSIDE = 0.8  # the hand's share of a drawn picture's width
_FINER = 3  # lines are drawn at this scale, then shrunk, to be smooth
# The wrist to each finger's root and along it to the tip, and across the palm; MediaPipe's order.
BONES = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (9, 10), (10, 11), (11, 12)),
    *((13, 14), (14, 15), (15, 16), (0, 17), (17, 18), (18, 19), (19, 20), (5, 9), (9, 13), (13, 17)),
)


def draw_landmarks(points: np.ndarray, size: int = SIDE) -> np.ndarray:
    """Points (21, 2) as a hand of lines, uint8 (size, size, 3); without a line where they are NaN."""
    size_drawn = size * _FINER
    canvas = Image.new("RGB", (size_drawn, size_drawn), PAPER)
    if np.isfinite(points).all():
        placed = [tuple(point) for point in (places_in_drawing(points) * size_drawn).tolist()]
        draw = ImageDraw.Draw(canvas)
        for start, end in BONES:
            draw.line([placed[start], placed[end]], fill=LINE, width=2 * _FINER)
        for x, y in placed:
            draw.ellipse([x - 2 * _FINER, y - 2 * _FINER, x + 2 * _FINER, y + 2 * _FINER], fill=POINT)
    return np.asarray(canvas.resize((size, size), Image.Resampling.LANCZOS))


def places_in_drawing(points: np.ndarray) -> np.ndarray:
    """Where `draw_landmarks` draws points (21, 2): shares (21, 2) of the drawing's side."""
    low, high = points.min(axis=0), points.max(axis=0)
    places: np.ndarray = (points - (low + high) / 2) * (_INSIDE / max(float((high - low).max()), 1e-6)) + 0.5
    return places
