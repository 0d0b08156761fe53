"""Scores of an epoch from its confusion matrix: what training watches. The evaluate stage computes the full set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from torch import Tensor


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


def scores_of(confusion: Tensor, names: Sequence[str]) -> Scores:
    """Scores from counts (classes, classes), rows the truth, columns the prediction.

    A score without a denominator (a gesture that is never predicted, or that has no samples) is 0; macro F1 averages
    the gestures that have samples.
    """
    counts = confusion.double()
    hits, support, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    precision, recall = hits / predicted.clamp_min(1), hits / support.clamp_min(1)
    f1 = 2 * hits / (support + predicted).clamp_min(1)
    total, present = support.sum().clamp_min(1), support > 0
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
        "weighted_f1": float((f1 * support).sum() / total),
        "macro_f1": float(f1[present].mean()) if bool(present.any()) else 0.0,
        "accuracy": float(hits.sum() / total),
        "per_gesture": per_gesture,
    }
