"""The cells of a confusion matrix, and the samples in them, by source, subject and whether they are errors.

All of it is integer codes in memory, so that a cell of 100,000 samples is found within milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.active_learning.diagnosis.confusions import read_errors
from static_gesture_classification.evaluation.metrics import Integers, confusion_counts
from static_gesture_classification.evaluation.predictions import NO_PREDICTION, Predictions
from static_gesture_classification.gestures import Vocabulary

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cell:
    """Which samples; None stands for all.

    Args:
        gesture: what they show.
        prediction: what they are taken for; "" where no hand was found.
        source, subject: where they come from; the subject is "" where unknown.
        only_errors: leaves out what is right.
    """

    gesture: str | None = None
    prediction: str | None = None
    source: str | None = None
    subject: str | None = None
    only_errors: bool = False

    @property
    def title(self) -> str:
        """`TWO taken for THREE`, `all taken for THREE`, `all TWO`, `all samples`.

        >>> Cell("TWO", "THREE").title, Cell("TWO", "").title, Cell(prediction="THREE").title
        ('TWO taken for THREE', 'TWO, no hand found', 'all taken for THREE')
        """
        shown = self.gesture or ("all" if self.prediction is not None else "all samples")
        if self.prediction is None:
            return f"all {shown}" if self.gesture else shown
        if self.prediction == NO_PREDICTION:
            return f"{shown}, no hand found"
        return f"{shown}, recognised" if self.prediction == self.gesture else f"{shown} taken for {self.prediction}"


class PredictedSamples:
    """A predictions table, ready to be looked at cell by cell.

    Args:
        predictions: n predictions.

    Attributes:
        frame: their rows without probabilities.
        labels: rows and columns of the matrix: the gestures in class order, then others that occur, "" last.
    """

    def __init__(self, predictions: Predictions) -> None:
        self.predictions = predictions
        probabilities = [name for name in predictions.table.column_names if name.startswith("probability_")]
        self.frame = predictions.table.drop_columns(probabilities).to_pandas()
        occurring = set(self.frame["gesture"]) | set(self.frame["prediction"])
        others = sorted(occurring - set(predictions.gestures), key=lambda label: (label == NO_PREDICTION, label))
        self.labels = (*predictions.gestures, *others)
        self._truths = self._codes("gesture", self.labels)
        self._predicted = self._codes("prediction", self.labels)
        self.sources = tuple(sorted(set(self.frame["source"])))
        self.subjects = tuple(sorted(set(self.frame["subject"])))
        self._sources, self._subjects = self._codes("source", self.sources), self._codes("subject", self.subjects)
        self._scores = self.frame["score"].to_numpy()
        self._probabilities = predictions.probabilities

    @classmethod
    def read(cls, path: Path, vocabulary: Vocabulary) -> PredictedSamples:
        """From a file; samples of test are refused (see `read_errors`)."""
        return cls(read_errors(path, vocabulary))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def is_wrong(self) -> Booleans:
        """Which predictions are errors: bool (n,)."""
        wrong: Booleans = self._truths != self._predicted
        return wrong

    def rows(self, cell: Cell) -> Integers:
        """The rows of a cell, highest score first."""
        chosen = self._select(cell)
        for codes, label in ((self._truths, cell.gesture), (self._predicted, cell.prediction)):
            if label is not None:
                chosen &= codes == self._code(self.labels, label)
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-self._scores[rows], kind="stable")]

    def counts(self, cell: Cell) -> Integers:
        """Samples by gesture (rows) and prediction (columns), of the cell's source and subject: (labels, labels)."""
        chosen = self._select(cell)
        return confusion_counts(self._truths[chosen], self._predicted[chosen], len(self.labels))

    def errors_by(self, column: str, cell: Cell) -> Iterator[tuple[str, int, int]]:
        """Each source or subject with its errors and its samples, most errors first; of the cell's other one."""
        names, codes = (self.sources, self._sources) if column == "source" else (self.subjects, self._subjects)
        others = Cell(source=cell.source) if column == "subject" else Cell()
        chosen = self._select(others)
        samples = np.bincount(codes[chosen], minlength=len(names))
        errors = np.bincount(codes[chosen & self.is_wrong], minlength=len(names))
        for position in np.lexsort((-samples, -errors)).tolist():
            if samples[position]:
                yield names[position], int(errors[position]), int(samples[position])

    def probabilities_of(self, row: int) -> dict[str, float]:
        """The probability of each gesture for a sample."""
        return dict(zip(self.predictions.gestures, self._probabilities[row].tolist(), strict=True))

    def _select(self, cell: Cell) -> Booleans:
        chosen = self.is_wrong.copy() if cell.only_errors else np.ones(len(self), bool)
        if cell.source is not None:
            chosen &= self._sources == self._code(self.sources, cell.source)
        if cell.subject is not None:
            chosen &= self._subjects == self._code(self.subjects, cell.subject)
        return chosen

    def _codes(self, column: str, names: tuple[str, ...]) -> Integers:
        codes: Integers = pd.Index(names, dtype=object).get_indexer(self.frame[column]).astype(np.int64)
        return codes

    @staticmethod
    def _code(names: tuple[str, ...], name: str) -> int:
        return names.index(name) if name in names else -1
