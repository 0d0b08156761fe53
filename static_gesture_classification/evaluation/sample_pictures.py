"""Pictures of samples without prepared crops: cut out of images, or drawn from landmarks; and grids of errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from static_gesture_classification.evaluation.figures import Image8, error_grid
from static_gesture_classification.evaluation.hand_drawing import SIDE, draw_landmarks
from static_gesture_classification.evaluation.metrics import NO_HAND, error_pairs, outcomes_of
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.row_arrays import Rows
from static_gesture_classification.samples import BOX, image_path
from static_gesture_classification.training.inputs import Parts

if TYPE_CHECKING:  # it brings Lightning, which takes seconds to import
    from static_gesture_classification.training.datamodule import GestureDataModule

SIZE, MARGIN = SIDE, 0.15
SHOWN_ERRORS = 48  # samples per grid of errors; the predictions table lists all


class CutPictures:
    """Rows that are cut out of their images on access; drawn if an image cannot be read.

    Args:
        samples: n rows with root, image and box.
        points: (n, 21, 2) float32, drawn where there is no image; None draws an empty picture.
    """

    def __init__(self, samples: pd.DataFrame, points: np.ndarray | None = None) -> None:
        self.samples, self.points = samples, points

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (k, SIZE, SIZE, 3), RGB, of k rows."""
        return np.stack([self._picture(int(row)) for row in np.atleast_1d(rows)])

    def _picture(self, row: int) -> np.ndarray:
        sample = self.samples.iloc[row]
        try:
            image = read_image(image_path(str(sample["root"]), str(sample["image"])))
        except UnreadableImageError:
            return draw_landmarks(np.full((21, 2), np.nan, np.float32) if self.points is None else self.points[row])
        return crop_square(image, [float(sample[name]) for name in BOX], SIZE, MARGIN)


def pictures_of(data: GestureDataModule) -> Rows:
    """Rows of a data module's samples: its crops, or cut out of the images."""
    hands = data.hands
    return CutPictures(hands.samples, hands.points) if hands.crops is None else hands.crops


def draw_parts(parts: Parts) -> np.ndarray:
    """Pictures of a network's inputs: uint8 (n, size, size, 3), crops as they are, points as drawn hands."""
    if parts.crops is not None:
        return parts.crops
    assert parts.points is not None
    return np.stack([draw_landmarks(hand) for hand in parts.points])


def error_grids(predictions: Predictions, pictures: Rows) -> Iterator[tuple[str, Image8]]:
    """One grid per (ground truth, prediction) pair that occurs, commonest pair first.

    Args:
        predictions: n predictions.
        pictures: of the samples, row by row.

    Yields:
        A name, `TWO_taken_for_THREE` (or `TWO_no_hand_found`), and the grid as (height, width, 3) uint8 RGB.
    """
    outcomes = outcomes_of(predictions)
    scores = predictions.table.column("score").to_numpy()
    pairs = error_pairs(outcomes.confusion(), outcomes.labels)
    for gesture, mistaken in zip(pairs["gesture"].astype(str), pairs["prediction"].astype(str), strict=True):
        truth, prediction = outcomes.labels.index(gesture), outcomes.labels.index(mistaken)
        errors = np.flatnonzero((outcomes.truths == truth) & (outcomes.predictions == prediction))
        shown = errors[np.argsort(-scores[errors], kind="stable")][:SHOWN_ERRORS]
        images = predictions.table.column("image").take(shown).to_pylist()
        names = [image.rpartition("/")[2] for image in images]
        grid = error_grid(np.asarray(pictures[shown]), scores[shown].tolist(), names, gesture, mistaken, len(errors))
        yield f"{gesture}_{NO_HAND.replace(' ', '_') if mistaken == NO_HAND else f'taken_for_{mistaken}'}", grid
