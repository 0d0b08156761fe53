"""Grids of the samples behind each error pair: what was taken for what, most certain first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from static_gesture_classification.evaluation.figures import Image8, error_grid
from static_gesture_classification.evaluation.metrics import NO_HAND, confusion_counts, error_pairs, outcomes_of
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.evaluation.sample_pictures import Pictures

SHOWN = 48  # samples per grid; the predictions table lists all


def error_grids(predictions: Predictions, crops: Pictures, rows: np.ndarray) -> Iterator[tuple[str, Image8]]:
    """One grid per (ground truth, prediction) pair that occurs, commonest pair first.

    Args:
        predictions: n predictions.
        crops: (m, size, size, 3) uint8 RGB, usually memory-mapped, or what gives such pictures when it is indexed.
        rows: (n,) which crop belongs to which prediction.

    Yields:
        A name, `TWO_taken_for_THREE` (or `TWO_no_hand_found`), and the grid as (height, width, 3) uint8 RGB.
    """
    outcomes = outcomes_of(predictions)
    counts = confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels))
    scores = predictions.table.column("score").to_numpy()
    pairs = error_pairs(counts, outcomes.labels)
    for gesture, said in zip(pairs["gesture"].astype(str), pairs["prediction"].astype(str), strict=True):
        truth, prediction = outcomes.labels.index(gesture), outcomes.labels.index(said)
        errors = np.flatnonzero((outcomes.truths == truth) & (outcomes.predictions == prediction))
        shown = errors[np.argsort(-scores[errors], kind="stable")][:SHOWN]
        images = predictions.table.column("image").take(shown).to_pylist()
        names = [image.rpartition("/")[2] for image in images]
        grid = error_grid(crops[rows[shown]], scores[shown].tolist(), names, gesture, said, len(errors))
        yield f"{gesture}_{NO_HAND.replace(' ', '_')}" if said == NO_HAND else f"{gesture}_taken_for_{said}", grid
