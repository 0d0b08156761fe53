"""Scores from a confusion matrix, for training and for all evaluation.

They are computed from counts, for many matrices at once: a bootstrap or a randomisation test needs thousands, and
scikit-learn and torchmetrics would go through all labels for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from static_gesture_classification.arrays import Doubles, Integers


class GestureScores(TypedDict):
    """Scores of one gesture, 0 to 1, and its number of samples."""

    precision: float
    recall: float
    f1: float
    support: int


class Scores(TypedDict):
    """Scores over all gestures, 0 to 1, and of each. Weighted means weighted by support."""

    weighted_f1: float
    macro_f1: float
    accuracy: float
    per_gesture: dict[str, GestureScores]


Counts = Integers | Doubles


def f1_scores(hits: Counts, support: Counts, predicted: Counts) -> Doubles:
    """F1 of each gesture, 0 where it was neither shown nor predicted.

    Args:
        hits, support, predicted: (..., gestures) counts of right predictions, of samples, of predictions.
    """
    total = support + predicted
    return np.divide(2 * hits, total, out=np.zeros(total.shape), where=total > 0)


def weighted_f1_of_counts(hits: Counts, support: Counts, predicted: Counts) -> Doubles:
    """F1 weighted by support, (...), of counts as `f1_scores` takes them; NaN without a sample."""
    weighted = (f1_scores(hits, support, predicted) * support).sum(-1)
    total = np.asarray(support.sum(-1))
    return np.divide(weighted, total, out=np.full(total.shape, np.nan), where=total > 0)


def weighted_f1(confusion: Integers) -> float:
    """F1 of each gesture, weighted by its support, of a confusion matrix (rows the truth); NaN for an empty one."""
    return float(weighted_f1_of_counts(np.diag(confusion), confusion.sum(1), confusion.sum(0)))


def scores_of(counts: Integers, names: Sequence[str]) -> Scores:
    """Scores from counts (classes, classes), rows the truth, columns the prediction.

    A score without a denominator (a gesture that is never predicted, or that has no samples) is 0; macro F1 averages
    the gestures that have samples.
    """
    hits, support, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    precision, recall, f1 = hits / predicted.clip(1), hits / support.clip(1), f1_scores(hits, support, predicted)
    per_gesture: dict[str, GestureScores] = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(names)
    }
    return {
        "weighted_f1": float(np.nan_to_num(weighted_f1_of_counts(hits, support, predicted))),
        "macro_f1": float(f1[support > 0].mean()) if support.any() else 0.0,
        "accuracy": float(hits.sum() / max(support.sum(), 1)),
        "per_gesture": per_gesture,
    }
