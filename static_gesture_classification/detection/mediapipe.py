"""MediaPipe's Hand Landmarker (MediaPipe Tasks): boxes, landmarks and handedness of hands, on the processor.

Task and model: https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker (a palm detector that sees the
whole image at 192 x 192 pixels, then a network that finds 21 landmarks in each palm's surroundings). For comparison:
`detection.hands` runs the same two networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.follower import HandFollower
from static_gesture_classification.detection.landmarker import Landmarker
from static_gesture_classification.detection.looks import LookingDetector, LookSettings
from static_gesture_classification.detection.regions import Region


class MediapipeDetector(LookingDetector):
    """MediaPipe's Hand Landmarker.

    It loads on first use, can be pickled and forked, and used from several threads (see `Landmarker`).

    Args:
        values: see `LookSettings`.

    Raises:
        UserError: one is missing or out of range.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(LookSettings.check(values, "detector"))
        how = self.how
        presences = {
            how.min_presence_confidence,
            how.second_look.min_presence_confidence,
            how.known_box.min_presence_confidence,
        }
        self.single = {presence: self._landmarker(False, presence) for presence in presences}
        self.consecutive = self._landmarker(True, how.min_presence_confidence)

    def look(self, image: np.ndarray, region: Region, presence: float, least: int) -> list[DetectedHand]:
        """See `LookingDetector.look`."""
        return self._look(self.single[presence], image, region, least)

    def follow(self, image: np.ndarray) -> list[DetectedHand]:
        """See `LookingDetector.follow`."""
        return self._look(self.consecutive, image, Region(0, 0, image.shape[1], image.shape[0]), 1)

    def for_camera(self, look_for_more: int) -> Detector:
        """See `Detector.for_camera`."""
        if self.how.num_hands == 1 or look_for_more == 0:
            return self
        return HandFollower(MediapipeDetector(**{**self.how.model_dump(), "num_hands": 1}), self, look_for_more)

    def close(self) -> None:
        """Release the native tasks; the next call loads new ones."""
        for landmarker in (*self.single.values(), self.consecutive):
            landmarker.close()

    def _landmarker(self, is_video: bool, presence: float) -> Landmarker:
        how = self.how
        return Landmarker(
            how.model,
            is_video,
            how.num_hands,
            how.min_detection_confidence,
            presence,
            how.min_tracking_confidence,
        )

    def _look(self, landmarker: Landmarker, image: np.ndarray, region: Region, least: int) -> list[DetectedHand]:
        height, width = image.shape[:2]
        found = landmarker(region.cut(image, least))
        hands = []
        for handedness, marks, world in zip(
            found.handedness, found.hand_landmarks, found.hand_world_landmarks, strict=True
        ):
            points = region.to_image(np.array([(mark.x, mark.y) for mark in marks]), width, height)
            box = self.box_around(points, width, height)
            if box is not None:
                hand, score = handedness[0].category_name.lower(), float(handedness[0].score)
                metres = np.array([(mark.x, mark.y, mark.z) for mark in world], np.float32)
                hands.append(DetectedHand(box, score, hand, points, metres, handedness=score))
        return hands
