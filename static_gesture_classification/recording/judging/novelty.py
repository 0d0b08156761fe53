"""How different two pictures of a hand are, so that a set has no near-identical pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand

PICTURE_SIZE = 24  # pixels of the small grey picture that is compared
NOVELTY_MARGIN = 0.15  # around the box, as the classifier sees it
# Just different enough (a difference of 1). From one frame to the next a hand held still moves by 0.01 to 0.03 of its
# size, and its pictures correlate by 0.97 and more.
SHAPE_DIFFERENCE = 0.07
PICTURE_DIFFERENCE = 0.2


@dataclass(frozen=True)
class Appearance:
    """The compared features of a hand.

    Args:
        shape: float32 (21, 2), landmarks around their mean, in units of their mean distance from it; or None.
        picture: float32 (SIDE, SIDE), the hand in grey, of mean 0 and length 1.
    """

    shape: np.ndarray | None
    picture: np.ndarray


def appearance(image: np.ndarray, hand: DetectedHand) -> Appearance:
    """The compared features of a hand in an image, uint8 (height, width, 3) RGB."""
    height, width = image.shape[:2]
    return Appearance(_shape(hand.landmarks, width / height), _picture(image, hand))


def difference(one: Appearance, other: Appearance) -> float:
    """How different two hands look: 0 for the same picture, 1 for just different enough, more for others.

    The larger one counts: the pose's difference (root mean square over landmarks, in units of `SHAPE_DIFFERENCE`), or
    the picture's (1 - correlation, in units of `PICTURE_DIFFERENCE`), which also reacts to place, light and background.
    """
    by_picture = (1 - float((one.picture * other.picture).sum())) / PICTURE_DIFFERENCE
    return by_picture if one.shape is None or other.shape is None else max(by_picture, pose_difference(one, other))


def pose_difference(one: Appearance, other: Appearance) -> float:
    """How different the poses of two hands are, wherever they are: 0 for the same, 1 for just different enough.

    Without landmarks nothing is known of a pose, and any two count as entirely different.
    """
    if one.shape is None or other.shape is None:
        return float("inf")
    return float(np.sqrt(((one.shape - other.shape) ** 2).sum(axis=1).mean())) / SHAPE_DIFFERENCE


def least_difference(one: Appearance, others: Iterable[Appearance]) -> float:
    """The difference to the most similar one of the others; infinite without any."""
    return min((difference(one, other) for other in others), default=float("inf"))


def _shape(landmarks: np.ndarray | None, aspect: float) -> np.ndarray | None:
    if landmarks is None:
        return None
    points = np.asarray(landmarks, np.float32) * np.array([aspect, 1], np.float32)
    points = points - points.mean(axis=0)
    return points / max(float(np.sqrt((points**2).sum(axis=1).mean())), 1e-6)


def _picture(image: np.ndarray, hand: DetectedHand) -> np.ndarray:
    from static_gesture_classification.opencv import cv2

    height, width = image.shape[:2]
    x1, y1, x2, y2 = hand.box
    extent = max((x2 - x1) * width, (y2 - y1) * height) * (1 + 2 * NOVELTY_MARGIN)
    left, top = (x1 + x2) / 2 * width - extent / 2, (y1 + y2) / 2 * height - extent / 2
    columns = slice(max(round(left), 0), max(round(left + extent), 1))
    rows = slice(max(round(top), 0), max(round(top + extent), 1))
    small = cv2.resize(
        np.ascontiguousarray(image[rows, columns]), (PICTURE_SIZE, PICTURE_SIZE), interpolation=cv2.INTER_AREA
    )
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-6)
