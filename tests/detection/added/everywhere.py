"""A detector as a user would add it: whatever the picture shows, there is one hand in the middle of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector


class Everywhere(Detector):
    """A hand whose points lie on a diagonal of its box."""

    gives_landmarks = True

    def __init__(self, half: float) -> None:
        self.half = half

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        low, high = 0.5 - self.half, 0.5 + self.half
        diagonal = np.linspace(low, high, 21, dtype=np.float32)
        return [DetectedHand((low, low, high, high), 1.0, landmarks=np.stack([diagonal, diagonal], 1))]

    def settings(self) -> Mapping[str, Any]:
        return {"half": self.half}
