"""Two classifiers on the same samples: how their scores differ, and whether that is more than chance.

Another test set would show other subjects. So subjects are drawn with replacement, the same ones for both classifiers
(paired cluster bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). Samples that both get right
or wrong do not affect the difference.

For the interval of one gesture, subjects who show it and subjects who do not are drawn as two groups, each at its own
size (stratified bootstrap). Hits come from the first group only, false positives from both; a draw without the first
group would say nothing about the gesture.

A gesture counts as harmed if its F1 falls by more than a set amount (smaller losses do not matter), and either

- beyond chance: the 95 % interval of the difference lies below 0; and exchanging the two classifiers' predictions of
  random subjects hardly ever gives such a loss (randomisation test; Yeh, "More accurate tests for the statistical
  significance of result differences", COLING 2000; at 5 % for all gestures together). Whole subjects are exchanged,
  since the errors on samples of one subject go together;
- or by much: its recall falls by more than another set amount, and the interval lies below 0 or too few subjects show
  the gesture. Recall is used because F1 hides the loss of a rare gesture: false positives keep its F1 low anyway.

Too few means that no loss could be significant. If all n subjects who show a gesture lose, one in 2^n exchanges is as
bad; with fewer than eight subjects nothing is significant among ten gestures. Then a loss counts by its size alone, and
the verdict says so. One of many subjects alone cannot condemn a classifier. Neither can a single sample, unless it is
the only one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.metrics import LEVEL, Doubles, Integers, Interval, resample_totals
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.evaluation.resampling_units import SAMPLE, describe_units, units_of
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.training.scores import f1_scores, weighted_f1_of_counts

EXCHANGES = 4000  # of the randomisation test
FALSE_ALARMS = 0.05  # share of equally good classifiers that the randomisation test may call harmful
LARGE_LOSS = 0.4  # of a gesture's recall; conf/compare sets it for the commands
LEAST_LOST = 2  # samples, unless none is recognised any more
COMPARABLE_SHARE = 0.5  # of val's samples that must be left to compare two classifiers on
PAIR_COUNTS = ("support", "errors_before", "errors_after", "rate_before", "rate_after", "fixed", "made")


class ChangeSettings(Settings, key="compare"):
    """How two classifiers are compared; of `compare`.

    Args:
        max_gesture_loss: how much F1 a gesture may lose (0.03 is three points of a hundred).
        large_gesture_loss: how much recall a gesture may lose where chance could explain it.
        resamples: of subjects; of samples if there is a single subject.
        seed: of the resampling.
        level: of the intervals.
    """

    max_gesture_loss: float = Field(ge=0, le=1)
    large_gesture_loss: float = Field(default=LARGE_LOSS, ge=0, le=1)
    resamples: int = Field(ge=0)
    seed: Annotated[int, At("seed")] = 0
    level: float = Field(default=LEVEL, gt=0, lt=1)


@dataclass(frozen=True)
class Pairing:
    """Ground truth of n samples and two classifiers' predictions of them, as class indices.

    Args:
        labels: L gestures: of the classifiers, then those that occur in the data only.
        truths: (n,) indices into `labels`.
        before, after: (n,) indices into `labels`; L where there is no prediction (no hand was found).
        sources, subjects: (n,) names, as in the sample table; an unknown subject is "".
        unit: "subject", or "session" if `subjects` holds sessions.
        sessions: (n,) names; None if unknown.
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

    def select(self, rows: npt.NDArray[Any]) -> Pairing:
        """Some of the samples."""
        columns = {name: getattr(self, name)[rows] for name in ("truths", "before", "after", "sources", "subjects")}
        return replace(self, **columns, sessions=None if self.sessions is None else self.sessions[rows])


@dataclass(frozen=True)
class Change:
    """How much the second classifier's weighted F1 differs from the first one's, and each gesture's F1.

    Args:
        before, after: weighted F1.
        interval: of after minus before.
        gestures: indexed by gesture: support, people (units that show it, see `interval.unit`), before, after,
            difference (F1, NaN without samples), low, high (interval of the difference, NaN for fewer than two people),
            recall_before, recall_after, lost, gained (samples that turned wrong and right), chance (of such a loss if
            both are equally good), few, harmed (see the module).
        samples, subjects: how many were compared (sessions if these are the pairing's unit).
        large_gesture_loss: loss of recall that counts even where chance could explain it.
    """

    before: float
    after: float
    interval: Interval
    gestures: pd.DataFrame
    samples: int
    subjects: int
    large_gesture_loss: float = LARGE_LOSS

    @property
    def difference(self) -> float:
        """Weighted F1 after minus before."""
        return self.after - self.before

    @property
    def harmed(self) -> pd.DataFrame:
        """The gestures that got worse beyond the set amount and chance, worst first."""
        return self.gestures[self.gestures["harmed"]].sort_values("difference", kind="stable")

    @property
    def few(self) -> pd.DataFrame:
        """Gestures with too few subjects to tell a loss from chance, fewest first."""
        return self.gestures[self.gestures["few"]].sort_values("people", kind="stable")

    def as_json(self) -> dict[str, Any]:
        """Plain values; NaN is for `metrics.json_ready` to replace."""
        return {
            "weighted_f1_before": self.before,
            "weighted_f1_after": self.after,
            "difference": self.difference,
            "interval": asdict(self.interval),
            "samples": self.samples,
            "people": self.subjects,
            "large_gesture_loss": self.large_gesture_loss,
            "per_gesture": self.gestures.to_dict("index"),
        }


@dataclass(frozen=True)
class Verdict:
    """Whether the second classifier should take the first one's place, and why, in words.

    Args:
        promote: whether it should.
        reason: why.
        undecided: the two cannot be compared, so a person has to decide.
    """

    promote: bool
    reason: str
    undecided: bool = False


class IncomparableError(DataError):
    """Two classifiers cannot be compared. The message says why."""


def verdict(change: Change, split: str) -> Verdict:
    """Promote a classifier that scores higher and harms no gesture; `split` is the split of the samples."""
    scores = f"weighted F1 on {split} {change.before:.4f} -> {change.after:.4f} ({describe_interval(change.interval)})"
    if not change.difference > 0:
        return Verdict(False, f"{scores}: not better")
    if len(change.harmed):
        return Verdict(False, f"{scores}, but it recognises {describe_harm(change)}")
    likely = "better" if change.interval.low > 0 else "better, though by no more than chance explains"
    return Verdict(True, f"{scores}: {likely}, and {describe_no_harm(change)}")


def describe_interval(interval: Interval) -> str:
    """The interval of a difference in words: "95% interval of the difference +0.0020 to +0.0204"."""
    narrow = f", {describe_units(asdict(interval))}" if interval.unknown else ""
    return f"{interval.level:.0%} interval of the difference {interval.low:+.4f} to {interval.high:+.4f}{narrow}"


def describe_harm(change: Change) -> str:
    """Which gestures got worse: "OKAY worse (F1 0.91 -> 0.72 on 41 samples of 12 people)"."""
    worse = []
    for gesture, row in change.harmed.iterrows():
        fall = f"F1 {row['before']:.2f} -> {row['after']:.2f}"
        on = f"on {row['support']:,} samples of {describe_subjects(row, change)}"
        if row["few"]:
            fall += f", recall {row['recall_before']:.2f} -> {row['recall_after']:.2f}"
            on += ", too few to rule out chance, but such a loss is not risked"
        worse.append(f"{gesture} worse ({fall} {on})")
    return " and ".join(worse)


def describe_no_harm(change: Change) -> str:
    """State that no gesture got worse, and which ones cannot be judged."""
    few, noun, limit = change.few, unit_noun(change.interval.unit), f"{change.large_gesture_loss:g}"
    absent, shown = few[few["support"] == 0], few[few["support"] > 0]
    text = "no gesture is recognised worse beyond chance"
    if len(shown) and len(shown) == (change.gestures["support"] > 0).sum():
        text = (
            f"no gesture's recall fell by more than {limit}; whether one is recognised a little worse nobody can tell, "
            f"since none is shown by more than {int(shown['people'].max()):,} {noun}"
        )
    elif len(shown):
        names = ", ".join(f"{gesture} ({row['people']:,})" for gesture, row in shown.iterrows())
        text += f" (so few {noun} show {names} that only a fall of recall by more than {limit} would have counted)"
    if len(absent):
        text += f"; {', '.join(absent.index)}: no samples, so nothing is known of it"
    if change.interval.unit == "sample":
        text += "; all of it shows one person alone, and says nothing of others"
    return text


def describe_subjects(row: pd.Series, change: Change) -> str:
    """How many show a gesture: "3 people", "1 person"."""
    noun, count = unit_noun(change.interval.unit), int(row["people"])
    if noun == "samples":
        return "one person"
    return f"{count:,} {noun}" if count != 1 else "1 person" if noun == "people" else f"1 {noun.removesuffix('s')}"


def unit_noun(unit: str) -> str:
    """The plural of a resampling unit."""
    return {"subject": "people"}.get(unit, f"{unit}s")


def pair_predictions(before: Predictions, after: Predictions, unit: str = "subject") -> Pairing:
    """Join two predictions tables about the same samples in the same order; the ground truth comes from `after`.

    `unit` is resampled: "subject" or "session".
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


def measure_change(pairing: Pairing, settings: ChangeSettings) -> Change:
    """Compare the two classifiers' scores."""
    drawn = units_of(pairing.sources, pairing.subjects, pairing.sessions, pairing.unit)
    statistics = _unit_statistics(pairing, drawn.members, drawn.count)
    before, after, weighted = _scores(statistics.sum(0, keepdims=True))
    shown = statistics[:, : len(pairing.labels)] > 0
    gestures = pd.DataFrame(
        {
            "support": statistics.sum(0)[: len(pairing.labels)].astype(int),
            "people": shown.sum(0),
            "before": before[0],
            "after": after[0],
        },
        index=pd.Index(pairing.labels, name="gesture"),
    )
    gestures["difference"] = gestures["after"] - gestures["before"]
    gestures["low"], gestures["high"] = _gesture_intervals(statistics, settings)
    gestures["recall_before"], gestures["recall_after"] = _recalls(statistics)
    gestures["lost"], gestures["gained"] = _count_turned(pairing)
    gestures["chance"] = _chance_of_loss(statistics, settings.seed)
    seen = gestures["support"].to_numpy() > 0
    allowed = FALSE_ALARMS / max(1, int(seen.sum()))  # Bonferroni: with many gestures, one always looks worse
    gestures["few"] = 0.5 ** gestures["people"] >= allowed
    gestures["harmed"] = _find_harmed(gestures, settings, allowed)
    gestures.loc[~seen, ["before", "after", "difference"]] = np.nan
    gestures.loc[gestures["people"] < 2, ["low", "high"]] = np.nan  # one subject tells nothing about others
    ends = _weighted_interval(statistics, settings)
    interval = Interval(*ends, settings.level, drawn.kind, drawn.count, settings.resamples, drawn.unknown)
    subjects = min(1, len(pairing)) if drawn.kind == SAMPLE else drawn.count
    scores = (float(weighted[0, 0]), float(weighted[0, 1]))
    return Change(*scores, interval, gestures, len(pairing), subjects, settings.large_gesture_loss)


def _find_harmed(gestures: pd.DataFrame, settings: ChangeSettings, allowed: float) -> pd.Series:
    """Which gestures got worse beyond chance or by much; see the module."""
    everywhere = gestures["high"] < 0
    beyond_chance = everywhere & (gestures["chance"] < allowed)
    more_than_one = (gestures["lost"] - gestures["gained"] >= LEAST_LOST) | (gestures["recall_after"] == 0)
    much = (gestures["recall_before"] - gestures["recall_after"] > settings.large_gesture_loss) & more_than_one
    lost = -gestures["difference"] > settings.max_gesture_loss
    return lost & (beyond_chance | (much & (everywhere | gestures["few"])))


def errors_of_pair(pairing: Pairing, gesture: str, mistaken_for: str | None) -> dict[str, float]:
    """One error before and after: samples of `gesture` that were taken for `mistaken_for` (None: for anything else).

    Returns:
        support; errors and rate before and after; fixed (errors before, not after), made (the opposite).
        Rates are NaN without samples of the gesture.
    """
    if gesture not in pairing.labels or (mistaken_for is not None and mistaken_for not in pairing.labels):
        shown = int((pairing.truths == pairing.labels.index(gesture)).sum()) if gesture in pairing.labels else 0
        return _pair_counts(np.zeros((2, shown), bool))
    own = pairing.truths == pairing.labels.index(gesture)
    predictions = np.stack([pairing.before[own], pairing.after[own]])
    if mistaken_for is None:
        return _pair_counts(predictions != pairing.labels.index(gesture))
    return _pair_counts(predictions == pairing.labels.index(mistaken_for))


def _pair_counts(wrong: npt.NDArray[np.bool_]) -> dict[str, float]:
    support, (before, after) = wrong.shape[1], wrong
    errors = (int(before.sum()), int(after.sum()))
    rates = [count / support if support else np.nan for count in errors]
    turned = (int((before & ~after).sum()), int((after & ~before).sum()))
    return dict(zip(PAIR_COUNTS, (support, *errors, *rates, *turned), strict=True))


def _unit_statistics(pairing: Pairing, members: Integers, units: int) -> Doubles:
    """Support, then hits and predicted count before, then after, of each unit and gesture: (units, 5 * gestures)."""
    classes = len(pairing.labels) + 1  # the last: no prediction

    def count(rows: npt.NDArray[Any], labels: Integers) -> Doubles:
        cells = np.bincount(members[rows] * classes + labels[rows], minlength=units * classes)
        return cells.reshape(units, classes)[:, :-1].astype(np.float64)

    everyone = np.ones(len(pairing), bool)
    counts = [count(everyone, pairing.truths)]
    for predictions in (pairing.before, pairing.after):
        counts += [count(predictions == pairing.truths, predictions), count(everyone, predictions)]
    return np.concatenate(counts, axis=1)


def _scores(totals: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """F1 per gesture before and after (rows, gestures), 0 without samples; weighted F1 of both (rows, 2)."""
    support, *counts = np.split(totals, 5, axis=1)
    pairs = [(hits, support, predicted) for hits, predicted in (counts[:2], counts[2:])]
    before, after = (f1_scores(*pair) for pair in pairs)
    return before, after, np.nan_to_num(np.stack([weighted_f1_of_counts(*pair) for pair in pairs], axis=1))


def _weighted_interval(statistics: Doubles, settings: ChangeSettings) -> tuple[float, float]:
    """Percentile interval of the difference in weighted F1."""
    if not len(statistics) or not settings.resamples:
        return np.nan, np.nan
    drawn = [_scores(totals)[2] for totals in resample_totals(statistics, settings.resamples, settings.seed)]
    before, after = np.concatenate(drawn).T
    low, high = np.quantile(after - before, _ends(settings.level))
    return float(low), float(high)


def _gesture_intervals(statistics: Doubles, settings: ChangeSettings) -> tuple[Doubles, Doubles]:
    """Percentile intervals of the difference in F1 of each gesture, NaN without samples; a stratified bootstrap."""
    gestures = statistics.shape[1] // 5
    intervals = np.full((2, gestures), np.nan)
    for gesture in range(gestures if settings.resamples else 0):
        own = statistics[:, gesture::gestures]  # support, hits and predictions before, hits and predictions after
        shown = own[:, 0] > 0
        if not shown.any():
            continue
        random = np.random.default_rng(settings.seed)
        totals = _draw(own[shown], settings.resamples, random) + _draw(own[~shown], settings.resamples, random)
        before, after, _ = _scores(totals)
        intervals[:, gesture] = np.quantile(after - before, _ends(settings.level))
    return intervals[0], intervals[1]


def _draw(statistics: Doubles, resamples: int, random: np.random.Generator) -> Doubles:
    """Sums of `statistics` (units, width) over as many units drawn with replacement: (resamples, width).

    Units with equal statistics are drawn together (a multinomial distribution); there are few kinds of them.
    """
    if not len(statistics):
        return np.zeros((resamples, statistics.shape[1]))
    kinds, counts = np.unique(statistics, axis=0, return_counts=True)
    drawn: Doubles = random.multinomial(len(statistics), counts / len(statistics), size=resamples) @ kinds
    return drawn


def _ends(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _recalls(statistics: Doubles) -> tuple[Doubles, Doubles]:
    """Recall of each gesture before and after; NaN without samples."""
    support, hits_before, _, hits_after, _ = np.split(statistics.sum(0), 5)
    support = np.where(support > 0, support, np.nan)
    return hits_before / support, hits_after / support


def _count_turned(pairing: Pairing) -> tuple[Integers, Integers]:
    """For each gesture, how many samples turned from right to wrong, and the opposite."""
    right_before, right_after = pairing.before == pairing.truths, pairing.after == pairing.truths
    lost, gained = (pairing.truths[turned] for turned in (right_before & ~right_after, right_after & ~right_before))
    return (
        np.bincount(lost, minlength=len(pairing.labels)),
        np.bincount(gained, minlength=len(pairing.labels)),
    )


def _chance_of_loss(statistics: Doubles, seed: int) -> Doubles:
    """For each gesture, the probability of an F1 loss at least as large if both classifiers are equally good.

    Then it is chance which of the two gave which predictions, so those of each unit are exchanged at random.
    """
    support, *counts = np.split(statistics, 5, axis=1)
    moved = np.concatenate([np.zeros_like(support), *(counts[i - 2] - counts[i] for i in range(4))], axis=1)
    moved = moved[moved.any(1)]  # exchanging the others changes nothing
    whole = statistics.sum(0, keepdims=True)
    before, after, _ = _scores(whole)
    random, deeper = np.random.default_rng(seed), np.zeros(support.shape[1])
    for rows in _pieces(EXCHANGES, len(moved)):
        exchanged = random.integers(2, size=(rows, len(moved))).astype(np.float64)
        one, other, _ = _scores(whole + exchanged @ moved)
        deeper += (other - one <= after - before + 1e-12).sum(0)
    return (deeper + 1) / (EXCHANGES + 1)


def _pieces(total: int, width: int) -> Sequence[int]:
    """`total` rows in pieces of at most two million numbers, which bounds the memory."""
    rows = max(1, 2_000_000 // max(width, 1))
    return [min(rows, total - start) for start in range(0, total, rows)]
