"""A fixed box as the hand, for a hand that stays in one place before the camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import UserError
from static_gesture_classification.hand_points import Box


class BoxDetector(Detector):
    """Reports a hand in the given box of every image.

    Args:
        box: x1, y1, x2, y2, as shares (0..1) of the image's width and height, or, where a value is above 1, in pixels.

    Raises:
        UserError: there are not four numbers, or they enclose nothing.
    """

    def __init__(self, box: Sequence[Any]) -> None:
        try:
            x1, y1, x2, y2 = (float(value) for value in box)
        except (TypeError, ValueError):
            raise UserError(
                f"detector.box is {box!r}; it is four numbers, x1, y1, x2, y2, in pixels or as shares of the image"
            ) from None
        if not (0 <= x1 < x2 < np.inf and 0 <= y1 < y2 < np.inf):  # NaN compares false
            raise UserError(f"detector.box is {list(box)}, which encloses nothing; it is x1, y1, x2, y2 with x1 < x2")
        self.box: Box = (x1, y1, x2, y2)

    def settings(self) -> Mapping[str, Any]:
        """See `Detector.settings`."""
        return {"box": self.box}

    @property
    def in_pixels(self) -> bool:
        """Whether the box counts pixels and not shares."""
        return max(self.box) > 1

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `Detector.detect`.

        Raises:
            UserError: the box is beyond this image.
        """
        height, width = image.shape[:2]
        unit = (width, height) if self.in_pixels else (1, 1)
        x1, y1, x2, y2 = (value / side for value, side in zip(self.box, unit * 2, strict=True))
        if x1 >= 1 or y1 >= 1:
            raise UserError(f"detector.box {list(self.box)} is outside an image of {width} x {height} pixels")
        return [DetectedHand((x1, y1, min(x2, 1.0), min(y2, 1.0)), score=1.0)]
