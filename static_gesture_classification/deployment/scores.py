"""How good an exported file is: per split, per source and per gesture, with intervals over people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from static_gesture_classification.evaluation import metrics
from static_gesture_classification.evaluation.metrics import Interval, outcomes_of, weighted_f1_interval
from static_gesture_classification.evaluation.predictions import Predictions, predictions_of, sample_keys
from static_gesture_classification.inference.onnx_classifier import AnyClassifier
from static_gesture_classification.training.inputs import PreparedHands
from static_gesture_classification.training.scores import weighted_f1


@dataclass(frozen=True)
class Score:
    """Weighted F1 of some samples.

    Args:
        samples: how many; a hand that was not found is one, and an error.
        missed: how many hands were not found.
        subjects: how many known people show them.
        weighted_f1: 0..1.
        interval: of it, at 95 %.
    """

    samples: int
    missed: int
    subjects: int
    weighted_f1: float
    interval: Interval

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        interval = [round(self.interval.low, 4), round(self.interval.high, 4)]
        return {
            "samples": self.samples,
            "missed": self.missed,
            "subjects": self.subjects,
            "weighted_f1": round(self.weighted_f1, 4),
            "interval": interval,
        }


@dataclass(frozen=True)
class SplitScores:
    """The scores of a split.

    Args:
        whole: of all samples.
        sources: per source, worst first.
        gestures: precision, recall, f1, support; one row per gesture.
        calibration_error: mean distance of score and accuracy (`metrics.expected_calibration_error`).
        pairs: `metrics.error_pairs`, commonest first.
    """

    whole: Score
    sources: Mapping[str, Score]
    gestures: pd.DataFrame
    calibration_error: float
    pairs: pd.DataFrame


def predict_hands(hands: PreparedHands, classifier: AnyClassifier) -> Predictions:
    """A classifier's predictions of prepared hands; none where no hand was found."""
    kind, count = classifier.kind, len(hands.samples)
    found = np.flatnonzero(kind.usable(hands.points, count))
    probabilities = np.zeros((count, len(classifier.vocabulary)), np.float32)
    for rows in kind.batches(found):
        probabilities[rows] = classifier.predict(kind.take(hands.crops, hands.points, rows))[0]
    return predictions_of(sample_keys(hands.samples), probabilities, classifier.vocabulary)


def score_split(predictions: Predictions, resamples: int, seed: int) -> SplitScores:
    """Score the predictions of a split, n at least 1.

    Args:
        predictions: of its samples.
        resamples: of people, for the intervals.
        seed: of the resampling.
    """
    outcomes = outcomes_of(predictions)
    sources = predictions.column("source")
    each = {str(name): score(select(predictions, sources == name), resamples, seed) for name in sorted(set(sources))}
    counts = outcomes.confusion()
    return SplitScores(
        score(predictions, resamples, seed),
        dict(sorted(each.items(), key=lambda item: item[1].weighted_f1)),
        metrics.gesture_scores(counts, outcomes.labels),
        metrics.expected_calibration_error(metrics.calibration(outcomes)),
        metrics.error_pairs(counts, outcomes.labels),
    )


def score(predictions: Predictions, resamples: int, seed: int) -> Score:
    """Weighted F1 of predictions, n at least 1; see `score_split`."""
    outcomes = outcomes_of(predictions)
    known = {pair for pair in zip(outcomes.sources, outcomes.subjects, strict=True) if pair[1] != ""}
    return Score(
        len(predictions),
        int((~predictions.found).sum()),
        len(known),
        weighted_f1(outcomes.confusion()),
        weighted_f1_interval(outcomes, resamples, seed),
    )


def select(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """Some rows, a bool mask (n,), of a predictions table."""
    return Predictions(predictions.table.filter(pa.array(rows)), predictions.gestures)
