"""Finds the unit of a table's boxes: pixels, percent or shares of the image's width and height.

Tables of boxes seldom name it. The whole table has one unit, which must follow from its numbers and the images' sizes;
otherwise it is an error, since a box in the wrong unit cuts out a corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.errors import DataError

PIXELS, PERCENT, SHARES = "pixels", "percent", "shares"
UNITS = (PIXELS, PERCENT, SHARES)
SHARES_TO = 2.0  # a larger number is no share
PERCENT_TO = 102.0
BEYOND = 0.02  # share of the image that a box in pixels may reach beyond it
SMALL = 102  # pixels: in images up to this size, pixels and percent are nearly the same
QUARTER = 204  # pixels: in larger images, boxes below 102 pixels all lie in the upper left quarter


@dataclass(frozen=True)
class TableBox:
    """A box of a table with its line and the image's width and height in pixels."""

    line: int
    box: tuple[float, ...]
    size: tuple[int, int]

    @property
    def as_shares(self) -> bool:
        """Whether it must be in shares: in pixels it would be one pixel."""
        return max(self.box) <= SHARES_TO

    @property
    def fits_as_pixels(self) -> bool:
        """Whether it lies in its image if its unit is pixels."""
        width, height = self.size
        return max(self.box[0], self.box[2]) <= width * (1 + BEYOND) and max(self.box[1], self.box[3]) <= height * (
            1 + BEYOND
        )


def scale(unit: str, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the image in a unit."""
    return {PIXELS: size, PERCENT: (100, 100), SHARES: (1, 1)}[unit]


def unit_of(boxes: Sequence[TableBox], where: str, setting: str) -> str:
    """The unit of a table's boxes.

    Args:
        boxes: of existing images; those without four numbers or an area are ignored.
        where: the file, for messages.
        setting: that names the unit, for messages.

    Raises:
        DataError: units are mixed, or the numbers fit two units; names lines and the likely unit.
    """
    boxes = [each for each in boxes if np.isfinite(each.box).all() and _has_area(each.box)]
    shares = [each for each in boxes if each.as_shares]
    larger = [each for each in boxes if not each.as_shares]
    if shares and larger:
        other = PIXELS if max(max(each.box) for each in larger) > PERCENT_TO else f"{PIXELS} or {PERCENT}"
        raise DataError(
            f"{where}: line {shares[0].line} {_format_box(shares[0].box)} is in {SHARES} of the image's size, line "
            f"{larger[0].line} {_format_box(larger[0].box)} in {other}; give all boxes in one unit"
        )
    if not larger:
        return SHARES
    if max(max(each.box) for each in larger) > PERCENT_TO:
        return PIXELS
    return _pixels_or_percent(larger, where, setting)


def _pixels_or_percent(boxes: Sequence[TableBox], where: str, setting: str) -> str:
    """The unit of boxes without a number above 100."""
    if not all(each.fits_as_pixels for each in boxes):
        return PERCENT
    if max(max(each.size) for each in boxes) <= SMALL:
        return PIXELS
    whole_numbers = all(float(value).is_integer() for each in boxes for value in each.box)
    in_one_corner = min(min(each.size) for each in boxes) > QUARTER
    if in_one_corner and not whole_numbers:
        return PERCENT
    if not in_one_corner and whole_numbers:
        return PIXELS
    raise DataError(
        f"{where}: no number is above 100, so the boxes may be in {PIXELS} or in {PERCENT} of the image's size (line "
        f"{boxes[0].line}: {_format_box(boxes[0].box)}, of an image of {boxes[0].size[0]} x {boxes[0].size[1]}); "
        f"say which: {setting}={PERCENT if in_one_corner else PIXELS} is likely"
    )


def _has_area(box: tuple[float, ...]) -> bool:
    return box[2] > box[0] and box[3] > box[1]


def _format_box(box: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in box)})"
