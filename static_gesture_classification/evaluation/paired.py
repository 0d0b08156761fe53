"""Two classifiers on the same samples: how their scores differ, and what of that is more than chance.

What differs between one test set and the next is the people, so people are drawn with replacement, the same ones for
both classifiers (paired cluster bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). A sample
that both get right or wrong then tells nothing, as it should.

A gesture counts as harmed where all of these hold:

1. its F1 falls by more than a set amount: less does not matter to anyone;
2. the 95 % interval of that difference lies below 0: other people would show the loss too;
3. exchanging the two answers to random samples hardly ever gives such a loss (randomisation test; Yeh, "More accurate
   tests for the statistical significance of result differences", COLING 2000; at 5 % for all gestures together): the
   bootstrap alone takes the few samples of a rare gesture for all there are, so two of two lost would be certain.

A draw that holds no sample of a gesture shows no loss of it, so one person alone cannot condemn a classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.evaluation.metrics import LEVEL, Doubles, Integers, Interval, resampled_totals
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.evaluation.units import SAMPLE, in_words, units_of

EXCHANGES = 4000  # of the randomisation test
PAIR_COUNTS = ("support", "errors_before", "errors_after", "rate_before", "rate_after", "fixed", "made")


@dataclass(frozen=True)
class Pairing:
    """Ground truth of n samples and what two classifiers said about them, as class indices.

    Args:
        labels: L gestures: those of the classifiers, then those that only the data knows.
        truths: (n,) indices into `labels`.
        before, after: (n,) indices into `labels`; L where there is no prediction (no hand was found).
        sources, subjects: (n,) names, as in the sample table; a subject is "" where nobody knows who it is.
        unit: what the subjects are: "subject", a person; or "session", where only sessions are kept apart.
        sessions: (n,) likewise; None where they are not known.
    """

    labels: tuple[str, ...]
    truths: Integers
    before: Integers
    after: Integers
    sources: npt.NDArray[np.object_]
    subjects: npt.NDArray[np.object_]
    unit: str = "subject"
    sessions: npt.NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.truths)

    def chosen(self, rows: npt.NDArray[Any]) -> Pairing:
        """Some of the samples."""
        columns = {name: getattr(self, name)[rows] for name in ("truths", "before", "after", "sources", "subjects")}
        return replace(self, **columns, sessions=None if self.sessions is None else self.sessions[rows])


@dataclass(frozen=True)
class Change:
    """How much the second classifier's weighted F1 differs from the first one's, and each gesture's F1.

    Args:
        before, after: weighted F1.
        interval: of after minus before.
        gestures: indexed by gesture: support, before, after, difference, low, high (F1, and the interval of its
            difference; NaN without samples), lost, gained (its samples that turned wrong and right), chance (of such
            a loss where both are equally good), harmed (see the module's text).
        samples, people: how many were compared (of the interval's units, where those are not people).
    """

    before: float
    after: float
    interval: Interval
    gestures: pd.DataFrame
    samples: int
    people: int

    @property
    def difference(self) -> float:
        """Weighted F1 after minus before."""
        return self.after - self.before

    @property
    def harmed(self) -> pd.DataFrame:
        """The gestures that got worse beyond the set amount and chance, worst first."""
        return self.gestures[self.gestures["harmed"]].sort_values("difference", kind="stable")

    def as_json(self) -> dict[str, Any]:
        """Plain values; NaN is for `metrics.json_ready` to replace."""
        return {
            "weighted_f1_before": self.before,
            "weighted_f1_after": self.after,
            "difference": self.difference,
            "interval": asdict(self.interval),
            "samples": self.samples,
            "people": self.people,
            "per_gesture": self.gestures.to_dict("index"),
        }


@dataclass(frozen=True)
class Verdict:
    """Whether the second classifier should take the first one's place, and why, in words."""

    promote: bool
    reason: str


def verdict(changed: Change, split: str) -> Verdict:
    """Promote what scores higher and harms no gesture; `split` is the name of what both were scored on."""
    scores = f"weighted F1 on {split} {changed.before:.4f} -> {changed.after:.4f} ({span(changed.interval)})"
    if not changed.difference > 0:
        return Verdict(False, f"{scores}: not better")
    if len(changed.harmed):
        return Verdict(False, f"{scores}, but it recognises {harm(changed)}")
    likely = "better" if changed.interval.low > 0 else "better, though by no more than chance explains"
    return Verdict(True, f"{scores}: {likely}, and no gesture is recognised worse beyond chance")


def span(interval: Interval) -> str:
    """The interval of a difference in words: "95% interval of the difference +0.0020 to +0.0204"."""
    narrow = f", {in_words(asdict(interval))}" if interval.unknown else ""
    return f"{interval.level:.0%} interval of the difference {interval.low:+.4f} to {interval.high:+.4f}{narrow}"


def harm(changed: Change) -> str:
    """Which gestures got worse: "OKAY worse (F1 0.91 -> 0.72 on 41 samples)"."""
    worse = [
        f"{gesture} worse (F1 {row['before']:.2f} -> {row['after']:.2f} on {row['support']:,} samples)"
        for gesture, row in changed.harmed.iterrows()
    ]
    return " and ".join(worse)


def paired(before: Predictions, after: Predictions, unit: str = "subject") -> Pairing:
    """Join two predictions tables about the same samples in the same order; the ground truth is that of `after`.

    `unit` is what is resampled: "subject" or "session".
    """
    if not np.array_equal(before.column("sample_id"), after.column("sample_id")):
        raise ValueError("the tables are about different samples, or their order differs")
    truths = after.column("gesture")
    labels = tuple(dict.fromkeys((*after.gestures, *before.gestures, *sorted(set(truths)))))
    index = {label: position for position, label in enumerate(labels)}

    def numbers(names: npt.NDArray[np.object_]) -> Integers:
        return np.array([index.get(name, len(labels)) for name in names], np.int64)

    return Pairing(
        labels,
        numbers(truths),
        numbers(before.column("prediction")),
        numbers(after.column("prediction")),
        after.column("source"),
        after.column(unit),
        unit,
        after.column("session"),
    )


def change(pairing: Pairing, max_gesture_loss: float, resamples: int, seed: int, level: float = LEVEL) -> Change:
    """Compare the two classifiers.

    Args:
        pairing: what they said.
        max_gesture_loss: how much F1 a gesture may lose (0.03 is three points of a hundred).
        resamples: of the people; with a single person, of the samples.
        seed: of the resampling.
        level: of the intervals.
    """
    drawn = units_of(pairing.sources, pairing.subjects, pairing.sessions, pairing.unit)
    statistics = _unit_statistics(pairing, drawn.members, drawn.count)
    before, after, weighted = _scores(statistics.sum(0, keepdims=True))
    gestures = pd.DataFrame(
        {"support": statistics.sum(0)[: len(pairing.labels)].astype(int), "before": before[0], "after": after[0]},
        index=pd.Index(pairing.labels, name="gesture"),
    )
    gestures["difference"] = gestures["after"] - gestures["before"]
    low, high = _intervals(statistics, resamples, seed, level)
    seen = gestures["support"].to_numpy() > 0
    gestures["low"], gestures["high"] = (np.where(seen, ends[:-1], np.nan) for ends in (low, high))
    gestures["lost"], gestures["gained"] = _turned(pairing)
    gestures["chance"] = _chance_of_loss(pairing, seed)
    allowed = (1 - level) / max(1, int(seen.sum()))  # Bonferroni: with many gestures, one always looks worse
    gestures["harmed"] = (
        (gestures["difference"] < -max_gesture_loss) & (gestures["high"] < 0) & (gestures["chance"] < allowed)
    )
    gestures.loc[~seen, ["before", "after", "difference"]] = np.nan
    interval = Interval(float(low[-1]), float(high[-1]), level, drawn.kind, drawn.count, resamples, drawn.unknown)
    people = min(1, len(pairing)) if drawn.kind == SAMPLE else drawn.count
    return Change(float(weighted[0, 0]), float(weighted[0, 1]), interval, gestures, len(pairing), people)


def errors_of_pair(pairing: Pairing, gesture: str, mistaken_for: str | None) -> dict[str, float]:
    """One error before and after: samples of `gesture` that were taken for `mistaken_for` (None: for anything else).

    Returns:
        support; errors and rate before and after; fixed (errors of before that are none after), made (the opposite).
        Rates are NaN without samples of the gesture.
    """
    if gesture not in pairing.labels or (mistaken_for is not None and mistaken_for not in pairing.labels):
        shown = int((pairing.truths == pairing.labels.index(gesture)).sum()) if gesture in pairing.labels else 0
        return _pair_counts(np.zeros((2, shown), bool))
    own = pairing.truths == pairing.labels.index(gesture)
    said = np.stack([pairing.before[own], pairing.after[own]])
    if mistaken_for is None:
        return _pair_counts(said != pairing.labels.index(gesture))
    return _pair_counts(said == pairing.labels.index(mistaken_for))


def _pair_counts(wrong: npt.NDArray[np.bool_]) -> dict[str, float]:
    support, (before, after) = wrong.shape[1], wrong
    errors = (int(before.sum()), int(after.sum()))
    rates = [count / support if support else np.nan for count in errors]
    turned = (int((before & ~after).sum()), int((after & ~before).sum()))
    return dict(zip(PAIR_COUNTS, (support, *errors, *rates, *turned), strict=True))


def _unit_statistics(pairing: Pairing, members: Integers, units: int) -> Doubles:
    """Of each unit and gesture: support, then hits and predicted count before, then after: (units, 5 * gestures)."""
    classes = len(pairing.labels) + 1  # the last: no prediction

    def counted(rows: npt.NDArray[Any], labels: Integers) -> Doubles:
        cells = np.bincount(members[rows] * classes + labels[rows], minlength=units * classes)
        return cells.reshape(units, classes)[:, :-1].astype(np.float64)

    everyone = np.ones(len(pairing), bool)
    counts = [counted(everyone, pairing.truths)]
    for said in (pairing.before, pairing.after):
        counts += [counted(said == pairing.truths, said), counted(everyone, said)]
    return np.concatenate(counts, axis=1)


def _scores(totals: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """F1 per gesture before and after (rows, gestures), 0 without samples; weighted F1 of both (rows, 2)."""
    support, hits_before, predicted_before, hits_after, predicted_after = np.split(totals, 5, axis=1)
    before, after = _f1(hits_before, support, predicted_before), _f1(hits_after, support, predicted_after)
    weights = support / np.maximum(support.sum(1, keepdims=True), 1)
    return before, after, np.stack([(before * weights).sum(1), (after * weights).sum(1)], axis=1)


def _f1(hits: Doubles, support: Doubles, predicted: Doubles) -> Doubles:
    return np.where(support > 0, 2 * hits / np.maximum(support + predicted, 1), 0.0)


def _intervals(statistics: Doubles, resamples: int, seed: int, level: float) -> tuple[Doubles, Doubles]:
    """Percentile intervals of the difference in F1 of each gesture and, last, in weighted F1: (gestures + 1,) twice."""
    if not len(statistics) or not resamples:
        nothing = np.full(statistics.shape[1] // 5 + 1, np.nan)
        return nothing, nothing
    pieces = []
    for totals in resampled_totals(statistics, resamples, seed):
        before, after, weighted = _scores(totals)
        pieces.append(np.concatenate([after - before, weighted[:, 1:] - weighted[:, :1]], axis=1))
    low, high = np.quantile(np.concatenate(pieces), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _turned(pairing: Pairing) -> tuple[Integers, Integers]:
    """For each gesture, how many of its samples turned from right to wrong, and the opposite."""
    right_before, right_after = pairing.before == pairing.truths, pairing.after == pairing.truths
    lost, gained = (pairing.truths[turned] for turned in (right_before & ~right_after, right_after & ~right_before))
    return (
        np.bincount(lost, minlength=len(pairing.labels)),
        np.bincount(gained, minlength=len(pairing.labels)),
    )


def _chance_of_loss(pairing: Pairing, seed: int) -> Doubles:
    """For each gesture, how probable a fall of its F1 at least as deep is where both classifiers are alike."""
    changed = pairing.chosen(pairing.before != pairing.after)
    each = _unit_statistics(changed, np.arange(len(changed)), len(changed))
    support, *counts = np.split(each, 5, axis=1)
    whole = _unit_statistics(pairing, np.zeros(len(pairing), np.int64), 1)
    before, after, _ = _scores(whole)
    moved = np.concatenate([np.zeros_like(support), *(counts[i - 2] - counts[i] for i in range(4))], axis=1)
    random, deeper = np.random.default_rng(seed), np.zeros(len(pairing.labels))
    for rows in _pieces(EXCHANGES, len(changed)):
        exchanged = random.integers(2, size=(rows, len(changed))).astype(np.float64)
        one, other, _ = _scores(whole + exchanged @ moved)
        deeper += (other - one <= after - before + 1e-12).sum(0)
    return (deeper + 1) / (EXCHANGES + 1)


def _pieces(total: int, width: int) -> Sequence[int]:
    """`total` rows in pieces of at most two million numbers, which bounds the memory."""
    rows = max(1, 2_000_000 // max(width, 1))
    return [min(rows, total - start) for start in range(0, total, rows)]
