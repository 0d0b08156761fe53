"""Two classifiers before and after: which samples they are compared on, and what the comparison says.

Both are scored on the same samples of the frozen val and test splits. Left out, and counted, are

- people whom either of the two was trained on (unless splits.group=session): what it knows by heart says nothing;
- gestures that only one of them tells apart;
- samples that only one of them has predictions of.

The verdict is that of promotion (`evaluation.paired`). It rests on val; test confirms it or warns, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig

from static_gesture_classification.active_learning.plan import read_plan
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.contenders import Contender, said_about
from static_gesture_classification.evaluation.data_version import person_digests
from static_gesture_classification.evaluation.metrics import confusion_counts, error_pairs, json_ready
from static_gesture_classification.evaluation.paired import (
    PAIR_COUNTS,
    Change,
    Pairing,
    Verdict,
    change,
    errors_of_pair,
    paired,
    verdict,
)
from static_gesture_classification.evaluation.predictions import KEYS, Predictions
from static_gesture_classification.evaluation.units import SAMPLE, unknown_people
from static_gesture_classification.samples import read_rows

VERSION = 1
DECIDES, CONFIRMS = "val", "test"
SHOWN_PAIRS = 8  # of the commonest errors, where there is no plan
LEAST_GESTURES = 2
PEOPLE, GESTURES, SAMPLES = "of people one was trained on", "of gestures only one knows", "only one has predictions of"


@dataclass(frozen=True)
class Compared:
    """Both classifiers on one split.

    Args:
        change: the scores.
        pairs: one row per planned pair: gesture, mistaken_for (None: anything else), planned (how many were to be
            recorded; 0 where there was no plan), and what `paired.errors_of_pair` counts.
        sources: one row per source: source, samples, before, after, difference, low, high (weighted F1).
        samples: one row per sample: the keys of a predictions table, before, after.
    """

    change: Change
    pairs: pd.DataFrame
    sources: pd.DataFrame
    samples: pd.DataFrame

    def as_json(self) -> dict[str, Any]:
        """All numbers but the single samples."""
        sources = self.sources.set_index("source").to_dict("index")
        return {**self.change.as_json(), "per_source": sources, "pairs": self.pairs.to_dict("records")}


@dataclass(frozen=True)
class Comparison:
    """What is known about the two.

    Args:
        before, after: the classifiers.
        splits: val, and test where there is one.
        verdict: on val.
        left_out: samples by reason.
        people_left_out: how many people either was trained on.
        planned: whether the pairs are those of a recording plan, or the commonest errors of before.
        notes: what a reader should know besides.
    """

    before: Contender
    after: Contender
    splits: dict[str, Compared]
    verdict: Verdict
    left_out: dict[str, int]
    people_left_out: int
    planned: bool
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The content of comparison.json."""
        content: dict[str, Any] = json_ready(
            {
                "version": VERSION,
                "before": {"name": self.before.name, "sha256": self.before.digest},
                "after": {"name": self.after.name, "sha256": self.after.digest},
                "verdict": {"promote": self.verdict.promote, "reason": self.verdict.reason},
                "left_out": {"people": self.people_left_out, "samples": self.left_out},
                "planned": self.planned,
                "notes": self.notes,
                "splits": {name: split.as_json() for name, split in self.splits.items()},
            }
        )
        return content


def comparison(before: Contender, after: Contender, config: DictConfig) -> Comparison:
    """Compare two classifiers.

    Raises:
        UserError: they tell different gestures apart. DataError: no val sample is left to compare on; says why.
    """
    samples = frozen_samples(before, after, config)
    apart = config.splits.group == "subject"
    samples, people, left_out = comparable(samples, before, after, apart)
    both = {}
    for split in (DECIDES, CONFIRMS):
        part = samples[samples["split"] == split].reset_index(drop=True)
        said, missing = said_by_both(part, before, after, config)
        left_out[SAMPLES] = left_out.get(SAMPLES, 0) + missing
        if said is not None:
            both[split] = said
    if DECIDES not in both:
        raise DataError(nothing_left(before, after, left_out, config))
    pairs, planned = pairs_to_watch(both[DECIDES].pairing, config)
    splits = {split: compared(said, pairs, config) for split, said in both.items()}
    decided = verdict(splits[DECIDES].change, DECIDES)
    left_out = {reason: count for reason, count in left_out.items() if count}
    notes = remarks(before, after, splits, decided)
    if not apart:
        notes.append(
            "splits.group=session: people of train are among these samples, so this says nothing of new people"
        )
    return Comparison(before, after, splits, decided, left_out, people, planned, notes)


def frozen_samples(before: Contender, after: Contender, config: DictConfig) -> pd.DataFrame:
    """The val and test samples as they are split today; of two tables without a split stage, those of either."""
    path = Path(config.compare.samples)
    if path.is_file() or after.table is None or before.table is None:
        samples = read_rows(path)
    else:
        both = pd.concat([after.table.to_frame(), before.table.to_frame()], ignore_index=True)
        samples = both.drop_duplicates("sample_id")
    return samples.loc[samples["split"].isin((DECIDES, CONFIRMS)), list(KEYS)].reset_index(drop=True)


def comparable(
    samples: pd.DataFrame, before: Contender, after: Contender, people_apart: bool
) -> tuple[pd.DataFrame, int, dict[str, int]]:
    """The samples that say something about both; how many people were left out, and samples by reason.

    Where splits keep sessions apart and not people, a person who was trained on is left in.

    Raises:
        UserError: hardly a gesture is known to both.
    """
    common = set(before.gestures) & set(after.gestures)
    if len(common) < LEAST_GESTURES:
        raise UserError(
            f"{before.name} tells {', '.join(before.gestures)} apart, {after.name} {', '.join(after.gestures)}: they "
            "have too few gestures in common to be compared"
        )
    digests = person_digests(samples)
    known = (before.people or frozenset()) | (after.people or frozenset()) if people_apart else frozenset()
    seen = digests.isin(known).to_numpy()
    other = ~seen & ~samples["gesture"].isin(common).to_numpy()
    left_out = {PEOPLE: int(seen.sum()), GESTURES: int(other.sum())}
    return samples[~seen & ~other].reset_index(drop=True), digests[seen].nunique(), left_out


@dataclass(frozen=True)
class SaidByBoth:
    """Samples that both have predictions of, row by row with what both say."""

    samples: pd.DataFrame
    pairing: Pairing


def said_by_both(
    samples: pd.DataFrame, before: Contender, after: Contender, config: DictConfig
) -> tuple[SaidByBoth | None, int]:
    """What both say about the samples that both have predictions of (None without any); how many only one has."""
    if not len(samples):
        return None, 0
    old, new = (said_about(samples, each, config) for each in (before, after))
    held = [set(each.column("sample_id")) for each in (old, new)]
    common, missing = held[0] & held[1], len(held[0] ^ held[1])
    if not common:
        return None, missing
    kept = samples[samples["sample_id"].isin(common)].reset_index(drop=True)
    pairing = paired(in_order(old, kept), in_order(new, kept), str(config.splits.group))
    kept = kept.assign(before=named(pairing, pairing.before), after=named(pairing, pairing.after))
    return SaidByBoth(kept, pairing), missing


def in_order(said: Predictions, samples: pd.DataFrame) -> Predictions:
    """The predictions about these samples, in their order, with their gesture as the ground truth."""
    at = pd.Index(said.column("sample_id")).get_indexer(pd.Index(samples["sample_id"]))
    table = said.table.take(pa.array(at))
    column = table.schema.get_field_index("gesture")
    truth = pa.array(samples["gesture"].to_numpy(object), pa.string())
    return Predictions(table.set_column(column, "gesture", truth), said.gestures)


def named(pairing: Pairing, said: np.ndarray) -> np.ndarray:
    """Class indices as gestures; "" where no hand was found."""
    return np.array([*pairing.labels, ""], object)[said]


def pairs_to_watch(pairing: Pairing, config: DictConfig) -> tuple[list[tuple[str, str | None, int]], bool]:
    """Gesture, what it is mistaken for, how many were to be recorded: by the plan, else before's commonest errors.

    Raises:
        DataError: the plan is damaged.
    """
    path = Path(config.plan.path)
    if path.is_file():
        plan = read_plan(path)
        return [(line.gesture, line.mistaken_for, line.count) for line in plan.recordings], True
    found = pairing.before < len(pairing.labels)
    counts = confusion_counts(pairing.truths[found], pairing.before[found], len(pairing.labels))
    commonest = error_pairs(counts, pairing.labels).head(SHOWN_PAIRS)
    return [(str(row["gesture"]), str(row["prediction"]), 0) for row in commonest.to_dict("records")], False


def compared(said: SaidByBoth, pairs: Sequence[tuple[str, str | None, int]], config: DictConfig) -> Compared:
    """All numbers of one split."""
    settings = (float(config.compare.max_gesture_loss), int(config.compare.resamples), int(config.seed))
    rows = [
        {"gesture": gesture, "mistaken_for": other, "planned": count, **errors_of_pair(said.pairing, gesture, other)}
        for gesture, other, count in pairs
    ]
    names = ["gesture", "mistaken_for", "planned", *PAIR_COUNTS]
    sources = [source_row(said.pairing, source, settings) for source in sorted(set(said.pairing.sources))]
    return Compared(
        change(said.pairing, *settings), pd.DataFrame(rows, columns=names), pd.DataFrame(sources), said.samples
    )


def source_row(pairing: Pairing, source: str, settings: tuple[float, int, int]) -> dict[str, Any]:
    """Weighted F1 of both on the samples of one source."""
    changed = change(pairing.chosen(pairing.sources == source), *settings)
    return {
        "source": source,
        "samples": changed.samples,
        "before": changed.before,
        "after": changed.after,
        "difference": changed.difference,
        "low": changed.interval.low,
        "high": changed.interval.high,
    }


def remarks(before: Contender, after: Contender, splits: dict[str, Compared], decided: Verdict) -> list[str]:
    """What a reader should know to read the numbers right."""
    notes = []
    if before.digest is not None and before.digest == after.digest:
        notes.append(f"{before.name} and {after.name} are the same checkpoint")
    for each in (before, after):
        if each.people is None:
            notes.append(
                f"whom {each.name} was trained on is not known: if some of them are among these samples, its scores "
                "are too high"
            )
    for one, other in ((before, after), (after, before)):
        alone = [gesture for gesture in one.gestures if gesture not in other.gestures]
        if alone:
            notes.append(f"only {one.name} tells {', '.join(alone)} apart")
    confirmed = splits.get(CONFIRMS)
    if confirmed is None:
        notes.append(f"no sample of {CONFIRMS} can be compared, so nothing confirms the verdict")
    elif decided.promote and (confirmed.change.interval.high < 0 or len(confirmed.change.harmed)):
        worse = ", ".join(confirmed.change.harmed.index) or "the weighted F1"
        notes.append(f"{CONFIRMS} does not confirm the verdict: {worse} got worse there beyond chance")
    decides = splits[DECIDES].change
    if decides.interval.unknown:
        notes.append(f"{DECIDES}: {unknown_people(decides.interval.unknown, decides.samples)}")
    elif decides.interval.unit == SAMPLE:
        notes.append(f"one alone is compared on in {DECIDES}: the interval says nothing about other people or sessions")
    return notes


def nothing_left(before: Contender, after: Contender, left_out: dict[str, int], config: DictConfig) -> str:
    """Why there is no val sample to compare on, and what to do."""
    reasons = ", ".join(f"{count:,} samples {reason}" for reason, count in left_out.items() if count)
    return (
        f"{before.name} and {after.name} have no sample of {DECIDES} in common (by {config.compare.samples}; left out: "
        f"{reasons or 'none'}). Compare two that were evaluated on the same splits, name those with "
        "compare.samples=FILE, or add people to val whom neither was trained on"
    )
