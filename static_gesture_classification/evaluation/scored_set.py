"""A set of samples with a classifier's predictions, and all their scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from static_gesture_classification.evaluation import metrics
from static_gesture_classification.evaluation.evaluation_set import EvaluationSet
from static_gesture_classification.evaluation.metrics import Interval, Outcomes
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.samples import subject_of
from static_gesture_classification.training.scores import weighted_f1


@dataclass(frozen=True)
class ScoredSet:
    """A set of samples, the classifier's predictions, and their scores.

    Args:
        data: the samples, with what the classifier sees of them.
        predictions: row i belongs to sample i.
        interval: of weighted F1.
    """

    data: EvaluationSet
    predictions: Predictions
    interval: Interval

    @property
    def name(self) -> str:
        """The split's name."""
        return self.data.name

    @cached_property
    def outcomes(self) -> Outcomes:
        """Truth and prediction as class indices."""
        return metrics.outcomes_of(self.predictions)

    @cached_property
    def counts(self) -> metrics.Integers:
        """Confusion matrix; rows are the ground truth."""
        return self.outcomes.confusion()

    @cached_property
    def curves(self) -> tuple[pd.DataFrame, pd.Series]:
        """Precision-recall curves and average precision."""
        return metrics.precision_recall_curves(self.outcomes)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Precision, recall, F1, support and average precision per gesture."""
        return metrics.gesture_scores(self.counts, self.outcomes.labels).assign(average_precision=self.curves[1])

    @cached_property
    def bins(self) -> pd.DataFrame:
        """Calibration per bin."""
        return metrics.calibration(self.outcomes)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Error pairs, commonest first."""
        return metrics.error_pairs(self.counts, self.outcomes.labels)

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Scores per source, worst first."""
        return metrics.breakdown(self.outcomes, ["source"])

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """Scores per subject, worst first."""
        return metrics.breakdown(self.outcomes, ["source", "subject"])

    @property
    def known_subjects(self) -> int:
        """How many known subjects the samples show."""
        names = pd.DataFrame({"source": self.outcomes.sources, "subject": self.outcomes.subjects})
        return int(subject_of(names[names["subject"] != ""]).nunique())

    @property
    def unknown(self) -> dict[str, int]:
        """Samples of gestures that the classifier does not know, by gesture; all of them count as errors."""
        known = len(self.predictions.gestures)
        supports = zip(self.outcomes.labels[known:], self.counts.sum(1)[known:], strict=True)
        return {label: int(support) for label, support in supports if label != metrics.NO_HAND}

    @property
    def missed(self) -> int:
        """Samples without a prediction, since no hand was found; all of them count as errors."""
        return int((~self.predictions.found).sum())

    @property
    def weighted_f1_of_found(self) -> float:
        """Weighted F1 over the samples that have a prediction."""
        return weighted_f1(self.outcomes.confusion(self.predictions.found))

    @property
    def without_samples(self) -> list[str]:
        """Gestures of the classifier without a sample; averages leave them out."""
        return [str(name) for name in self.scores.index[self.scores["support"] == 0]]

    def numbers(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        averages = metrics.average_scores(self.scores)
        numbers = {
            "weighted_f1": weighted_f1(self.counts),
            "weighted_f1_interval": asdict(self.interval),
            "macro_f1": averages.loc["macro avg", "f1"],
            "accuracy": metrics.accuracy(self.counts),
            "calibration_error": metrics.expected_calibration_error(self.bins),
            "mean_average_precision": self.curves[1].mean(),
            "samples": len(self.predictions),
            "people": self.known_subjects,
            "people_unknown": self.interval.unknown,
            "per_gesture": self.scores.to_dict("index"),
            "per_source": self.sources.set_index("source")[["samples", "accuracy", "weighted_f1"]].to_dict("index"),
            "without_samples": self.without_samples,
        }
        if self.unknown:
            known = self.outcomes.truths < len(self.predictions.gestures)
            numbers["unknown_to_checkpoint"] = self.unknown
            numbers["weighted_f1_of_known_gestures"] = weighted_f1(self.outcomes.confusion(known))
        if self.data.hands.points is not None:
            numbers["missed"] = self.missed
            numbers["weighted_f1_of_found_hands"] = self.weighted_f1_of_found
        if self.data.split_by:
            numbers["split_by"] = self.data.split_by
        ready: dict[str, Any] = metrics.json_ready(numbers)
        return ready
