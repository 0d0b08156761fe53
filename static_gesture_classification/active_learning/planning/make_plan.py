"""How the recording plan is made.

    gestures plan [overrides]

Two things are worth recording: confused pairs, in proportion to their weighted F1 at stake (see `confusions`); and
gestures with little data, in proportion to how far the scarcest of their samples and people, in train and in val, falls
short of what is wanted. `plan.budget` is shared between the two; what one cannot use goes to the other. Where nothing
is confused and nothing falls short, the gestures that the fewest people show are planned.

Only val's predictions are looked at. Hands that were not found are noted, not planned: a model that is never shown a
hand learns nothing from more of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.active_learning.diagnosis.confusions import (
    Confusion,
    Confusions,
    confusions_of,
    pictures_from_config,
    predictions_to_look_at,
)
from static_gesture_classification.active_learning.diagnosis.patterns import Settings as PatternSettings
from static_gesture_classification.active_learning.diagnosis.patterns import patterns_of
from static_gesture_classification.active_learning.planning.plan_file import (
    VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    as_markdown,
    recorded_for,
    show,
    write_plan,
)
from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.units import in_words
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import BOX, held_together, read_samples
from static_gesture_classification.sources.recorded import NAME as RECORDED
from static_gesture_classification.terminal import console

FEWEST = 3  # gestures that are planned where nothing is confused and none falls short


@dataclass(frozen=True)
class Budget:
    """How many samples a round records: in all, at least and at most a line, for each error seen, for little data."""

    samples: int
    least: int
    most: int
    per_error: int
    for_little_data: float

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise UserError(f"plan.least is {self.least} and plan.most {self.most}; it takes 1 <= least <= most")
        if self.samples < self.least:
            raise UserError(f"plan.budget is {self.samples}, less than plan.least ({self.least}), so there is no line")
        if not 0 <= self.for_little_data <= 1:
            raise UserError(f"plan.for_little_data is {self.for_little_data}; it is a share, from 0 to 1")


@dataclass(frozen=True)
class Wanted:
    """What a gesture should have."""

    train_samples: int
    train_people: int
    val_samples: int
    val_people: int


@dataclass(frozen=True)
class Stock:
    """What a gesture has: samples and people in train and in val.

    Where nobody knows who is in some of them (`people_known`), each recording or picture may show another person.
    """

    gesture: str
    train_samples: int
    train_people: int
    val_samples: int
    val_people: int
    people_known: bool = True

    def shortfall(self, wanted: Wanted) -> float:
        """How far the scarcest of the four is from what is wanted: 0 (there is enough) to 1 (there is none)."""
        pairs = [(getattr(self, field.name), getattr(wanted, field.name)) for field in fields(wanted)]
        return max(0.0, *(1 - has / wants for has, wants in pairs if wants > 0))

    def in_words(self, wanted: Wanted) -> str:
        """What there is, and of what falls short, how much is wanted."""
        sides, at_most = [], "" if self.people_known else "at most "
        for split in ("train", "val"):
            samples, people = getattr(self, f"{split}_samples"), getattr(self, f"{split}_people")
            wants = getattr(wanted, f"{split}_samples"), getattr(wanted, f"{split}_people")
            if not samples:
                sides.append(f"none in {split} ({wants[0]:,} samples of {_people(wants[1])} wanted)")
                continue
            of_samples = f" ({wants[0]:,} wanted)" if samples < wants[0] else ""
            of_people = f" ({wants[1]:,} wanted)" if people < wants[1] else ""
            sides.append(f"{samples:,} {split} samples{of_samples} of {at_most}{_people(people)}{of_people}")
        return ", ".join(sides)


@entry_point
def main(config: DictConfig) -> None:
    """Plan what to record, and print it."""
    plan = planned(config)
    path = Path(config.plan.path)
    write_plan(plan, path)
    write_text(path.with_suffix(".md"), as_markdown(plan))
    show(plan, recorded_for(plan, Path(config.recording.root)))
    console.print(f"written to {path} and {path.with_suffix('.md')}", highlight=False, soft_wrap=True, markup=False)


def planned(config: DictConfig) -> RecordingPlan:
    """The plan that the configuration asks for.

    Raises:
        DataError: predictions or samples are missing or unfit, or of test. UserError: numbers that make no plan.
    """
    vocabulary = Vocabulary.from_config(config.gestures)
    confusions = errors_to_follow(config, vocabulary)
    samples = read_samples(Path(config.plan.samples))
    recorded = samples[~samples["source"].isin(list(config.plan.uncounted_sources))]
    budget, wanted = budget_from_config(config), Wanted(**config.plan.wanted)
    pairs = worth_following(confusions, vocabulary, int(config.plan.least_errors))
    lacking = little_data(recorded, vocabulary, wanted, fallback=not pairs)
    of_pairs, of_lacking = shared(budget, pairs, [weight for _, weight in lacking])
    examples = int(config.plan.examples)
    patterns = summaries(pairs[: len(of_pairs)], confusions, config)
    lines = [_for_pair(*each, confusions, examples) for each in zip(pairs, of_pairs, patterns, strict=False)]
    lines += [
        _for_little_data(stock, count, recorded, wanted, examples)
        for (stock, _), count in zip(lacking, of_lacking, strict=False)
    ]
    notes = tuple(_notes(confusions, pairs))
    return RecordingPlan(VERSION, str(config.plan.checkpoint), tuple(lines), notes, taken_in(samples))


def taken_in(samples: pd.DataFrame) -> tuple[str, ...]:
    """Names of the recorded sessions (folders of the source `recorded`) that a sample table holds, sorted."""
    images = samples.loc[samples["source"] == RECORDED, "image"]
    return tuple(sorted({image.partition("/")[0] for image in images}))


def budget_from_config(config: DictConfig) -> Budget:
    """The numbers of the node `plan`."""
    plan = config.plan
    return Budget(int(plan.budget), int(plan.least), int(plan.most), int(plan.per_error), float(plan.for_little_data))


def errors_to_follow(config: DictConfig, vocabulary: Vocabulary) -> Confusions:
    """The confusions of val's predictions. Raises `DataError` where the table holds samples of test."""
    predictions = predictions_to_look_at(Path(config.plan.predictions), vocabulary)
    return confusions_of(predictions, int(config.confusions.bootstrap), config.seed)


def worth_following(confusions: Confusions, vocabulary: Vocabulary, least_errors: int) -> list[Confusion]:
    """Pairs that can be performed and have enough errors, most weighted F1 at stake first."""
    return [
        pair
        for pair in confusions.pairs
        if pair.count >= least_errors and pair.f1_at_stake > 0 and {pair.gesture, pair.prediction} <= set(vocabulary)
    ]


def little_data(
    samples: pd.DataFrame, vocabulary: Vocabulary, wanted: Wanted, fallback: bool
) -> list[tuple[Stock, float]]:
    """Gestures that fall short of what is wanted, with how far, furthest first.

    Args:
        samples: a sample table with splits.
        fallback: where none falls short, the few gestures that the fewest people show.
    """
    stocks = [_stock(samples, gesture) for gesture in vocabulary]
    stocks.sort(key=lambda stock: (-stock.shortfall(wanted), stock.train_people, stock.train_samples))
    lacking = [(stock, stock.shortfall(wanted)) for stock in stocks if stock.shortfall(wanted) > 0]
    if lacking or not fallback:
        return lacking
    return [(stock, 1.0) for stock in stocks[:FEWEST]]  # all of the same shortfall, so the fewest people come first


def shared(budget: Budget, pairs: Sequence[Confusion], lacking: Sequence[float]) -> tuple[list[int], list[int]]:
    """Samples for the first pairs, and for the first of the gestures that lack data, both in descending order.

    Gestures that lack data get their share of the budget, and what the pairs cannot use.
    """
    stakes = [pair.f1_at_stake for pair in pairs]
    limits = [max(budget.least, min(budget.most, budget.per_error * pair.count)) for pair in pairs]
    share = max(budget.least, round(budget.samples * budget.for_little_data)) if budget.for_little_data else 0
    kept = min(share, budget.samples) if pairs else budget.samples
    for_lacking = allotted(lacking, [budget.most] * len(lacking), kept, budget.least)
    for_pairs = allotted(stakes, limits, budget.samples - sum(for_lacking), budget.least)
    left = budget.samples - sum(for_pairs)
    return for_pairs, allotted(lacking, [budget.most] * len(lacking), left, budget.least)


def allotted(weights: Sequence[float], limits: Sequence[int], samples: int, least: int) -> list[int]:
    """Samples for the first of `weights` (descending, above 0), in proportion to them.

    As many lines as there are whose proportional part is at least `least`; none gets more than its limit, and what a
    limit cuts off goes to the others. In whole numbers, never more than `samples` in all.
    """
    lines = next((n for n in range(len(weights), 0, -1) if samples * weights[n - 1] >= least * sum(weights[:n])), 0)
    counts = [0] * lines
    for _ in range(samples):
        open_ = [line for line in range(lines) if counts[line] < limits[line]]
        if not open_:
            break
        # The next sample goes to the line that is furthest below its part (the method of Sainte-Lague).
        counts[max(open_, key=lambda line: weights[line] / (2 * counts[line] + 1))] += 1
    return counts


def summaries(pairs: Sequence[Confusion], confusions: Confusions, config: DictConfig) -> list[str]:
    """What the samples of each pair have in common, "" where nothing is known to be."""
    if not pairs:
        return []
    looked_at = Confusions(confusions.predictions, confusions.weighted_f1, tuple(pairs), ())
    pictures = pictures_from_config(config)
    patterns = patterns_of(looked_at, pictures, Path(config.confusions.landmarks), PatternSettings.from_config(config))
    known = {pattern.confusion.name: pattern.summary for pattern in patterns if pattern.findings}
    return [known.get(pair.name, "") for pair in pairs]


def _stock(samples: pd.DataFrame, gesture: str) -> Stock:
    own = samples[samples["gesture"] == gesture]
    numbers: list[int] = []
    for split in ("train", "val"):
        part = own[own["split"] == split]
        numbers += [len(part), held_together(part).nunique()]
    train_samples, train_people, val_samples, val_people = numbers
    known = bool((own["subject"] != "").all())
    return Stock(gesture, train_samples, train_people, val_samples, val_people, known)


def _for_pair(pair: Confusion, count: int, pattern: str, confusions: Confusions, examples: int) -> PlannedRecording:
    low, high = pair.interval.low, pair.interval.high
    narrow = f", {in_words(asdict(pair.interval))}" if pair.interval.unknown else ""
    ends = f"{pair.interval.level:.0%} interval {100 * low:.0f} to {100 * high:.0f} %{narrow}"
    interval = "" if np.isnan(low) else f", {ends}"
    reason = (
        f"{pair.count:,} of {pair.support:,} val samples are taken for {pair.prediction} ({pair.rate:.1%}{interval}): "
        f"weighted F1 {pair.f1_at_stake:+.4f} if none were. {_sentence(pair.whereabouts)}{_sentence(pattern)}"
    )
    shown = confusions.predictions.table.take(pair.rows[:examples]).to_pandas()
    return PlannedRecording(
        pair.gesture,
        pair.prediction,
        count,
        pair.count,
        pair.rate,
        pair.f1_at_stake,
        reason.strip(),
        tuple(_examples(shown)),
    )


def _for_little_data(
    stock: Stock, count: int, samples: pd.DataFrame, wanted: Wanted, examples: int
) -> PlannedRecording:
    scarce = "little data" if stock.shortfall(wanted) > 0 else "fewest people"
    reason = f"{scarce}: {stock.in_words(wanted)}. Best by people who have not been recorded yet."
    own = samples[(samples["gesture"] == stock.gesture) & (samples["split"] == "train")]
    of_each_person = own[~held_together(own).duplicated()].head(examples)
    return PlannedRecording(stock.gesture, None, count, 0, 0.0, 0.0, reason, tuple(_examples(of_each_person)))


def _examples(samples: pd.DataFrame) -> Iterator[Example]:
    for row in samples.to_dict("records"):
        x1, y1, x2, y2 = (round(float(row[name]), 6) for name in BOX)
        yield Example(row["sample_id"], row["image"], row["root"], (x1, y1, x2, y2))


def _notes(confusions: Confusions, pairs: Sequence[Confusion]) -> Iterator[str]:
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
            "its); more recordings do not change that: try a lower confidence of the detector, or a model on crops"
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


if __name__ == "__main__":
    main()
