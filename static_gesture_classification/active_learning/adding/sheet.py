"""The picture beside the samples: each photograph with its landmarks, and the posable hand that was fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from static_gesture_classification.active_learning.adding.posing import PHOTO_SIZE, photograph_fitted
from static_gesture_classification.active_learning.adding.samples import NewSample
from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.evaluation.hand_drawing import BONES
from static_gesture_classification.preparation.geometry import crop_square, hand_square
from static_gesture_classification.synthetic.fitting import FittedHand

SHEET_MARGIN = 0.25  # around the hand, as a share of its longer side
LABEL = 18  # pixels
FOUND_COLOUR, FITTED_COLOUR = "#2f6db3", "#e07b39"
SAMPLES_PER_ROW = 4  # samples beside each other


def write_sheet(
    path: Path,
    samples: Sequence[NewSample],
    fits: Sequence[FittedHand],
    apart: Sequence[float],
    poses: Mapping[str, Any],
    seed: int,
) -> None:
    """Write the picture: for each sample the photograph with landmarks (blue, fitted ones orange) and the fitted hand.

    Args:
        apart: how far each sample's pose is from the others', in degrees.
    """
    columns = min(SAMPLES_PER_ROW, len(samples))
    rows = -(-len(samples) // columns)
    sheet = Image.new("RGB", (columns * (2 * PHOTO_SIZE + 8), rows * (PHOTO_SIZE + LABEL)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (sample, fit, degrees) in enumerate(zip(samples, fits, apart, strict=True)):
        row, column = divmod(number, columns)
        x, y = column * (2 * PHOTO_SIZE + 8), row * (PHOTO_SIZE + LABEL)
        differs = f", {degrees:.0f} degrees from the others" if len(samples) > 1 else ""
        draw.text((x + 3, y + 2), f"{sample.path.name[-28:]}{differs}", fill="black", font=font)
        sheet.paste(_photograph(sample, fit), (x, y + LABEL))
        sheet.paste(
            Image.fromarray(np.ascontiguousarray(photograph_fitted(fit, poses, seed))), (x + PHOTO_SIZE, y + LABEL)
        )
    with atomic_path(path) as partial:
        sheet.save(partial, "PNG", optimize=True)


def _photograph(sample: NewSample, fit: FittedHand) -> Image.Image:
    height, width = sample.image.shape[:2]
    square = hand_square(width, height, sample.hand.box, SHEET_MARGIN)
    tile = Image.fromarray(crop_square(sample.image, sample.hand.box, PHOTO_SIZE, SHEET_MARGIN))
    scale = PHOTO_SIZE / square.side
    for points, colour in ((sample.points, FOUND_COLOUR), (fit.points, FITTED_COLOUR)):
        _draw_hand(tile, (points * height - (square.left, square.top)) * scale, colour)
    return tile


def _draw_hand(tile: Image.Image, points: np.ndarray, colour: str) -> None:
    draw = ImageDraw.Draw(tile)
    for start, end in BONES:
        draw.line([tuple(points[start]), tuple(points[end])], fill=colour, width=2)
