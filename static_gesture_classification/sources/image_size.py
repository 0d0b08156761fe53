"""Boxes in pixels of the upright picture as shares of its size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from static_gesture_classification.images import NO_IMAGE, UnreadableImageError, image_header

NO_BOX: tuple[float, ...] = (float("nan"),) * 4


def file_problem(path: Path) -> str | None:
    """A problem of an image that is known without opening it, or None."""
    try:
        return None if path.stat().st_size else "cannot read the image: file is empty"
    except OSError as error:
        reason = "it is a link to a file that is missing" if path.is_symlink() else error.strerror
        return f"cannot read the image: {reason}"


def frame_size(path: Path) -> tuple[int, int] | str:
    """Width and height in pixels of the upright picture, as labelling tools show it, or the problem."""
    problem = file_problem(path)
    if problem:
        return problem
    try:
        header = image_header(path)
    except UnreadableImageError as error:
        reason = "not an image, or its header is cut short" if str(error) == NO_IMAGE else error
        return f"cannot read the image: {reason}"
    return header.width, header.height


def in_shares(box: Sequence[float] | object, size: tuple[float, float] | str) -> tuple[tuple[float, ...], str | None]:
    """A box in pixels as shares of the image's width and height, or the problem.

    Args:
        box: x1, y1, x2, y2; anything else is a problem, not an exception.
        size: of the image, or its problem (see `frame_size`).

    Returns:
        Normalised x1, y1, x2, y2 and None; or four NaN and the problem.
    """
    if isinstance(size, str):
        return NO_BOX, size
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
        return NO_BOX, f"box is not four numbers: {box!r}"
    width, height = size
    return (box[0] / width, box[1] / height, box[2] / width, box[3] / height), None
