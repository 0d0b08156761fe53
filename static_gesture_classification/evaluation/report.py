"""What an evaluation leaves behind: numbers, tables, figures, predictions. One `Scored` set per split.

metrics.json                          weighted_f1 and per_gesture of the main split, then every split in full
predictions/<split>.parquet, .embeddings.npy
tables/<split>_<table>.csv            what `dvc plots` draws, and everything else worth reading as a table
figures/<split>/<figure>.png, figures/<split>/errors/<gesture>_taken_for_<prediction>.png, <gesture>_no_hand_found.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.evaluation import figures, metrics
from static_gesture_classification.evaluation.error_grids import error_grids
from static_gesture_classification.evaluation.evaluation_set import EvaluationSet
from static_gesture_classification.evaluation.metrics import Interval, Outcomes
from static_gesture_classification.evaluation.predictions import Predictions, embeddings_path, write_predictions
from static_gesture_classification.samples import person_of

METRICS, PREDICTIONS, TABLES, FIGURES = "metrics.json", "predictions", "tables", "figures"
VERSION = 1


@dataclass(frozen=True)
class Scored:
    """A set of samples, what the classifier said about them, and the numbers that follow.

    Args:
        data: the samples and crops.
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
        return metrics.confusion_counts(self.outcomes.truths, self.outcomes.predictions, len(self.outcomes.labels))

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
        """Scores per person, worst first."""
        return metrics.breakdown(self.outcomes, ["source", "subject"])

    @property
    def people(self) -> int:
        """How many people who are known the samples show."""
        told = pd.DataFrame({"source": self.outcomes.sources, "subject": self.outcomes.subjects})
        return int(person_of(told[told["subject"] != ""]).nunique())

    @property
    def weighted_f1(self) -> float:
        """Weighted F1 over all gestures."""
        return metrics.weighted_f1(self.counts)

    @property
    def unknown(self) -> dict[str, int]:
        """Samples of gestures that the classifier does not know, by gesture; all of them count as errors."""
        known = len(self.predictions.gestures)
        supports = zip(self.outcomes.labels[known:], self.counts.sum(1)[known:], strict=True)
        return {label: int(support) for label, support in supports if label != metrics.NO_HAND}

    @property
    def missed(self) -> int:
        """Samples of which there is no prediction, since no hand was found; all of them count as errors."""
        return int((~self.predictions.found).sum())

    @property
    def weighted_f1_of_found(self) -> float:
        """Weighted F1 over the samples of which there is a prediction."""
        found = self.predictions.found
        classes = len(self.outcomes.labels)
        return metrics.weighted_f1(
            metrics.confusion_counts(self.outcomes.truths[found], self.outcomes.predictions[found], classes)
        )

    @property
    def without_samples(self) -> list[str]:
        """Gestures that the classifier knows and no sample shows; they take no part in averages."""
        return [str(name) for name in self.scores.index[self.scores["support"] == 0]]

    def numbers(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        averages = metrics.average_scores(self.scores)
        known = len(self.predictions.gestures)
        seen = self.outcomes.truths < known
        known_only = metrics.confusion_counts(
            self.outcomes.truths[seen], self.outcomes.predictions[seen], len(self.outcomes.labels)
        )
        numbers = {
            "weighted_f1": self.weighted_f1,
            "weighted_f1_interval": asdict(self.interval),
            "macro_f1": averages.loc["macro avg", "f1"],
            "accuracy": metrics.accuracy(self.counts),
            "calibration_error": metrics.expected_calibration_error(self.bins),
            "mean_average_precision": self.curves[1].mean(),
            "samples": len(self.predictions),
            "people": self.people,
            "people_unknown": self.interval.unknown,
            "per_gesture": self.scores.to_dict("index"),
            "per_source": self.sources.set_index("source")[["samples", "accuracy", "weighted_f1"]].to_dict("index"),
            "without_samples": self.without_samples,
        }
        if self.unknown:
            numbers["unknown_to_checkpoint"] = self.unknown
            numbers["weighted_f1_of_known_gestures"] = metrics.weighted_f1(known_only)
        if self.data.points is not None:
            numbers["missed"] = self.missed
            numbers["weighted_f1_of_found_hands"] = self.weighted_f1_of_found
        if self.data.split_by:
            numbers["split_by"] = self.data.split_by
        ready: dict[str, Any] = metrics.json_ready(numbers)
        return ready


def main_split(scored: Sequence[Scored]) -> Scored:
    """The set whose scores stand at the top of metrics.json: test where it was evaluated, else the first."""
    return next((each for each in scored if each.name == "test"), scored[0])


def write_report(scored: Sequence[Scored], output: Path) -> None:
    """Write everything about the sets; metrics.json last.

    Raises:
        OutputError: read-only folder, full disk; what is there already stays whole.
    """
    for each in scored:
        write_predictions(each.predictions, output / PREDICTIONS / f"{each.name}.parquet")
        write_tables(each, output / TABLES)
        write_figures(each, output / FIGURES / each.name)
    write_json(output / METRICS, all_numbers(scored))


def all_numbers(scored: Sequence[Scored]) -> dict[str, Any]:
    """The content of metrics.json."""
    splits = {each.name: each.numbers() for each in scored}
    top = splits[main_split(scored).name]
    return {
        "weighted_f1": top["weighted_f1"],
        "per_gesture": {
            gesture: {name: values[name] for name in ("precision", "recall", "f1", "support")}
            for gesture, values in top["per_gesture"].items()
        },
        "split": main_split(scored).name,
        **splits,
    }


def write_tables(scored: Scored, folder: Path) -> None:
    """Write what is known about a set as CSV files."""
    labels = np.asarray(scored.outcomes.labels, dtype=object)
    outcomes = {"gesture": labels[scored.outcomes.truths], "prediction": labels[scored.outcomes.predictions]}
    counts = pd.DataFrame(scored.counts, index=pd.Index(labels, name="gesture"), columns=labels)
    tables = {
        "outcomes": pd.DataFrame(outcomes),
        "confusion": counts.reset_index(),
        "per_gesture": scored.scores.reset_index(),
        "precision_recall": scored.curves[0],
        "calibration": scored.bins[scored.bins["samples"] > 0],
        "per_source": scored.sources,
        "per_subject": scored.subjects,
        "error_pairs": scored.pairs,
    }
    for name, table in tables.items():
        write_text(folder / f"{scored.name}_{name}.csv", table.to_csv(index=False, float_format="%.6g"))


def write_figures(scored: Scored, folder: Path) -> None:
    """Draw a set's figures and its grids of errors; grids of pairs that no longer occur are removed."""
    name = f"{scored.name}: weighted F1 {scored.weighted_f1:.3f}"
    error = metrics.expected_calibration_error(scored.bins)
    drawn: dict[str, Any] = {
        "confusion_matrix": figures.confusion_matrix(scored.counts, scored.outcomes.labels, name),
        "per_gesture": figures.gesture_bars(scored.scores, name),
        "precision_recall": figures.precision_recall(*scored.curves, name),
        "reliability": figures.reliability(scored.bins, error, scored.name),
    }
    for title, figure in drawn.items():
        figures.write_figure(figure, folder / f"{title}.png")
    written = set()
    for title, grid in error_grids(scored.predictions, scored.data.crops, scored.data.rows):
        figures.write_figure(grid, folder / "errors" / f"{title}.png")
        written.add(f"{title}.png")
    for path in (folder / "errors").glob("*.png"):
        if path.name not in written:
            path.unlink()


def remove_other_splits(scored: Sequence[Scored], output: Path, splits: Sequence[str]) -> None:
    """Remove what an earlier evaluation left about splits that have no samples any more."""
    for split in set(splits) - {each.name for each in scored}:
        table = output / PREDICTIONS / f"{split}.parquet"
        gone = [table, embeddings_path(table), *(output / TABLES).glob(f"{split}_*.csv")]
        gone += (output / FIGURES / split).rglob("*.png")
        for path in gone:
            path.unlink(missing_ok=True)
