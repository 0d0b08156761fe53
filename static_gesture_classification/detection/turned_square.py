"""A turned square in an image, upright for the hand in it: what a network sees, and the way back.

Where a hand's square lies follows MediaPipe's published graphs (Apache-2.0): from a palm,
mediapipe/tasks/cc/vision/hand_detector/hand_detector_graph.cc; from the last frame's landmarks,
mediapipe/tasks/cc/vision/hand_landmarker/hand_landmarks_detector_graph.cc with
hand_landmarker/calculators/hand_landmarks_to_rect_calculator.cc; how it is cut,
mediapipe/calculators/tensor/image_to_tensor_converter_opencv.cc; all in https://github.com/google-ai-edge/mediapipe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.detection.palms import PALM_MIDDLE, PALM_WRIST, Palm
from static_gesture_classification.detection.regions import Region
from static_gesture_classification.hand_points import INDEX_BASE, MIDDLE_BASE, RING_BASE

AROUND_HAND, ABOVE_HAND = 2.0, 0.1  # side as a multiple of the hand's longer one; shift to the fingers by its height
WRIST_AND_PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # landmarks without the fingers' last two joints


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
        (x1, y1), (x2, y2) = seen.to_image(palm.box)
        wrist, base = seen.to_image(palm.points[[PALM_WRIST, PALM_MIDDLE]])
        turn = upwards(base - wrist) + turn
        return _shift((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, turn, *square)

    @classmethod
    def around_landmarks(cls, points: np.ndarray) -> TurnedSquare:
        """Where to look for a hand in the next frame, by its 21 landmarks (21, 2) in pixels."""
        knuckles = ((points[INDEX_BASE] + points[RING_BASE]) / 2 + points[MIDDLE_BASE]) / 2
        turn = upwards(knuckles - points[0])
        palm = points[list(WRIST_AND_PALM)]
        upright = palm @ _rotation(-turn).T
        low, high = upright.min(axis=0), upright.max(axis=0)
        x, y = _rotation(turn) @ ((low + high) / 2)
        width, height = high - low
        return _shift(x, y, width, height, turn, AROUND_HAND, ABOVE_HAND)

    def cut(self, image: np.ndarray, pixels: int, inside: Region | None = None) -> np.ndarray:
        """The image in the square, turned upright: float32 (pixels, pixels, 3), 0..1.

        Beyond the image its border pixels are repeated.

        Args:
            image: uint8 (height, width, 3).
            pixels: of the side of the result.
            inside: what is outside of it is black.
        """
        from static_gesture_classification.opencv import cv2

        way = np.linalg.inv(np.vstack([self._to_image(1 / pixels), (0, 0, 1)]))[:2]
        border = cv2.BORDER_REPLICATE
        cut = cv2.warpAffine(image, way, (pixels, pixels), flags=cv2.INTER_LINEAR, borderMode=border)
        if inside is not None and inside.width != inside.height:
            corners = np.array(
                [(inside.left, inside.top, 1), (inside.left + inside.width, inside.top + inside.height, 1)]
            )
            (left, top), (right, bottom) = np.ceil(corners @ way.T - 1e-6).astype(int)
            cut[:top] = cut[bottom:] = 0
            cut[:, :left] = cut[:, right:] = 0
        return np.multiply(cut, np.float32(1 / 255), dtype=np.float32)

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2), 0..1 of the square's side, in pixels of the image: float64 (n, 2)."""
        matrix = self._to_image(1.0)
        return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]

    def apart(self, other: TurnedSquare) -> float:
        """How far its corners are from another's, root mean square, as a share of its side."""
        corners = ((0, 0), (1, 0), (1, 1), (0, 1))
        moves = self.to_image(np.array(corners)) - other.to_image(np.array(corners))
        return float(np.sqrt(np.square(moves).sum(axis=1).mean())) / self.side

    def turn_points(self, metres: np.ndarray) -> np.ndarray:
        """Points (n, 3) in metres, of the upright square, turned like the square: float32 (n, 3)."""
        return np.column_stack([metres[:, :2] @ _rotation(self.turn).T, metres[:, 2]]).astype(np.float32)

    def _to_image(self, unit: float) -> np.ndarray:
        """Affine matrix (2, 3) from the square, in units of `unit` of its side, to pixels of the image."""
        axes = _rotation(self.turn) * self.side
        origin = np.array((self.x, self.y)) - axes @ (0.5, 0.5)
        return np.column_stack([axes * unit, origin])


def upwards(direction: np.ndarray) -> float:
    """How far a square is turned in which this direction (x, y; y downwards) points upwards; -pi..pi."""
    angle = math.pi / 2 - math.atan2(-direction[1], direction[0])
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def _rotation(turn: float) -> np.ndarray:
    return np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])


def _shift(x: float, y: float, width: float, height: float, turn: float, around: float, above: float) -> TurnedSquare:
    """The square around a turned rectangle, moved by a share of its height to where it points."""
    dx, dy = _rotation(turn) @ (0, -above * height)
    return TurnedSquare(float(x + dx), float(y + dy), float(max(width, height) * around), turn)
