"""The 21 landmarks of a hand as classifiers take them: MediaPipe's order, in units of the image's height."""

from __future__ import annotations

import numpy as np

LANDMARK_COUNT = 21


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
