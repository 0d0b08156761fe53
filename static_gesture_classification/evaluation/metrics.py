"""Metrics of a classifier, from counts: scores per gesture, their averages, calibration, intervals.

A gesture without a sample in the split has support 0 and no recall or F1 (NaN here, null in JSON); averages leave it
out. An average over nothing is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.arrays import Doubles, Integers, Singles
from static_gesture_classification.evaluation.predictions import NO_PREDICTION, Predictions
from static_gesture_classification.evaluation.resampling_units import Units, units_of
from static_gesture_classification.gestures import NO_HAND
from static_gesture_classification.training.scores import f1_scores, weighted_f1, weighted_f1_of_counts

CALIBRATION_BINS = 15
CURVE_POINTS = 200
LEVEL = 0.95
AVERAGES = ("weighted avg", "macro avg")


@dataclass(frozen=True)
class Outcomes:
    """Ground truth and prediction of n samples as class indices.

    Args:
        labels: the classifier's C gestures in class order, then gestures of the data that it does not know (all their
            samples are errors); last, if a hand was not found, `NO_HAND`.
        truths, predictions: (n,) indices into `labels`; predictions are below C, or the index of `NO_HAND`.
        probabilities: (n, C); a row of 0 where no hand was found.
        sources, subjects: (n,) names, as in the sample table; an unknown subject is "".
        sessions: (n,) likewise; None if unknown.
    """

    labels: tuple[str, ...]
    truths: Integers
    predictions: Integers
    probabilities: Singles
    sources: npt.NDArray[np.object_]
    subjects: npt.NDArray[np.object_]
    sessions: npt.NDArray[np.object_] | None = None

    @property
    def units(self) -> Units:
        """The units of a bootstrap: subjects, as far as they are known."""
        return units_of(self.sources, self.subjects, self.sessions)

    def confusion(self, rows: Any = slice(None)) -> Integers:
        """Confusion matrix (L, L) of all samples or of some rows: rows are the ground truth, columns the prediction."""
        return confusion_counts(self.truths[rows], self.predictions[rows], len(self.labels))

    def __len__(self) -> int:
        return len(self.truths)


@dataclass(frozen=True)
class Interval:
    """A bootstrap confidence interval: its ends, its level, and the kind and number of resampled units.

    `unit` is a kind of `resampling_units.Units`; `unknown` is the number of samples without a subject.
    """

    low: float
    high: float
    level: float
    unit: str
    units: int
    resamples: int
    unknown: int = 0


def outcomes_of(predictions: Predictions) -> Outcomes:
    """A predictions table as class indices."""
    truths = predictions.column("gesture")
    missed = () if predictions.found.all() else (NO_HAND,)
    labels = (*predictions.gestures, *sorted(set(truths) - set(predictions.gestures)), *missed)
    index = {label: position for position, label in enumerate(labels)}
    if missed:
        index[NO_PREDICTION] = index[NO_HAND]
    return Outcomes(
        labels,
        np.fromiter((index[name] for name in truths), np.int64, len(truths)),
        np.fromiter((index[name] for name in predictions.column("prediction")), np.int64, len(truths)),
        predictions.probabilities,
        predictions.column("source"),
        predictions.column("subject"),
        predictions.column("session"),
    )


def confusion_counts(truths: Integers, predictions: Integers, classes: int) -> Integers:
    """Confusion matrix (classes, classes): rows are the ground truth, columns the prediction."""
    return np.bincount(truths * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def confusion_rates(counts: Integers) -> Doubles:
    """Each row of a confusion matrix as shares of its support; a row without support is NaN."""
    support = counts.sum(1, keepdims=True)
    return np.divide(counts, support, out=np.full(counts.shape, np.nan), where=support > 0)


def gesture_scores(counts: Integers, labels: Sequence[str]) -> pd.DataFrame:
    """Precision, recall, F1 and support of each gesture, indexed by gesture; `NO_HAND` is left out.

    Precision is 0 for a gesture that has samples and was never predicted. Without a sample, recall and F1 are NaN, and
    so is precision unless the gesture was predicted (then it is 0).
    """
    hits, support, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    seen = support > 0
    scores = pd.DataFrame(
        {
            "precision": _ratio(hits, predicted, np.where(seen, 0.0, np.nan)),
            "recall": _ratio(hits, support, np.full(len(hits), np.nan)),
            "f1": np.where(seen, f1_scores(hits, support, predicted), np.nan),
            "support": support,
        },
        index=pd.Index(list(labels), name="gesture"),
    )
    return scores.drop(index=NO_HAND, errors="ignore")


def average_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The averages of `gesture_scores` over gestures with samples: weighted by support, and all alike (macro)."""
    seen = scores[scores["support"] > 0]
    total = int(seen["support"].sum())
    rows = []
    for weights in (seen["support"], pd.Series(1.0, index=seen.index)):
        means = seen[["precision", "recall", "f1"]].mul(weights, axis=0).sum() / (weights.sum() or math.nan)
        rows.append({**means.to_dict(), "support": total})
    return pd.DataFrame(rows, index=pd.Index(AVERAGES, name="average"))


def accuracy(counts: Integers) -> float:
    """Share of right predictions; NaN for an empty matrix."""
    return float(np.trace(counts) / counts.sum()) if counts.sum() else math.nan


def calibration(outcomes: Outcomes, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """How often predictions of a given score are right: one row per bin of equal width in score.

    Columns: `low`, `high` (the bin, low exclusive), `samples`, `confidence` (mean score), `accuracy`; the last two are
    NaN in an empty bin.
    """
    scores = outcomes.probabilities.max(1, initial=0).astype(np.float64)
    right = outcomes.truths == outcomes.predictions
    position = np.clip(np.ceil(scores * bins).astype(np.int64) - 1, 0, bins - 1)
    samples = np.bincount(position, minlength=bins)
    empty = np.full(bins, np.nan)
    return pd.DataFrame(
        {
            "low": np.arange(bins) / bins,
            "high": np.arange(1, bins + 1) / bins,
            "samples": samples,
            "confidence": _ratio(np.bincount(position, scores, bins), samples, empty),
            "accuracy": _ratio(np.bincount(position, right, bins), samples, empty),
        }
    )


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Mean distance of accuracy and confidence over the bins, weighted by their samples; NaN without samples.

    The definition of Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 3, with 15 bins.
    """
    total = bins["samples"].sum()
    distance = (bins["accuracy"] - bins["confidence"]).abs().fillna(0.0)
    return float((distance * bins["samples"]).sum() / total) if total else math.nan


def precision_recall_curves(outcomes: Outcomes) -> tuple[pd.DataFrame, pd.Series]:
    """One-against-rest precision-recall curves by probability, and their average precision.

    Returns:
        curves: columns gesture, threshold, precision, recall; at most `CURVE_POINTS` points per gesture with samples.
        average_precision: one value per gesture the classifier knows, NaN without samples.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve  # most commands do without

    pieces, average = [], {}
    for index, gesture in enumerate(outcomes.labels[: outcomes.probabilities.shape[1]]):
        truth, score = outcomes.truths == index, outcomes.probabilities[:, index]
        if not truth.any():
            average[gesture] = math.nan
            continue
        average[gesture] = float(average_precision_score(truth, score))
        precision, recall, threshold = precision_recall_curve(truth, score, drop_intermediate=True)
        curve = pd.DataFrame({"threshold": np.append(threshold, 1.0), "precision": precision, "recall": recall})
        kept = np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).astype(int))
        pieces.append(curve.iloc[kept].assign(gesture=gesture))
    columns = ["gesture", "threshold", "precision", "recall"]
    curves = pd.concat(pieces, ignore_index=True)[columns] if pieces else pd.DataFrame(columns=columns)
    return curves, pd.Series(average, name="average_precision", dtype=np.float64)


def breakdown(outcomes: Outcomes, by: Sequence[str]) -> pd.DataFrame:
    """Scores of each group of samples, worst weighted F1 first.

    Args:
        by: any of "source", "subject".

    Returns:
        Columns: those of `by`, `samples`, `accuracy`, `weighted_f1`, `commonest_error` ("TWO -> THREE (4)" or "").
    """
    columns = {"source": outcomes.sources, "subject": outcomes.subjects}
    groups = pd.DataFrame({name: columns[name] for name in by}).groupby(list(by), sort=True).indices
    rows = []
    for key, members in groups.items():
        counts = outcomes.confusion(members)
        pairs = error_pairs(counts, outcomes.labels)
        worst = "" if pairs.empty else "{gesture} -> {prediction} ({count})".format(**pairs.iloc[0])
        names = key if isinstance(key, tuple) else (key,)
        rows.append((*names, len(members), accuracy(counts), weighted_f1(counts), worst))
    frame = pd.DataFrame(rows, columns=[*by, "samples", "accuracy", "weighted_f1", "commonest_error"])
    return frame.sort_values(["weighted_f1", *by], ignore_index=True)


def error_pairs(counts: Integers, labels: Sequence[str]) -> pd.DataFrame:
    """The errors of a confusion matrix, commonest first: gesture, prediction, count, rate (of the support)."""
    truth, prediction = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
    frame = pd.DataFrame(
        {
            "gesture": np.asarray(labels, dtype=object)[truth],
            "prediction": np.asarray(labels, dtype=object)[prediction],
            "count": counts[truth, prediction],
            "rate": confusion_rates(counts)[truth, prediction],
        }
    )
    return frame.sort_values(["count", "rate"], ascending=False, kind="stable", ignore_index=True)


def weighted_f1_interval(outcomes: Outcomes, resamples: int, seed: int, level: float = LEVEL) -> Interval:
    """Percentile bootstrap interval of weighted F1 (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).

    Another test set would show other subjects, and samples of one subject resemble each other. So whole subjects are
    drawn with replacement (cluster bootstrap). With a single subject, samples are drawn, and the interval holds for
    that subject only. If subjects are unknown, the interval is too narrow. `unit` and `unknown` tell which case it is
    (see `resampling_units`).
    """
    drawn = outcomes.units
    about = (level, drawn.kind, drawn.count, resamples, drawn.unknown)
    if drawn.count == 0 or resamples == 0:
        return Interval(math.nan, math.nan, *about)
    statistics = _unit_statistics(outcomes, drawn.members, drawn.count)
    totals = np.concatenate(list(resample_totals(statistics, resamples, seed)))
    values = weighted_f1_of_counts(*np.split(totals, 3, axis=1))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), *about)


def json_ready(value: Any) -> Any:
    """`value` with NaN as None and numpy numbers as Python's, because JSON knows neither."""
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _unit_statistics(outcomes: Outcomes, members: Integers, units: int) -> Doubles:
    """Hits, support and predicted count of each unit and gesture: (units, 3 * gestures)."""
    classes = len(outcomes.labels)
    hit = outcomes.truths == outcomes.predictions
    pairs = ((members[hit], outcomes.truths[hit]), (members, outcomes.truths), (members, outcomes.predictions))
    counts = [
        np.bincount(unit * classes + label, minlength=units * classes).reshape(units, classes) for unit, label in pairs
    ]
    return np.concatenate(counts, axis=1).astype(np.float64)


def resample_totals(statistics: Doubles, resamples: int, seed: int) -> Iterator[Doubles]:
    """Sums of `statistics` (units, width) over units drawn with replacement, in pieces (rows, width), `resamples` rows.

    The same seed and number of units give the same draws; this makes a comparison of two classifiers paired.
    """
    units = len(statistics)
    random = np.random.default_rng(seed)
    chunk = max(1, 2_000_000 // units)  # draws at a time, which bounds the memory
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        draws = random.integers(units, size=(rows, units)) + np.arange(rows)[:, None] * units
        weights = np.bincount(draws.ravel(), minlength=rows * units).reshape(rows, units)
        yield weights @ statistics


def _ratio(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any], otherwise: Doubles) -> Doubles:
    return np.divide(numerator, denominator, out=otherwise.astype(np.float64), where=denominator > 0)
