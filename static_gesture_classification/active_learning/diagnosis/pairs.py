"""Error pairs: every directed pair (gesture, prediction), its frequency, subjects and cost.

The cost of a pair is the weighted F1 at stake:

    at_stake(g, p) = F(C') - F(C),    C' = C, but with the C[g, p] samples of the pair moved to C[g, g]

where C is the confusion matrix (rows: ground truth) and F its weighted F1, the mean of all gestures' F1 weighted by
their samples. It counts both ends of an error, the recall of g and the precision of p, so it is comparable over pairs.
The stakes of two pairs do not add up exactly.

A hand that was not found is no confusion. Models of landmarks miss some; their prediction is "". These samples are
listed apart, by gesture, with the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from static_gesture_classification.evaluation.metrics import LEVEL, Integers, Interval, confusion_counts
from static_gesture_classification.evaluation.predictions import NO_PREDICTION, Predictions
from static_gesture_classification.evaluation.resampling_units import PICTURE, SAMPLE, SUBJECT
from static_gesture_classification.samples import group_of
from static_gesture_classification.training.scores import weighted_f1

MOST_SHARE = 0.5  # share of a pair's samples above which one subject or source is named
MORE_SHARE = 1.25  # times its share of the gesture's samples that a source must have of the errors
LONGEST_NAME = 12
DRAWS = 2_000_000  # numbers at a time, which bounds the memory


@dataclass(frozen=True)
class Part:
    """One source's or subject's share of a pair.

    Args:
        source, subject: names; the subject is "" for a whole source, and for all unknown subjects.
        count: samples with the error.
        support: samples of the gesture.
    """

    source: str
    subject: str
    count: int
    support: int

    @property
    def rate(self) -> float:
        """Share of its samples of the gesture that have the error."""
        return self.count / self.support


@dataclass(frozen=True)
class ErrorPair:
    """One directed pair.

    Args:
        gesture: the ground truth.
        prediction: what it was taken for; "" where no hand was found.
        count: samples with the error.
        support: samples of the gesture.
        rate: their ratio.
        interval: of the rate, over subjects as far as they are known (see `resampling_units`).
        f1_at_stake: see the module.
        sources: those that show the gesture, most errors first.
        subjects: those who have the error, most errors first.
        shown_by: how many subjects show the gesture.
        rows: (count,) rows of the predictions table, highest score first.
    """

    gesture: str
    prediction: str
    count: int
    support: int
    rate: float
    interval: Interval
    f1_at_stake: float
    sources: tuple[Part, ...]
    subjects: tuple[Part, ...]
    shown_by: int
    rows: Integers

    @property
    def title(self) -> str:
        """`TWO taken for THREE`, `TWO not found`."""
        return f"{self.gesture} taken for {self.prediction}" if self.prediction else f"{self.gesture} not found"

    @property
    def name(self) -> str:
        """The same for a file: `TWO_taken_for_THREE`, `TWO_not_found`."""
        return f"{self.gesture}_taken_for_{self.prediction}" if self.prediction else f"{self.gesture}_not_found"

    @property
    def whereabouts(self) -> str:
        """Where the errors come from: the subject with most of them, else the number of subjects, and the source.

        A source is named where it has more of the errors than of the gesture's samples.
        """
        first, source = self.subjects[0], self.sources[0]
        several = len(self.sources) > 1
        unknown = sum(part.count for part in self.subjects if not part.subject)
        if unknown > MOST_SHARE * self.count:
            some = "" if unknown == self.count else f"{unknown:,} of {self.count:,} "
            return f"{some}from unknown people"
        name = short_subject_name(first.source, first.subject) if several else shorten(first.subject)
        if self.shown_by == 1:
            return f"all from {name}, alone in showing it"
        if first.count == self.count:
            return f"all from {name}" if self.count > 1 else f"from {name}"
        if first.count > max(1, MOST_SHARE * self.count):
            return f"{first.count:,} of {self.count:,} from {name}"
        spread = f"{sum(part.count > 0 for part in self.subjects if part.subject):,} people"
        if several and source.count / self.count > max(MOST_SHARE, MORE_SHARE * source.support / self.support):
            most = "all" if source.count == self.count else f"{source.count:,} of {self.count:,}"
            return f"{spread}, {most} in {source.source}"
        return spread


@dataclass(frozen=True)
class Confusions:
    """All errors of a predictions table.

    Args:
        predictions: the table.
        weighted_f1: of all samples; NaN without any.
        pairs: most weighted F1 at stake first.
        not_found: one for each gesture with hands that were not found.
    """

    predictions: Predictions
    weighted_f1: float
    pairs: tuple[ErrorPair, ...]
    not_found: tuple[ErrorPair, ...]

    @property
    def errors(self) -> tuple[ErrorPair, ...]:
        """Pairs and hands not found, most weighted F1 at stake first."""
        return tuple(sorted((*self.pairs, *self.not_found), key=_worst_first))


def find_confusions(predictions: Predictions, resamples: int, seed: int) -> Confusions:
    """All errors of a predictions table.

    Args:
        predictions: n predictions, n >= 0.
        resamples: for the rates' intervals.
        seed: of the resampling.
    """
    columns = ["gesture", "prediction", "score", "source", "subject", "session", "image"]
    frame = predictions.table.select(columns).to_pandas()
    frame["unit"] = group_of(frame)
    labels = sorted(set(frame["gesture"]) | set(frame["prediction"]) | set(predictions.gestures))
    index = {label: position for position, label in enumerate(labels)}
    truths, predicted = (frame[name].map(index).to_numpy(np.int64) for name in ("gesture", "prediction"))
    counts = confusion_counts(truths, predicted, len(labels))
    wrong = counts * ~np.eye(len(labels), dtype=bool)
    errors = []
    for truth in np.flatnonzero(wrong.any(axis=1)):
        own = frame[truths == truth]
        for pair in _errors_of(own, [labels[column] for column in np.flatnonzero(wrong[truth])], resamples, seed):
            errors.append(replace(pair, f1_at_stake=f1_at_stake(counts, int(truth), index[pair.prediction])))
    errors.sort(key=_worst_first)
    pairs = tuple(error for error in errors if error.prediction != NO_PREDICTION)
    not_found = tuple(error for error in errors if error.prediction == NO_PREDICTION)
    return Confusions(predictions, weighted_f1(counts), pairs, not_found)


def f1_at_stake(counts: Integers, truth: int, prediction: int) -> float:
    """Weighted F1 that would be gained if the samples of one cell were right; see the module.

    Args:
        counts: confusion matrix (L, L), rows are the ground truth.
        truth, prediction: the cell.
    """
    mended = counts.copy()
    mended[truth, truth] += mended[truth, prediction]
    mended[truth, prediction] = 0
    return weighted_f1(mended) - weighted_f1(counts)


def rate_intervals(errors: Integers, supports: Integers, resamples: int, seed: int, unknown: int = 0) -> list[Interval]:
    """Percentile bootstrap intervals of error rates; subjects are drawn with replacement (`weighted_f1_interval`).

    With a single subject, samples are drawn, and the interval says nothing about others; `unit` says which was drawn.

    Args:
        errors: (subjects, pairs), how many samples of each subject have each error.
        supports: (subjects,), samples of each subject, above 0.
        unknown: samples without a subject; each of their recordings and pictures is a row.
    """
    several = PICTURE if unknown else SUBJECT
    unit, units = (several, len(supports)) if len(supports) > 1 else (SAMPLE, int(supports[0]))
    about = (LEVEL, unit, units, resamples, unknown)
    if not resamples:
        return [Interval(math.nan, math.nan, *about)] * errors.shape[1]
    random = np.random.default_rng(seed)
    if unit == SAMPLE:
        rates = random.binomial(units, errors[0] / units, size=(resamples, errors.shape[1])) / units
    else:
        # Most of many subjects have equal rows: how often such a row is drawn is drawn at once.
        rows, alike = np.unique(np.column_stack([errors, supports]), axis=0, return_counts=True)
        chunk = max(1, DRAWS // len(rows))
        sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
        totals = np.concatenate([random.multinomial(units, alike / units, size=size) @ rows for size in sizes])
        rates = totals[:, :-1] / totals[:, -1:]
    ends = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(float(low), float(high), *about) for low, high in ends.T]


def short_subject_name(source: str, subject: str) -> str:
    """A subject for a table: `Subject3 of hands`; long names are cut, the files have them whole."""
    return f"{shorten(subject.removeprefix(f'{source}/'))} of {source}"


def shorten(name: str) -> str:
    """A name that fits a table's cell: published ones may be hashes of 64 digits."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]}..."


def _errors_of(own: pd.DataFrame, predictions: Sequence[str], resamples: int, seed: int) -> Iterator[ErrorPair]:
    """The errors of one gesture's samples: one per wrong prediction, without `f1_at_stake`."""
    wrong = {f"wrong {name}": (own["prediction"] == name).to_numpy() for name in predictions}
    columns = ["support", *wrong]
    table = own[["source", "subject", "unit"]].join(pd.DataFrame({"support": 1, **wrong}, index=own.index))
    subjects = table.groupby(["source", "subject"], sort=True)[columns].sum().reset_index()
    sources = subjects.groupby("source", sort=True)[columns].sum().reset_index()
    units = table.groupby("unit", sort=True)[columns].sum().to_numpy(np.int64)
    unknown = int((own["subject"] == "").sum())
    intervals = rate_intervals(units[:, 1:], units[:, 0], resamples, seed, unknown)
    for prediction, (column, mask), interval in zip(predictions, wrong.items(), intervals, strict=True):
        errors = own[mask].sort_values("score", ascending=False, kind="stable")
        yield ErrorPair(
            gesture=str(errors["gesture"].iloc[0]),
            prediction=prediction,
            count=len(errors),
            support=len(own),
            rate=len(errors) / len(own),
            interval=interval,
            f1_at_stake=math.nan,
            sources=tuple(_parts(sources, column)),
            subjects=tuple(_parts(subjects[subjects[column] > 0], column)),
            shown_by=len(subjects),
            rows=errors.index.to_numpy(np.int64),
        )


def _parts(sums: pd.DataFrame, column: str) -> Iterator[Part]:
    ordered = sums.sort_values(column, ascending=False, kind="stable")
    subjects = ordered["subject"].tolist() if "subject" in ordered else [""] * len(ordered)
    yield from map(Part, ordered["source"].tolist(), subjects, ordered[column].tolist(), ordered["support"].tolist())


def _worst_first(error: ErrorPair) -> tuple[float, int, str]:
    return (-error.f1_at_stake, -error.count, error.name)
