"""A hand's box, and its 21 landmarks as classifiers take them: MediaPipe's order, in units of the image's height."""

from __future__ import annotations

import numpy as np

LANDMARK_COUNT = 21
# Of the 21 points; the bases are those of the fingers.
WRIST, THUMB_TIP, INDEX_BASE, MIDDLE_BASE, RING_BASE, LITTLE_BASE = 0, 4, 5, 9, 13, 17
Box = tuple[float, float, float, float]  # x1, y1, x2, y2, as shares of the image's width and height
WHOLE_IMAGE: Box = (0.0, 0.0, 1.0, 1.0)


def points_of(landmarks: np.ndarray, aspects: np.ndarray | float) -> np.ndarray:
    """Points in units of the image's height, as classifiers take them.

    Args:
        landmarks: float32 (n, 21, 2), normalised by width and height.
        aspects: width / height of each image (n,), or of all.

    Returns:
        float32 (n, 21, 2).
    """
    points = np.asarray(landmarks, np.float32).copy()
    points[..., 0] *= np.reshape(np.asarray(aspects, np.float32), (-1, 1))
    return points
