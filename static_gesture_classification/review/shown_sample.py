"""A sample as the pages show it, and lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from static_gesture_classification.active_learning.diagnosis.cells import PredictedSamples
from static_gesture_classification.active_learning.labels.suggestions import Suggestion
from static_gesture_classification.active_learning.planning.plan_file import Example
from static_gesture_classification.evaluation.metrics import Integers
from static_gesture_classification.review.decisions import DecidedSample
from static_gesture_classification.samples import BOX, image_path


@dataclass(frozen=True)
class ShownSample:
    """A sample.

    Args:
        sample: its id.
        gesture: its label, in the table that is shown.
        root, image, box: where it is.
        source, subject, session, hand, split: what is known of it.
        prediction: what the model takes it for; None where that is not known, "" where no hand was found.
        score: of the prediction.
        probabilities: by gesture.
        suggested: what it looks like, to a search for wrong labels.
        remark: what else is to be said.
    """

    sample: str
    gesture: str
    root: str
    image: str
    box: tuple[float, float, float, float]
    source: str = ""
    subject: str = ""
    session: str = ""
    hand: str = ""
    split: str = ""
    prediction: str | None = None
    score: float = 0.0
    probabilities: Mapping[str, float] = field(default_factory=dict)
    suggested: str = ""
    remark: str = ""

    @property
    def path(self) -> Path:
        """Its image."""
        return image_path(self.root, self.image)

    @property
    def title(self) -> str:
        """Label and prediction, in words."""
        if self.suggested:
            return f"labelled {self.gesture}, looks like {self.suggested}"
        if self.prediction is None or self.prediction == self.gesture:
            return self.gesture if self.prediction is None else f"{self.gesture}, recognised"
        return f"{self.gesture} taken for {self.prediction}" if self.prediction else f"{self.gesture}, no hand found"

    @property
    def in_short(self) -> str:
        """Label, and prediction where it differs, for a small place."""
        if self.prediction is None or self.prediction == self.gesture:
            return self.gesture
        return f"{self.gesture} \u2192 {self.prediction or 'no hand'}"

    @property
    def to_decide_on(self) -> DecidedSample:
        """What a decision is about."""
        example = Example(self.sample, self.image, self.root, self.box)
        return DecidedSample(self.sample, self.gesture, self.prediction or "", example)


class SampleList(Protocol):
    """Samples in the order in which they are shown; each is made when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> ShownSample: ...


@dataclass(frozen=True)
class PredictedList:
    """Some rows of a predictions table."""

    table: PredictedSamples
    rows: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> ShownSample:
        row = int(self.rows[position])
        return from_row(self.table.frame.iloc[row], self.table.probabilities_of(row))


@dataclass(frozen=True)
class RowList:
    """Rows of a sample table."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, position: int) -> ShownSample:
        return from_row(self.frame.iloc[position])


def from_row(row: Mapping[Any, Any] | pd.Series, probabilities: Mapping[str, float] | None = None) -> ShownSample:
    """A row of a sample or predictions table."""
    x1, y1, x2, y2 = (float(row[name]) for name in BOX)
    known = {name: str(row[name]) for name in ("source", "subject", "session", "hand", "split")}
    return ShownSample(
        sample=str(row["sample_id"]),
        gesture=str(row["gesture"]),
        root=str(row["root"]),
        image=str(row["image"]),
        box=(x1, y1, x2, y2),
        prediction=str(row["prediction"]) if "prediction" in row else None,
        score=float(row.get("score", 0.0)),
        probabilities=probabilities or {},
        **known,
    )


def in_doubt(suggestions: Sequence[Suggestion], samples: pd.DataFrame) -> Iterator[ShownSample]:
    """Suggested label fixes as samples; those that the sample table no longer has are left out.

    Args:
        suggestions: most doubtful first.
        samples: the sample table.
    """
    places = pd.Index(samples["sample_id"]).get_indexer([each.sample for each in suggestions])
    rows = iter(samples.iloc[places[places >= 0]].to_dict("records"))
    for suggestion, place in zip(suggestions, places.tolist(), strict=True):
        if place >= 0:
            published, looks_like = suggestion.published, suggestion.to
            yield replace(from_row(next(rows)), gesture=published, suggested=looks_like, remark=suggestion.why)
