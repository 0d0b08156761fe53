"""A turned square in an image, upright for the hand in it: what a network sees, and the way back.

Where a hand's square lies follows MediaPipe's published graphs (Apache-2.0): from a palm,
mediapipe/tasks/cc/vision/hand_detector/hand_detector_graph.cc; from the last frame's landmarks,
mediapipe/tasks/cc/vision/hand_landmarker/hand_landmarks_detector_graph.cc with
hand_landmarker/calculators/hand_landmarks_to_rect_calculator.cc; how it is cut,
mediapipe/calculators/tensor/image_to_tensor_converter_opencv.cc; all in https://github.com/google-ai-edge/mediapipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.detection.palms import PALM_MIDDLE, PALM_WRIST, Palm
from static_gesture_classification.detection.regions import Region
from static_gesture_classification.hand_points import INDEX_BASE, MIDDLE_BASE, RING_BASE

AROUND_HAND, ABOVE_HAND = 2.0, 0.1  # side as a multiple of the hand's longer one; shift to the fingers by its height
WRIST_AND_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # landmarks without the fingers' last two joints
UNIT_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LARGE = 4  # times as many pixels as the result: a fourth channel for these takes longer than it saves


@dataclass(frozen=True)
class TurnedSquare:
    """A square: its middle in pixels of an image, its side in pixels, and its turn in radians, clockwise as seen."""

    x: float
    y: float
    side: float
    turn: float

    @classmethod
    def of_region(cls, region: Region) -> TurnedSquare:
        """The upright square with a region in its middle."""
        x, y = region.left + region.width / 2, region.top + region.height / 2
        return cls(x, y, max(region.width, region.height), 0.0)

    @classmethod
    def around_palm(cls, palm: Palm, seen: TurnedSquare, turn: float, square: tuple[float, float]) -> TurnedSquare:
        """The square of the hand that has this palm.

        Args:
            palm: found in the upright square `seen`.
            turn: radians by which the square is turned more.
            square: its side as a multiple of the palm's longer one; its shift to the fingers as a share of the palm's
                height.
        """
        marks = seen.to_image(np.concatenate([palm.box, palm.points[[PALM_WRIST, PALM_MIDDLE]]]))
        (x1, y1), (x2, y2), wrist, base = marks.tolist()
        turn = upwards((base[0] - wrist[0], base[1] - wrist[1])) + turn
        return _shift((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, turn, *square)

    @classmethod
    def around_landmarks(cls, points: np.ndarray) -> TurnedSquare:
        """Where to look for a hand in the next frame, by its 21 landmarks (21, 2) in pixels."""
        knuckles = ((points[INDEX_BASE] + points[RING_BASE]) / 2 + points[MIDDLE_BASE]) / 2
        turn = upwards((knuckles - points[0]).tolist())
        upright = points[WRIST_AND_PALM] @ _rotation(-turn).T
        (left, top), (right, bottom) = upright.min(axis=0).tolist(), upright.max(axis=0).tolist()
        x, y = _turned((left + right) / 2, (top + bottom) / 2, turn)
        return _shift(x, y, right - left, bottom - top, turn, AROUND_HAND, ABOVE_HAND)

    def cut(self, image: np.ndarray, pixels: int, inside: Region | None = None) -> np.ndarray:
        """The image in the square, turned upright: uint8 (pixels, pixels, 3).

        Beyond the image its border pixels are repeated.

        Args:
            image: uint8 (height, width, 3).
            pixels: of the side of the result.
            inside: what is outside of it is black.
        """
        cut = self._cut_turned(image, pixels) if self.turn else self._cut_upright(image, pixels)
        if inside is not None and inside.width != inside.height:
            (a, _), (x, y) = self._to_image(1 / pixels)
            left, top = (math.ceil((side - start) / a - 1e-6) for side, start in ((inside.left, x), (inside.top, y)))
            right = math.ceil((inside.left + inside.width - x) / a - 1e-6)
            bottom = math.ceil((inside.top + inside.height - y) / a - 1e-6)
            cut[:top] = cut[bottom:] = 0
            cut[:, :left] = cut[:, right:] = 0
        return cut

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2), 0..1 of the square's side, in pixels of the image: float64 (n, 2)."""
        (along, across), origin = self._to_image(1.0)
        image: np.ndarray = np.asarray(points, np.float64) @ ((along, across), (-across, along)) + origin
        return image

    def apart(self, other: TurnedSquare) -> float:
        """How far its corners are from another's, root mean square, as a share of its side."""
        (along, across), (x, y) = self._to_image(1.0)
        (other_along, other_across), (other_x, other_y) = other._to_image(1.0)
        along, across, x, y = along - other_along, across - other_across, x - other_x, y - other_y
        moves = ((x + along * u - across * v) ** 2 + (y + across * u + along * v) ** 2 for u, v in UNIT_CORNERS)
        return math.sqrt(sum(moves) / len(UNIT_CORNERS)) / self.side

    def turn_points(self, metres: np.ndarray) -> np.ndarray:
        """Points (n, 3) in metres, of the upright square, turned like the square: float32 (n, 3)."""
        return np.column_stack([metres[:, :2] @ _rotation(self.turn).T, metres[:, 2]]).astype(np.float32)

    def _to_image(self, unit: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """The way from the square, in units of `unit` of its side, to pixels of the image.

        Returns:
            a and b of the matrix ((a, -b), (b, a)), and the square's first corner.
        """
        a, b = self.side * math.cos(self.turn), self.side * math.sin(self.turn)
        return (a * unit, b * unit), (self.x - (a - b) / 2, self.y - (a + b) / 2)

    def _cut_upright(self, image: np.ndarray, pixels: int) -> np.ndarray:
        """The image in an upright square; what is beyond the image is not computed but copied, which is faster."""
        from static_gesture_classification.opencv import cv2

        (unit, _), start = self._to_image(1 / pixels)
        (x, right), (y, bottom) = (
            _columns_of(first, unit, length, pixels) for first, length in zip(start, image.shape[1::-1], strict=True)
        )
        cut = _warp(image, (unit, 0.0), (start[0] + x * unit, start[1] + y * unit), (right - x, bottom - y))
        return cv2.copyMakeBorder(cut, y, pixels - bottom, x, pixels - right, cv2.BORDER_REPLICATE)

    def _cut_turned(self, image: np.ndarray, pixels: int) -> np.ndarray:
        """The image in a turned square. OpenCV cuts four channels in half the time of three."""
        from static_gesture_classification.opencv import cv2

        (a, b), (x, y) = self._to_image(1 / pixels)
        height, width = image.shape[:2]
        half = self.side * (abs(math.cos(self.turn)) + abs(math.sin(self.turn))) / 2
        left, right = (min(max(math.floor(each), 0), width) for each in (self.x - half - 2, self.x + half + 3))
        top, bottom = (min(max(math.floor(each), 0), height) for each in (self.y - half - 2, self.y + half + 3))
        if not 0 < (right - left) * (bottom - top) <= LARGE * pixels**2:
            return _warp(image, (a, b), (x, y), (pixels, pixels))
        part = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2RGBA)
        return cv2.cvtColor(_warp(part, (a, b), (x - left, y - top), (pixels, pixels)), cv2.COLOR_RGBA2RGB)


def _warp(
    image: np.ndarray, axis: tuple[float, float], start: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """Pixels of an image on a turned grid: uint8 (rows, columns, channels), linear between pixels.

    Args:
        image: uint8 (height, width, channels).
        axis: from one column of the grid to the next, x and y in pixels; rows go at a right angle.
        start: the first pixel's place.
        size: columns, rows.
    """
    from static_gesture_classification.opencv import cv2

    (a, b), (x, y) = axis, start
    way = np.array(((a, -b, x), (b, a, y)))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, way, size, flags=how, borderMode=cv2.BORDER_REPLICATE)


def _columns_of(start: float, unit: float, length: int, pixels: int) -> tuple[int, int]:
    """Which of so many pixels lie inside of an image, and one on each side of it, as a range.

    Args:
        start: the first pixel's place in the image.
        unit: from one to the next.
        length: of the image.
        pixels: how many there are.
    """
    first = min(max(math.ceil(-start / unit) - 1, 0), pixels - 1)
    last = max(min(math.floor((length - 1 - start) / unit) + 1, pixels - 1), first)
    return first, last + 1


def upwards(direction: Sequence[float]) -> float:
    """How far a square is turned in which this direction (x, y; y downwards) points upwards; -pi..pi."""
    angle = math.pi / 2 - math.atan2(-direction[1], direction[0])
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def _rotation(turn: float) -> np.ndarray:
    return np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])


def _turned(x: float, y: float, turn: float) -> tuple[float, float]:
    return math.cos(turn) * x - math.sin(turn) * y, math.sin(turn) * x + math.cos(turn) * y


def _shift(x: float, y: float, width: float, height: float, turn: float, around: float, above: float) -> TurnedSquare:
    """The square around a turned rectangle, moved by a share of its height to where it points."""
    dx, dy = _turned(0.0, -above * height, turn)
    return TurnedSquare(x + dx, y + dy, max(width, height) * around, turn)
