"""Where the user stands: what data there is, which models, what they get wrong, and what to do next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.evaluation.metrics import confusion_counts, error_pairs, outcomes_of
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.review.review import Review
from static_gesture_classification.samples import read_rows
from static_gesture_classification.sources.recorded import SESSION_FILE, readable_sessions
from static_gesture_classification.training.checkpoint import read_checkpoint
from static_gesture_classification.workspace import Workspace

StepName = Literal["data", "model", "errors", "record", "retrain", "use"]
FULL, QUICK, ADDED = "full", "quick", "with a gesture of your own"
OWN_SOURCES = {"synthetic", "synthetic_landmarks", "recorded", "in_use"}  # of hands that are drawn, or recorded here


@dataclass(frozen=True)
class Model:
    """A checkpoint that can be used.

    Args:
        kind: full, quick, or with a gesture of your own.
        gestures: that it tells apart.
        score: weighted F1 on val; None if unknown.
        made: when, seconds since 1970.
    """

    kind: str
    gestures: tuple[str, ...]
    score: float | None
    made: float


@dataclass(frozen=True)
class WorstPair:
    """The commonest error of the newest predictions on val."""

    gesture: str
    taken_for: str
    errors: int
    support: int


@dataclass(frozen=True)
class Sessions:
    """What is recorded.

    Args:
        pictures: by gesture.
        count: of sessions.
        newest: when the last one was written, seconds since 1970.
    """

    pictures: dict[str, int] = field(default_factory=dict)
    count: int = 0
    newest: float = 0.0


@dataclass(frozen=True)
class Standing:
    """Where the user stands.

    Args:
        samples: by source, of the newest index.
        sessions: what is recorded.
        models: newest first.
        worst: None where there are no predictions, or no error.
        has_predictions: whether there are predictions on val.
        hand_finder: whether the detector's model file is there.
        digits: whether the sign-language digits are there.
    """

    samples: dict[str, int]
    sessions: Sessions
    models: tuple[Model, ...]
    worst: WorstPair | None
    has_predictions: bool
    hand_finder: bool
    digits: bool

    @property
    def has_photographs(self) -> bool:
        """Whether the newest index has hands that were neither drawn nor recorded here."""
        return bool(self.samples.keys() - OWN_SOURCES)

    @property
    def unlearned(self) -> dict[str, int]:
        """Pictures of recorded gestures that no model knows."""
        known = {name for model in self.models for name in model.gestures}
        return {name: count for name, count in self.sessions.pictures.items() if name not in known}

    @property
    def waits_for_training(self) -> bool:
        """Whether something was recorded since the newest model was made."""
        return bool(self.models) and self.sessions.newest > self.models[0].made

    @property
    def next(self) -> StepName:
        """What to do next."""
        if not self.models:
            return "model"
        if self.waits_for_training:
            return "retrain"
        return "errors" if self.sessions.count and self.worst else "record"


def survey(review: Review) -> Standing:
    """Look at what there is; what has not changed since is not read again."""
    settings, tables = review.settings, review.tables
    newest = max((review.quick, review.workspace), key=lambda place: _age(place.index_table))
    predictions = max((each.predictions("val") for each in (review.quick, review.workspace)), key=_age)
    recorded = sorted(settings.recorded.glob(f"*/{SESSION_FILE}"))
    models = [
        *(_find_promoted(kind, place, review) for kind, place in ((FULL, review.workspace), (QUICK, review.quick))),
        _find_added(settings.added, review),
    ]
    there = sorted((model for model in models if model is not None), key=lambda model: -model.made)
    has_predictions = predictions.is_file()
    return Standing(
        tables.of(newest.index_table, _samples, newest.index_table) if newest.index_table.is_file() else {},
        tables.of(recorded, _sessions, settings.recorded, tuple(recorded)),
        tuple(there),
        tables.of(predictions, worst_pair, predictions) if has_predictions else None,
        has_predictions,
        settings.hand_finder is None or settings.hand_finder.is_file(),
        settings.digits.is_dir() and any(settings.digits.glob("[!.]*")),
    )


def _age(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _samples(table: Path) -> dict[str, int]:
    return {str(name): int(count) for name, count in read_rows(table, ["source"])["source"].value_counts().items()}


def _sessions(root: Path, files: tuple[Path, ...]) -> Sessions:
    pictures: Counter[str] = Counter()
    for session in readable_sessions(root, [path.parent.name for path in files]):
        pictures.update(image.gesture or session.gesture for image in session.images)
    return Sessions(dict(pictures), len(files), max(map(_age, files), default=0.0))


def _find_promoted(kind: str, place: Workspace, review: Review) -> Model | None:
    record = read_checkpoint_record(place.best.with_suffix(".json")) if place.best.is_file() else None
    if record is None:
        return None
    names = tuple((record.get("gestures") or {}).get("names", ()))
    return Model(kind, names, (record.get("scores") or {}).get("weighted_f1"), _age(place.best))


def _find_added(path: Path, review: Review) -> Model | None:
    if not path.is_file():
        return None
    return review.tables.of(path, _read_added, path)


def _read_added(path: Path) -> Model:
    names = tuple(read_checkpoint(path)["gestures"]["names"])
    return Model(ADDED, names, None, _age(path))


def worst_pair(predictions: Path) -> WorstPair | None:
    """The commonest error of a predictions table; None where there is none.

    Raises:
        DataError: the table is damaged.
    """
    outcomes = outcomes_of(read_predictions(predictions))
    counts = confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels))
    pairs = error_pairs(counts, outcomes.labels)
    if pairs.empty:
        return None
    first = pairs.iloc[0]
    shown = int(counts[outcomes.labels.index(first["gesture"])].sum())
    return WorstPair(str(first["gesture"]), str(first["prediction"]), int(first["count"]), shown)
