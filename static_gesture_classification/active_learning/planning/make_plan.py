"""Make the recording plan: a list of what fails and of what there is little.

    gestures plan [overrides]

Three things are planned: confused pairs, in proportion to their weighted F1 at stake (see `confusions`); pairs
that were caught in use and that val does not show (see `in_use`); and gestures with little data, in proportion to their
largest shortfall of samples or subjects in train or val. They share `plan.budget`; one gets what the others cannot use.
If nothing is confused and nothing falls short, the gestures with the fewest subjects are planned.

The plan saves time before the camera; as many random samples teach as much (benchmarks/results/active_learning.md).

Of predictions, only val's are used. Hands that were not found are noted, not planned: a model that never sees a hand
learns nothing from more of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.diagnosis.confusions import read_errors
from static_gesture_classification.active_learning.diagnosis.in_use import IN_USE as IN_USE
from static_gesture_classification.active_learning.diagnosis.in_use import ErrorInUse, find_errors_in_use
from static_gesture_classification.active_learning.diagnosis.pairs import Confusions, ErrorPair, find_confusions
from static_gesture_classification.active_learning.diagnosis.patterns import PatternSettings, find_patterns
from static_gesture_classification.active_learning.planning.budget import BudgetSettings, share
from static_gesture_classification.active_learning.planning.dealing import standings_of
from static_gesture_classification.active_learning.planning.in_use import count_recorded_since, share_in_use
from static_gesture_classification.active_learning.planning.plan_edits import keep_edits, write_both
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    count_recorded,
    show_plan,
)
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.resampling_units import describe_units
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.process_lock import change_alone
from static_gesture_classification.samples import BOX, group_of, read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.sources.recorded import RECORDED
from static_gesture_classification.terminal import in_number, say

PLAN_COLUMNS = ("sample_id", "image", "root", *BOX, "gesture", "source", "subject", "session", "split")
FEWEST = 3  # gestures that are planned where nothing is confused and none falls short


class Wanted(Settings):
    """What a gesture should have."""

    train_samples: int = Field(ge=0)
    train_subjects: int = Field(ge=0)
    val_samples: int = Field(ge=0)
    val_subjects: int = Field(ge=0)


class PlanSettings(Settings, key="plan"):
    """What the plan is made of, and where it goes; see conf/plan.

    Args:
        path: of the plan; plan.md lies beside it.
        checkpoint: whose errors the plan follows.
        samples: table of today's data.
        least_errors: fewest errors of a planned pair.
        wanted: what a gesture should have.
        uncounted_sources: sources that do not count as data.
        examples: samples shown with a line.
        recorded: folder of the recorded sessions.
        budget: how many samples.
        patterns: what the samples of a pair have in common; their `confusions` name the predictions.
    """

    path: Path
    checkpoint: str
    samples: Path
    least_errors: int = Field(ge=1)
    wanted: Wanted
    uncounted_sources: frozenset[str]
    examples: int = Field(ge=0)
    recorded: Annotated[Path, At("recording.root")]
    budget: Annotated[BudgetSettings, At("plan")]
    patterns: PatternSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> PlanSettings:
        """From the composed configuration; raises as `read`."""
        patterns = PatternSettings.from_config(config)
        confusions = patterns.confusions.model_copy(update={"predictions": Path(config.plan.predictions)})
        return cls.read(config, "plan", patterns=patterns.model_copy(update={"confusions": confusions}))


@dataclass(frozen=True)
class Stock:
    """A gesture's samples and subjects in train and in val.

    Without `subjects_known`, each recording or picture of an unknown subject counts as one subject.
    """

    gesture: str
    train_samples: int
    train_subjects: int
    val_samples: int
    val_subjects: int
    subjects_known: bool = True

    def shortfall(self, wanted: Wanted) -> float:
        """The largest relative shortfall of the four counts: 0 (there is enough) to 1 (there is none)."""
        pairs = [(getattr(self, field), getattr(wanted, field)) for field in Wanted.model_fields]
        return max(0.0, *(1 - has / wants for has, wants in pairs if wants > 0))

    def in_words(self, wanted: Wanted) -> str:
        """The four counts, and how much is wanted where they fall short."""
        parts, at_most = [], "" if self.subjects_known else "at most "
        for split in ("train", "val"):
            samples, subjects = getattr(self, f"{split}_samples"), getattr(self, f"{split}_subjects")
            wants = getattr(wanted, f"{split}_samples"), getattr(wanted, f"{split}_subjects")
            if not samples:
                parts.append(f"none in {split} ({wants[0]:,} samples of {in_number(wants[1], 'person')} wanted)")
                continue
            of_samples = f" ({wants[0]:,} wanted)" if samples < wants[0] else ""
            of_subjects = f" ({wants[1]:,} wanted)" if subjects < wants[1] else ""
            parts.append(
                f"{samples:,} {split} samples{of_samples} of {at_most}{in_number(subjects, 'person')}{of_subjects}"
            )
        return ", ".join(parts)


@entry_point
def main(config: DictConfig) -> None:
    """Plan what to record, and print it."""
    settings = PlanSettings.from_config(config)
    made = make_plan(settings, Vocabulary.from_config(config))
    with change_alone(settings.path):
        plan = keep_edits(made, settings.path, settings.recorded)
        table = write_both(plan, settings.path)
    show_plan(plan, count_recorded(plan, settings.recorded))
    say(f"written to {settings.path} and {table}")


def make_plan(settings: PlanSettings, vocabulary: Vocabulary) -> RecordingPlan:
    """The plan by val's errors and today's data.

    Raises:
        DataError: predictions or samples are missing or unfit, or of test.
    """
    about = settings.patterns.confusions
    confusions = find_confusions(read_errors(about.predictions, vocabulary), about.bootstrap, about.seed)
    samples = read_rows(settings.samples, PLAN_COLUMNS)
    counted = samples[~samples["source"].isin(settings.uncounted_sources)]
    pairs = worth_following(confusions, vocabulary, settings.least_errors)
    lacking = little_data(counted, vocabulary, settings.wanted, fallback=not pairs)
    taken_in = sessions_in(samples)
    in_use = lines_in_use(find_errors_in_use(about.in_use), pairs, taken_in, vocabulary, settings)
    rest = settings.budget.model_copy(update={"budget": settings.budget.budget - sum(count for _, count in in_use)})
    of_pairs, of_lacking = share(rest, pairs, [weight for _, weight in lacking])
    patterns = summaries(pairs[: len(of_pairs)], confusions, settings.patterns)
    lines = [_for_pair(*each, confusions, settings.examples) for each in zip(pairs, of_pairs, patterns, strict=False)]
    lines += [_for_in_use(error, count, samples, settings.examples) for error, count in in_use]
    lines += [
        _for_little_data(stock, count, counted, settings)
        for (stock, _), count in zip(lacking, of_lacking, strict=False)
    ]
    notes = tuple(_notes(confusions, pairs))
    table = confusions.predictions.table
    standings = standings_of(table["gesture"].to_pylist(), table["prediction"].to_pylist(), vocabulary)
    return RecordingPlan(PLAN_VERSION, settings.checkpoint, tuple(lines), notes, taken_in, standings)


def sessions_in(samples: pd.DataFrame) -> tuple[str, ...]:
    """Names of the recorded sessions in a sample table, sorted."""
    images = samples.loc[samples["source"] == RECORDED, "image"]
    return tuple(sorted({image.partition("/")[0] for image in images}))


def worth_following(confusions: Confusions, vocabulary: Vocabulary, least_errors: int) -> list[ErrorPair]:
    """Pairs that can be performed and have enough errors, most weighted F1 at stake first."""
    return [
        pair
        for pair in confusions.pairs
        if pair.count >= least_errors and pair.f1_at_stake > 0 and {pair.gesture, pair.prediction} <= set(vocabulary)
    ]


def lines_in_use(
    errors: Sequence[ErrorInUse],
    pairs: Sequence[ErrorPair],
    taken_in: Sequence[str],
    vocabulary: Vocabulary,
    settings: PlanSettings,
) -> list[tuple[ErrorInUse, int]]:
    """Errors in use that val does not show, with the samples to record.

    Args:
        errors: all that were caught.
        pairs: what val's errors plan.
        taken_in: the recorded sessions in the data; later ones are counted against the plan that is made.
    """
    planned = {(pair.gesture, pair.prediction) for pair in pairs}
    others = [
        error
        for error in errors
        if (error.gesture, error.prediction) not in planned and {error.gesture, error.prediction} <= set(vocabulary)
    ]
    return share_in_use(others, count_recorded_since(others, taken_in, settings.recorded), settings.budget)


def little_data(
    samples: pd.DataFrame, vocabulary: Vocabulary, wanted: Wanted, fallback: bool
) -> list[tuple[Stock, float]]:
    """Gestures with a shortfall, largest first, with its size.

    Args:
        samples: a sample table with splits.
        fallback: if no gesture has a shortfall, return the few with the fewest subjects.
    """
    stocks = list(_stocks(samples, vocabulary))
    stocks.sort(key=lambda stock: (-stock.shortfall(wanted), stock.train_subjects, stock.train_samples))
    lacking = [(stock, stock.shortfall(wanted)) for stock in stocks if stock.shortfall(wanted) > 0]
    if lacking or not fallback:
        return lacking
    return [(stock, 1.0) for stock in stocks[:FEWEST]]  # all of the same shortfall, so the fewest people come first


def summaries(pairs: Sequence[ErrorPair], confusions: Confusions, settings: PatternSettings) -> list[str]:
    """What the samples of each pair have in common, "" where there is no finding."""
    chosen = Confusions(confusions.predictions, confusions.weighted_f1, tuple(pairs), ())
    patterns = find_patterns(chosen, settings.confusions.pictures(), settings) if pairs else []
    known = {pattern.confusion.name: pattern.summary for pattern in patterns if pattern.findings}
    return [known.get(pair.name, "") for pair in pairs]


def _stocks(samples: pd.DataFrame, vocabulary: Vocabulary) -> Iterator[Stock]:
    about = pd.DataFrame({"gesture": samples["gesture"], "split": samples["split"], "group": group_of(samples)})
    counts = about.groupby(["gesture", "split"])["group"].agg(["size", "nunique"])
    numbers = dict(zip(counts.index, counts.to_numpy().tolist(), strict=True))
    unknown = set(samples.loc[samples["subject"] == "", "gesture"])
    for gesture in vocabulary:
        train, val = (numbers.get((gesture, split), [0, 0]) for split in ("train", "val"))
        yield Stock(gesture, train[0], train[1], val[0], val[1], gesture not in unknown)


def _for_pair(pair: ErrorPair, count: int, pattern: str, confusions: Confusions, examples: int) -> PlannedRecording:
    low, high = pair.interval.low, pair.interval.high
    narrow = f", {describe_units(asdict(pair.interval))}" if pair.interval.unknown else ""
    ends = f"{pair.interval.level:.0%} interval {100 * low:.0f} to {100 * high:.0f} %{narrow}"
    interval = "" if np.isnan(low) else f", {ends}"
    reason = (
        f"{pair.count:,} of {pair.support:,} val samples are taken for {pair.prediction} ({pair.rate:.1%}{interval}): "
        f"weighted F1 {pair.f1_at_stake:+.4f} if none were. {_sentence(pair.whereabouts)}{_sentence(pattern)}"
    )
    shown = confusions.predictions.table.take(pair.rows[:examples]).to_pandas()
    about = (pair.gesture, pair.prediction, count, pair.count, pair.rate, pair.f1_at_stake)
    return PlannedRecording(*about, reason.strip(), tuple(_examples(shown)))


def _for_in_use(error: ErrorInUse, count: int, samples: pd.DataFrame, examples: int) -> PlannedRecording:
    reason = f"{_sentence(error.in_words)}Val does not show this error. Best by other people, in other light."
    own = samples[(samples["source"] == IN_USE) & (samples["gesture"] == error.gesture)].head(examples)
    return PlannedRecording(error.gesture, error.prediction, count, 0, 0.0, 0.0, reason, tuple(_examples(own)))


def _for_little_data(stock: Stock, count: int, samples: pd.DataFrame, settings: PlanSettings) -> PlannedRecording:
    scarce = "little data" if stock.shortfall(settings.wanted) > 0 else "fewest people"
    reason = f"{scarce}: {stock.in_words(settings.wanted)}. Best by people who have not been recorded yet."
    own = samples[(samples["gesture"] == stock.gesture) & (samples["split"] == "train")]
    one_of_each = own[~group_of(own).duplicated()].head(settings.examples)
    return PlannedRecording(stock.gesture, None, count, 0, 0.0, 0.0, reason, tuple(_examples(one_of_each)))


def _examples(samples: pd.DataFrame) -> Iterator[Example]:
    for row in samples.to_dict("records"):
        x1, y1, x2, y2 = (round(float(row[name]), 6) for name in BOX)
        yield Example(row["sample_id"], row["image"], row["root"], (x1, y1, x2, y2))


def _notes(confusions: Confusions, pairs: Sequence[ErrorPair]) -> Iterator[str]:
    samples = len(confusions.predictions)
    if not samples:
        yield "there are no predictions on val, so nothing is known to be confused"
    elif not confusions.pairs:
        yield f"nothing is confused on {samples:,} val samples"
    elif not pairs:
        yield f"only single samples are confused on {samples:,} val samples: look at their labels first"
    missed = sum(error.count for error in confusions.not_found)
    if missed:
        worst = confusions.not_found[0]
        yield (
            f"no hand is found in {missed:,} of {samples:,} val samples, mostly {worst.gesture} ({worst.rate:.0%} of "
            "its samples); more recordings do not help: try a lower detector confidence, or a model on crops"
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}. " if text else ""


if __name__ == "__main__":
    main()
