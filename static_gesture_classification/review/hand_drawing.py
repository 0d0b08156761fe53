"""A hand drawn from its landmarks: in place of the picture that posed hands do not have."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

# The bones between the 21 points of a hand, in MediaPipe's order.
BONES = tuple((0 if point % 4 == 1 else point - 1, point) for point in range(1, 21))
PALM = ((5, 9), (9, 13), (13, 17))
GROUND, LINE, POINT = (226, 230, 234), (40, 60, 80), (0, 114, 178)
FINE = 3  # drawn so many times larger, for smooth edges
FILLED = 0.72  # share of the picture's side that the hand has


def draw_hand(points: np.ndarray, side: int) -> np.ndarray:
    """A drawing, uint8 (side, side, 3), RGB, of the points (21, 2) in any unit."""
    large = side * FINE
    places = [tuple(place) for place in (large * places_in_drawing(points)).tolist()]
    picture = Image.new("RGB", (large, large), GROUND)
    draw, thick = ImageDraw.Draw(picture), max(large // 50, 1)
    for one, other in (*BONES, *PALM):
        draw.line([places[one], places[other]], fill=LINE, width=thick)
    for x, y in places:
        draw.ellipse([x - 1.4 * thick, y - 1.4 * thick, x + 1.4 * thick, y + 1.4 * thick], fill=POINT)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def places_in_drawing(points: np.ndarray) -> np.ndarray:
    """Where the points (21, 2) are in the drawing, in shares of its side."""
    low, high = points.min(axis=0), points.max(axis=0)
    placed: np.ndarray = (points - (low + high) / 2) * (FILLED / max(float((high - low).max()), 1e-6)) + 0.5
    return placed
