"""Parts of an image that a detector searches, and the way back from their coordinates to the image's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from static_gesture_classification.hand_points import Box

if TYPE_CHECKING:
    from static_gesture_classification.detection.detector import DetectedHand

MOST_PIXELS = 16_000  # pixels of the longer side; MediaPipe ends the process on pictures of more than 32,766


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels in an image: left, top, width, height; it may leave the image."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(cls, box: Box, width: int, height: int, surroundings: float) -> Region:
        """The square around a normalised box in an image, `surroundings` times as wide as the box's longer side."""
        x1, y1, x2, y2 = box
        side = max(1, round(max((x2 - x1) * width, (y2 - y1) * height) * surroundings))
        left, top = round((x1 + x2) / 2 * width - side / 2), round((y1 + y2) / 2 * height - side / 2)
        return cls(min(left, width - 1), min(top, height - 1), side, side)

    @classmethod
    def with_border(cls, width: int, height: int, share: float) -> Region:
        """An image with a border around it, as wide as `share` of its longer side."""
        border = round(share * max(width, height))
        return cls(-border, -border, width + 2 * border, height + 2 * border)

    def cut(self, image: np.ndarray, least: int) -> np.ndarray:
        """Its pixels, uint8 (h, w, 3), contiguous, with a longer side of `least` to `MOST_PIXELS` pixels.

        Where the region leaves the image, the border pixels are repeated.
        """
        from static_gesture_classification.opencv import cv2

        height, width = image.shape[:2]
        right, bottom = self.left + self.width, self.top + self.height
        pixels = image[max(self.top, 0) : min(bottom, height), max(self.left, 0) : min(right, width)]
        beyond = max(-self.top, 0), max(bottom - height, 0), max(-self.left, 0), max(right - width, 0)
        if any(beyond):
            pixels = cv2.copyMakeBorder(pixels, *beyond, cv2.BORDER_REPLICATE)
        longer = max(self.width, self.height)
        scale = max(least, min(longer, MOST_PIXELS)) / longer
        if scale != 1:
            size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
            pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC))
        return np.ascontiguousarray(pixels)

    def to_image(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Points (n, 2), normalised to this region, in coordinates normalised to an image of width x height."""
        origin, size = (self.left, self.top), (self.width, self.height)
        return ((np.asarray(points, np.float64) * size + origin) / (width, height)).astype(np.float32)


def tiles(width: int, height: int, columns: int, rows: int, share: float) -> Iterator[Region]:
    """Overlapping tiles of an image, each `share` of its width and height, evenly spread over it."""
    wide, high = max(1, round(width * share)), max(1, round(height * share))
    for top in np.linspace(0, height - high, rows).round().astype(int):
        for left in np.linspace(0, width - wide, columns).round().astype(int):
            yield Region(int(left), int(top), wide, high)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    shared = _intersection(one, other)
    return shared / max(area_of(one) + area_of(other) - shared, 1e-12)


def keep_distinct(hands: list[DetectedHand], same: float, most: int) -> list[DetectedHand]:
    """The `most` surest hands, without any whose box lies in another hand's with more than the share `same` (0..1).

    The larger of the two stays: the smaller one is a part of that hand.
    """
    kept: list[DetectedHand] = []
    for hand in sorted(hands, key=lambda hand: -hand.area):
        if all(_intersection(hand.box, other.box) <= same * hand.area for other in kept):
            kept.append(hand)
    return sorted(kept, key=lambda hand: -hand.score)[:most]


def _intersection(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def area_of(box: Box) -> float:
    """The share of the image that a box covers."""
    return (box[2] - box[0]) * (box[3] - box[1])
