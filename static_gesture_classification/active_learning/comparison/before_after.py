"""Two classifiers before and after: which samples they are compared on, and what the comparison says.

Both are scored on the same samples of the frozen val split (only `evaluate` reads test). Left out, and counted, are

- people whom either of the two was trained on (unless splits.group=session): what it knows by heart says nothing;
- gestures that only one of them tells apart;
- samples that only one of them has predictions of.

The verdict is that of promotion (`evaluation.paired`). Where the two tell other gestures apart, or less than half of
val is left to compare them on, the scores do not say which one is better: then the verdict is a person's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig

from static_gesture_classification.active_learning.planning.plan_file import read_plan
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.contenders import Contender, said_about
from static_gesture_classification.evaluation.data_version import person_digests
from static_gesture_classification.evaluation.metrics import confusion_counts, error_pairs, json_ready
from static_gesture_classification.evaluation.paired import (
    COMPARABLE_SHARE,
    PAIR_COUNTS,
    Change,
    IncomparableError,
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
DECIDES = "val"
SHOWN_PAIRS = 8  # of the commonest errors, where there is no plan
LEAST_GESTURES = 2
PEOPLE, GESTURES, SAMPLES = "of people one was trained on", "of gestures only one knows", "only one has predictions of"


@dataclass(frozen=True)
class Compared:
    """Both classifiers on val.

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
        compared: the two on val.
        verdict: whether the second one should take the first one's place.
        left_out: samples by reason.
        people_left_out: how many people either was trained on.
        planned: whether the pairs are those of a recording plan, or the commonest errors of before.
        notes: what a reader should know besides.
    """

    before: Contender
    after: Contender
    compared: Compared
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
                "verdict": asdict(self.verdict),
                "left_out": {"people": self.people_left_out, "samples": self.left_out},
                "planned": self.planned,
                "notes": self.notes,
                "splits": {DECIDES: self.compared.as_json()},
            }
        )
        return content


def comparison(before: Contender, after: Contender, config: DictConfig) -> Comparison:
    """Compare two classifiers.

    Raises:
        IncomparableError: they have too few gestures in common, one of them cannot look at val, or no val sample is
            left to compare on; says why.
    """
    frozen = frozen_samples(before, after, config)
    apart = config.splits.group == "subject"
    samples, people, left_out = comparable(frozen, before, after, apart)
    said, left_out[SAMPLES] = said_by_both(samples, before, after, config)
    if said is None:
        raise IncomparableError(nothing_left(before, after, left_out, config))
    pairs, planned = pairs_to_watch(said.pairing, config)
    both = compared(said, pairs, config)
    decided = judged(before, after, both.change, len(frozen))
    left_out = {reason: count for reason, count in left_out.items() if count}
    notes = remarks(before, after, both)
    if not apart:
        notes.append(
            "splits.group=session: people of train are among these samples, so this says nothing of new people"
        )
    return Comparison(before, after, both, decided, left_out, people, planned, notes)


def judged(before: Contender, after: Contender, changed: Change, samples: int) -> Verdict:
    """The verdict; a person's where the scores are not of the same task, or of a small part of `samples`."""
    decided = verdict(changed, DECIDES)
    obstacles = only_one_knows(before, after)
    if changed.samples < COMPARABLE_SHARE * samples:
        obstacles.append(
            f"only {changed.samples:,} of the {samples:,} samples of {DECIDES} are left to compare them on"
        )
    if not obstacles:
        return decided
    return Verdict(False, f"they cannot be compared: {'; '.join(obstacles)}. Of what is left: {decided.reason}", True)


def only_one_knows(before: Contender, after: Contender) -> list[str]:
    """Which gestures only one of the two tells apart, in words."""
    alone = [
        (one.name, [gesture for gesture in one.gestures if gesture not in other.gestures])
        for one, other in ((before, after), (after, before))
    ]
    return [f"only {name} tells {', '.join(gestures)} apart" for name, gestures in alone if gestures]


def frozen_samples(before: Contender, after: Contender, config: DictConfig) -> pd.DataFrame:
    """The val samples as they are split today; of two tables without a split stage, those of either."""
    path = Path(config.compare.samples)
    if path.is_file() or after.table is None or before.table is None:
        samples = read_rows(path)
    else:
        both = pd.concat([after.table.to_frame(), before.table.to_frame()], ignore_index=True)
        samples = both.drop_duplicates("sample_id")
    return samples.loc[samples["split"] == DECIDES, list(KEYS)].reset_index(drop=True)


def comparable(
    samples: pd.DataFrame, before: Contender, after: Contender, people_apart: bool
) -> tuple[pd.DataFrame, int, dict[str, int]]:
    """The samples that say something about both; how many people were left out, and samples by reason.

    Where splits keep sessions apart and not people, a person who was trained on is left in.

    Raises:
        IncomparableError: hardly a gesture is known to both.
    """
    common = set(before.gestures) & set(after.gestures)
    if len(common) < LEAST_GESTURES:
        raise IncomparableError(
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
    """What both say about the samples that both have predictions of (None without any); how many only one has.

    Raises:
        IncomparableError: one of them cannot look at the samples.
    """
    if not len(samples):
        return None, 0
    old, new = (looked_at(samples, each, config) for each in (before, after))
    held = [set(each.column("sample_id")) for each in (old, new)]
    common, missing = held[0] & held[1], len(held[0] ^ held[1])
    if not common:
        return None, missing
    kept = samples[samples["sample_id"].isin(common)].reset_index(drop=True)
    pairing = paired(in_order(old, kept), in_order(new, kept), str(config.splits.group))
    kept = kept.assign(before=named(pairing, pairing.before), after=named(pairing, pairing.after))
    return SaidByBoth(kept, pairing), missing


def looked_at(samples: pd.DataFrame, each: Contender, config: DictConfig) -> Predictions:
    """What one of the two says about the samples. Raises `IncomparableError` where it cannot look at them."""
    try:
        return said_about(samples, each, config)
    except UserError as error:
        raise IncomparableError(f"{each.name} cannot look at today's {DECIDES} split: {error}") from error


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
    """All numbers."""

    def changed(pairing: Pairing) -> Change:
        settings = config.compare
        return change(
            pairing,
            float(settings.max_gesture_loss),
            int(settings.resamples),
            int(config.seed),
            large_gesture_loss=float(settings.large_gesture_loss),
        )

    rows = [
        {"gesture": gesture, "mistaken_for": other, "planned": count, **errors_of_pair(said.pairing, gesture, other)}
        for gesture, other, count in pairs
    ]
    names = ["gesture", "mistaken_for", "planned", *PAIR_COUNTS]
    pairing = said.pairing
    sources = [
        source_row(source, changed(pairing.chosen(pairing.sources == source)))
        for source in sorted(set(pairing.sources))
    ]
    return Compared(changed(pairing), pd.DataFrame(rows, columns=names), pd.DataFrame(sources), said.samples)


def source_row(source: str, changed: Change) -> dict[str, Any]:
    """Weighted F1 of both on the samples of one source."""
    return {
        "source": source,
        "samples": changed.samples,
        "before": changed.before,
        "after": changed.after,
        "difference": changed.difference,
        "low": changed.interval.low,
        "high": changed.interval.high,
    }


def remarks(before: Contender, after: Contender, both: Compared) -> list[str]:
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
    notes += only_one_knows(before, after)
    if both.change.interval.unknown:
        notes.append(f"{DECIDES}: {unknown_people(both.change.interval.unknown, both.change.samples)}")
    elif both.change.interval.unit == SAMPLE:
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
