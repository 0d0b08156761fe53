"""The hand detector: MediaPipe's palm and landmark networks, run directly, without MediaPipe.

The palm network sees a part of the image at 192 x 192 pixels; the landmark network sees the turned square around each
palm at 224 x 224. In a video the square comes from the last landmarks, and the palm network looks only where a hand is
missing. Nothing leaves the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.looks import (
    SAME_HAND,
    WHOLE_SHARE,
    Look,
    LookingDetector,
    LookSettings,
)
from static_gesture_classification.detection.networks import HAND_SIDE, PALM_SIDE, Networks
from static_gesture_classification.detection.palms import palms_of
from static_gesture_classification.detection.regions import Region, keep_distinct, overlap
from static_gesture_classification.detection.turned_square import TurnedSquare
from static_gesture_classification.hand_points import WHOLE_IMAGE, Box

IN_BOX_SURELY = 0.5  # least intersection over union with a known box of a hand that was found without a palm
SAME_PALM = 0.5  # a palm whose square's middle is nearer to a followed hand's than this share of its side is that hand


class HandSettings(LookSettings):
    """How to look for hands.

    Args:
        palm_turn: degrees, clockwise, by which a palm's square is turned besides, so that its fingers do not point up.
            MediaPipe 1.2.2 turns it by 26.565 (the tangent is 1/2), but not those of hands that it follows.
        palm_square: a palm's square: its side as a multiple of the palm's longer one, and how far it is shifted to the
            fingers, as a share of the palm's height. MediaPipe has 2.6 and 0.5.
        refine: look at hands that were found by their palms a second time, in the square by their landmarks, as in the
            next frame of a video.
        refine_apart: but only where this square and the palm's are farther apart (see `TurnedSquare.apart`), or where
            the hand is not `second_look.sure`; 0: each hand.
        refine_sure: and once more where the hand is `second_look.sure` by then, but less sure than this; 0: not.
        smooth: where no hand is sure, and before the second look's tiles, the palm network sees the first look's
            regions smoothed by this standard deviation, in its own pixels (192 a side): fine patterns hide palms from
            it. The landmark network sees them as they are, and must be `second_look.sure`. 0: no such look.
        look_into_hands: look at a palm in the place of a larger hand that was found, too, as MediaPipe does.
        known_square: in a known box, the landmark network looks first, without the palm network, at a square around the
            box, as many times as wide as its longer side; the palm network searches where no sure hand is there. 0: it
            searches first.
        known_apart: `refine_apart` of these hands.
        look_for_more: in video mode, while fewer than `num_hands` but at least one hand is seen, the number of frames
            between two searches for more; 0: search in every frame.
        threads: of each network; None: two, or one where the process has one core or shares them with others like it
            (see `networks.useful_threads`).
    """

    palm_turn: float
    palm_square: tuple[float, float]
    refine: bool
    refine_apart: float = Field(ge=0)
    refine_sure: float = Field(ge=0, le=1)
    smooth: float = Field(ge=0)
    look_into_hands: bool
    known_square: float = Field(ge=0)
    known_apart: float = Field(ge=0)
    look_for_more: int = Field(ge=0)
    threads: int | None = Field(ge=1)


class HandDetector(LookingDetector):
    """Finds palms, then the landmarks of their hands; follows them in a video.

    It loads on first use, can be pickled and forked, and used from several threads (see `Networks`).

    Args:
        values: see `HandSettings`.

    Raises:
        UserError: one is missing or out of range.
    """

    how: HandSettings

    def __init__(self, **values: Any) -> None:
        super().__init__(HandSettings.check(values, "detector"))
        self.networks = Networks(self.how.model, self.how.threads)
        self._followed: list[np.ndarray] = []  # landmarks of the last frame's hands, normalised
        self._until_search = 0

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `LookingDetector.detect`; hands of any look are followed into the next frame."""
        hands = super().detect(image)
        if self.is_video:
            self._followed = _landmarks(hands)
        return hands

    def look(
        self, image: np.ndarray, region: Region, presence: float, least: int, smooth: float = 0.0
    ) -> list[DetectedHand]:
        """See `LookingDetector.look`. Of a large region the networks' squares are cut from the image itself.

        Args:
            smooth: as `HandSettings.smooth`.
        """
        if max(region.width, region.height) >= least:
            return self._look(image, region, presence, smooth)
        height, width = image.shape[:2]
        enlarged = region.cut(image, least)
        hands = []
        for hand in self._look(enlarged, Region(0, 0, enlarged.shape[1], enlarged.shape[0]), presence, smooth):
            points = region.to_image(np.asarray(hand.landmarks), width, height)
            box = self.box_around(points, width, height)
            if box is not None:
                hands.append(replace(hand, box=box, landmarks=points))
        return hands

    def further_looks(self, image: np.ndarray) -> list[list[Look]]:
        """See `LookingDetector.further_looks`; before the tiles, the first regions once more, smoothed."""
        again = self.how.second_look
        *before, at_tiles = super().further_looks(image)
        surely = max(again.sure, self.how.min_presence_confidence)
        smoothed = (
            [partial(self.look, image, region, surely, self._least(region), self.how.smooth)]
            for region in self._first_regions(image.shape[1], image.shape[0])
        )
        return [*before, *(smoothed if self.how.smooth else ()), at_tiles]

    def follow(self, image: np.ndarray) -> list[DetectedHand]:
        """See `LookingDetector.follow`."""
        size = np.array((image.shape[1], image.shape[0]), np.float64)
        last = [TurnedSquare.around_landmarks(points * size) for points in self._followed]
        hands = keep_distinct(self._hands(image, last, self.how.min_tracking_confidence), SAME_HAND, self.how.num_hands)
        lost, self._until_search = len(hands) < len(last), self._until_search - 1
        if not hands or lost or (len(hands) < self.how.num_hands and self._until_search < 0):
            self._until_search = self.how.look_for_more
            known = [TurnedSquare.around_landmarks(points * size) for points in _landmarks(hands)]
            squares = self._squares(image, Region(0, 0, image.shape[1], image.shape[0]))
            new = [square for square in squares if not any(_same_place(square, other) for other in known)]
            hands += self._hands(image, new[: self.how.num_hands - len(hands)], self.how.min_presence_confidence)
        return hands

    def landmarks_in(self, image: np.ndarray, box: Box) -> DetectedHand | None:
        """See `LookingDetector.landmarks_in`; where the box is a part of the image, see `HandSettings.known_square`."""
        straight = (
            self._straight(image, box) if overlap(box, WHOLE_IMAGE) < WHOLE_SHARE and self.how.known_square else None
        )
        return straight or super().landmarks_in(image, box)

    def settings(self) -> Mapping[str, Any]:
        """See `Detector.settings`; the number of threads changes no result."""
        return {name: value for name, value in super().settings().items() if name != "threads"}

    def for_camera(self, look_for_more: int) -> Detector:
        """See `Detector.for_camera`."""
        return HandDetector(**{**self.how.model_dump(), "look_for_more": look_for_more})

    def close(self) -> None:
        """Release the networks; the next call loads them again."""
        self.networks.close()

    def _straight(self, image: np.ndarray, box: Box) -> DetectedHand | None:
        """What fills a box as a hand, by the landmark network alone; None where it is not sure."""
        square = TurnedSquare.of_region(Region.around(box, image.shape[1], image.shape[0], self.how.known_square))
        hands = self._look_twice(image, square, self.how.min_presence_confidence, self.how.known_apart)
        is_it = hands and hands[0].score >= self.how.second_look.sure and overlap(hands[0].box, box) >= IN_BOX_SURELY
        return hands[0] if is_it else None

    def _look(self, image: np.ndarray, region: Region, presence: float, smooth: float) -> list[DetectedHand]:
        found: list[DetectedHand] = []
        for square in self._squares(image, region, smooth)[: self.how.num_hands]:
            if self.how.look_into_hands or not any(_is_part_of(square, hand, image) for hand in found):
                found += self._look_twice(image, square, presence, self.how.refine_apart)
        return found

    def _look_twice(self, image: np.ndarray, first: TurnedSquare, presence: float, apart: float) -> list[DetectedHand]:
        """The hand in a square; where `refine` wants it, looked at again in the square by its landmarks.

        Args:
            image: see `look`.
            first: the square.
            presence: least confidence that there is a hand.
            apart: see `HandSettings.refine_apart`.
        """
        hands = self._hands(image, [first], presence)
        if not hands or not self.how.refine:
            return hands
        square = _square_of(hands[0], image)
        if first.apart(square) > apart or hands[0].score < self.how.second_look.sure:
            hands = self._hands(image, [square], presence) or hands
        if self.how.second_look.sure <= hands[0].score < self.how.refine_sure:  # else the search goes on
            hands = self._hands(image, [_square_of(hands[0], image)], presence) or hands
        return hands

    def _squares(self, image: np.ndarray, region: Region, smooth: float = 0.0) -> list[TurnedSquare]:
        """The squares around the palms in a region, the surest first."""
        seen = TurnedSquare.of_region(region)
        pixels = seen.cut(image, PALM_SIDE, inside=region)
        output, scores = self.networks.palms(_smoothed(pixels, smooth) if smooth else pixels)
        palms = palms_of(output, scores, self.how.min_detection_confidence)
        turn = math.radians(self.how.palm_turn)
        return [TurnedSquare.around_palm(palm, seen, turn, self.how.palm_square) for palm in palms]

    def _hands(self, image: np.ndarray, squares: Iterable[TurnedSquare], presence: float) -> list[DetectedHand]:
        found = (self._hand(image, square) for square in squares if square.side >= 1)
        return [hand for hand in found if hand is not None and hand.score >= presence]

    def _hand(self, image: np.ndarray, square: TurnedSquare) -> DetectedHand | None:
        """What is in a square as a hand, whether it is one or not; None where it is outside of the image."""
        height, width = image.shape[:2]
        landmarks, presence, right, world = self.networks.hand(square.cut(image, HAND_SIDE))
        points = (square.to_image(landmarks[:, :2] / HAND_SIDE) / (width, height)).astype(np.float32)
        box = self.box_around(points, width, height)
        if box is None:
            return None
        handedness, sure = ("right", right) if right >= 0.5 else ("left", 1 - right)
        return DetectedHand(box, presence, handedness, points, square.turn_points(world), presence, sure)


def _smoothed(pixels: np.ndarray, deviation: float) -> np.ndarray:
    from static_gesture_classification.opencv import cv2

    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), deviation))


def _landmarks(hands: Iterable[DetectedHand]) -> list[np.ndarray]:
    return [hand.landmarks for hand in hands if hand.landmarks is not None]


def _is_part_of(square: TurnedSquare, hand: DetectedHand, image: np.ndarray) -> bool:
    """Whether a palm's square is a smaller one in the place of a hand that was found."""
    of_hand = _square_of(hand, image)
    return square.side <= of_hand.side and _same_place(square, of_hand)


def _square_of(hand: DetectedHand, image: np.ndarray) -> TurnedSquare:
    """Where to look for a hand again, by its landmarks."""
    return TurnedSquare.around_landmarks(np.asarray(hand.landmarks) * (image.shape[1], image.shape[0]))


def _same_place(one: TurnedSquare, other: TurnedSquare) -> bool:
    return math.hypot(one.x - other.x, one.y - other.y) < SAME_PALM * max(one.side, other.side)
