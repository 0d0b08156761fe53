"""Follows one hand from picture to picture, which is fast, and looks now and then whether there are more."""

from __future__ import annotations

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector


class HandFollower(Detector):
    """A detector of one hand, and one of many that looks in every so many pictures.

    MediaPipe searches the whole picture for as long as it finds fewer hands than it may, so that a detector of two
    hands that sees one costs twice one of one hand. As soon as two are seen, the detector of many goes on.

    Args:
        one: a detector of one hand.
        many: a detector of more.
        every: pictures between two looks for more hands.
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
