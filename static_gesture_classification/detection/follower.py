"""Follows one hand from frame to frame, which is fast, and searches for more hands now and then."""

from __future__ import annotations

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector


class HandFollower(Detector):
    """Uses a detector of one hand, and now and then a detector of several.

    MediaPipe searches the whole image until it finds the greatest number of hands. So a detector of two hands that sees
    one takes twice the time. While there are two hands, the detector of several is used.

    Args:
        one: a detector of one hand.
        many: a detector of several hands.
        every: number of frames between two searches for more hands.
    """

    def __init__(self, one: Detector, many: Detector, every: int) -> None:
        self.one, self.many, self.every = one, many, every
        self.gives_landmarks = one.gives_landmarks
        self._until_look = 0

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `Detector.detect`."""
        if self._until_look > 0:
            self._until_look -= 1
            return self.one.detect(image)
        hands = self.many.detect(image)
        if len(hands) < 2:
            self._until_look = self.every
        return hands

    def close(self) -> None:
        """Close both."""
        self.one.close()
        self.many.close()
