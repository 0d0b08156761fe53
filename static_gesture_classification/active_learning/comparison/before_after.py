"""Two classifiers before and after: which samples they are compared on, and what the comparison says.

Both are scored on the same samples of the frozen val split (only `evaluate` reads test). Left out, and counted, are

- subjects whom either of the two was trained on (unless split.group=session): it would win on these by memory;
- gestures that only one of them tells apart;
- samples that only one of them has predictions of.

The verdict follows the rule of promotion (`evaluation.paired_comparison`). Where the two know different gestures, or
less than half of val is left to compare them on, scores cannot decide: then a person has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from static_gesture_classification.active_learning.planning.plan_file import read_plan
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import subject_digests
from static_gesture_classification.evaluation.contenders import Contender, ContenderSettings, predict_samples
from static_gesture_classification.evaluation.metrics import confusion_counts, error_pairs, json_ready
from static_gesture_classification.evaluation.paired_comparison import (
    COMPARABLE_SHARE,
    PAIR_COUNTS,
    Change,
    ChangeSettings,
    IncomparableError,
    Pairing,
    Verdict,
    errors_of_pair,
    measure_change,
    pair_predictions,
    verdict,
)
from static_gesture_classification.evaluation.predictions import KEY_COLUMNS, Predictions
from static_gesture_classification.evaluation.resampling_units import SAMPLE, unknown_subjects_note
from static_gesture_classification.samples import read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.workspace import Workspace

COMPARISON_VERSION = 1
DECIDES = "val"
SHOWN_PAIRS = 8  # of the commonest errors, where there is no plan
LEAST_GESTURES = 2
# Why samples are left out
TRAINED_ON, UNSHARED = "of people one was trained on", "of gestures only one knows"
UNPREDICTED = "only one has predictions of"


class CompareSettings(Settings, key="compare"):
    """The two contenders, their samples, and the limits of a loss; see conf/compare.

    Args:
        before, after: a checkpoint, a run, or a predictions table.
        samples: table of the frozen splits.
        output: folder of the results.
        plan: whose pairs are watched; may be absent.
        group: what the splits keep apart.
        change: limits of a loss.
        contenders: where the two are found, and their inputs.
    """

    before: str
    after: str
    samples: Path
    output: Path
    plan: Annotated[Path, At("plan.path")]
    group: Annotated[Literal["subject", "session"], At("split.group")]
    change: ChangeSettings
    contenders: ContenderSettings

    def at(self, workspace: Workspace) -> CompareSettings:
        """The same on what another workspace holds."""
        contenders = self.contenders.at(workspace)
        changed = {"samples": workspace.split_table, "output": contenders.output, "contenders": contenders}
        return self.model_copy(update=changed)


@dataclass(frozen=True)
class ComparisonScores:
    """Both classifiers on val.

    Args:
        change: the scores.
        pairs: one row per planned pair: gesture, mistaken_for (None: anything else), planned (how many were to be
            recorded; 0 where there was no plan), and what `paired_comparison.errors_of_pair` counts.
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
    """The comparison of the two.

    Args:
        before, after: the classifiers.
        scores: of the two on val.
        verdict: whether the second one should take the first one's place.
        left_out: samples by reason.
        known_subjects: how many subjects either was trained on.
        by_plan: whether the pairs come from a recording plan; else they are the commonest errors of `before`.
        notes: for the reader.
    """

    before: Contender
    after: Contender
    scores: ComparisonScores
    verdict: Verdict
    left_out: dict[str, int]
    known_subjects: int
    by_plan: bool
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The content of comparison.json."""
        content: dict[str, Any] = json_ready(
            {
                "version": COMPARISON_VERSION,
                "before": {"name": self.before.name, "sha256": self.before.digest},
                "after": {"name": self.after.name, "sha256": self.after.digest},
                "verdict": asdict(self.verdict),
                "left_out": {"people": self.known_subjects, "samples": self.left_out},
                "planned": self.by_plan,
                "notes": self.notes,
                "splits": {DECIDES: self.scores.as_json()},
            }
        )
        return content


def compare(before: Contender, after: Contender, settings: CompareSettings) -> Comparison:
    """Compare two classifiers.

    Raises:
        IncomparableError: they have too few gestures in common, one of them cannot look at val, or no val sample is
            left to compare on; says why.
    """
    frozen = frozen_samples(before, after, settings.samples)
    samples, known, left_out = leave_out(frozen, before, after, settings.group == "subject")
    both, left_out[UNPREDICTED] = predict_both(samples, before, after, settings)
    if both is None:
        raise IncomparableError(nothing_left(before, after, left_out, settings.samples))
    pairs, by_plan = pairs_to_watch(both.pairing, settings.plan)
    scores = score_both(both, pairs, settings.change)
    decided = decide_verdict(before, after, scores.change, len(frozen))
    left_out = {reason: count for reason, count in left_out.items() if count}
    notes = list_notes(before, after, scores)
    if settings.group == "session":
        notes.append("split.group=session: people of train are among these samples, so this says nothing of new people")
    return Comparison(before, after, scores, decided, left_out, known, by_plan, notes)


def decide_verdict(before: Contender, after: Contender, changed: Change, samples: int) -> Verdict:
    """The verdict; undecided where the two know different gestures, or only a small part of `samples` is compared."""
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


def frozen_samples(before: Contender, after: Contender, path: Path) -> pd.DataFrame:
    """Today's val samples; for two tables without a split stage, the val samples of either table."""
    if path.is_file() or after.table is None or before.table is None:
        samples = read_rows(path, KEY_COLUMNS)
    else:
        both = pd.concat([after.table.to_frame(), before.table.to_frame()], ignore_index=True)
        samples = both.drop_duplicates("sample_id")
    return samples.loc[samples["split"] == DECIDES, list(KEY_COLUMNS)].reset_index(drop=True)


def leave_out(
    samples: pd.DataFrame, before: Contender, after: Contender, subjects_apart: bool
) -> tuple[pd.DataFrame, int, dict[str, int]]:
    """The samples that say something about both; how many subjects were left out, and samples by reason.

    Where splits keep sessions apart and not subjects, a subject who was trained on is left in.

    Raises:
        IncomparableError: hardly a gesture is known to both.
    """
    common = set(before.gestures) & set(after.gestures)
    if len(common) < LEAST_GESTURES:
        raise IncomparableError(
            f"{before.name} tells {', '.join(before.gestures)} apart, {after.name} {', '.join(after.gestures)}: they "
            "have too few gestures in common to be compared"
        )
    digests = subject_digests(samples)
    known = (before.subjects or frozenset()) | (after.subjects or frozenset()) if subjects_apart else frozenset()
    seen = digests.isin(known).to_numpy()
    other = ~seen & ~samples["gesture"].isin(common).to_numpy()
    left_out = {TRAINED_ON: int(seen.sum()), UNSHARED: int(other.sum())}
    return samples[~seen & ~other].reset_index(drop=True), digests[seen].nunique(), left_out


@dataclass(frozen=True)
class PredictionPair:
    """Samples with the predictions of both classifiers, row by row."""

    samples: pd.DataFrame
    pairing: Pairing


def predict_both(
    samples: pd.DataFrame, before: Contender, after: Contender, settings: CompareSettings
) -> tuple[PredictionPair | None, int]:
    """Samples that both have predictions of (None if there are none), and how many only one has.

    Raises:
        IncomparableError: one of them cannot look at the samples.
    """
    if not len(samples):
        return None, 0
    old, new = (predict_one(samples, each, settings.contenders) for each in (before, after))
    held = [set(each.column("sample_id")) for each in (old, new)]
    common, missing = held[0] & held[1], len(held[0] ^ held[1])
    if not common:
        return None, missing
    kept = samples[samples["sample_id"].isin(common)].reset_index(drop=True)
    pairing = pair_predictions(in_order(old, kept), in_order(new, kept), settings.group)
    gestures = np.array([*pairing.labels, ""], object)  # the last: no hand was found
    return PredictionPair(kept.assign(before=gestures[pairing.before], after=gestures[pairing.after]), pairing), missing


def predict_one(samples: pd.DataFrame, each: Contender, settings: ContenderSettings) -> Predictions:
    """Predictions of one of the two. Raises `IncomparableError` where it cannot look at the samples."""
    try:
        return predict_samples(samples, each, settings)
    except UserError as error:
        raise IncomparableError(f"{each.name} cannot look at today's {DECIDES} split: {error}") from error


def in_order(predictions: Predictions, samples: pd.DataFrame) -> Predictions:
    """The predictions of these samples, in their order, with their gesture as the ground truth."""
    at = pd.Index(predictions.column("sample_id")).get_indexer(pd.Index(samples["sample_id"]))
    table = predictions.table.take(pa.array(at))
    truth = pa.array(samples["gesture"].to_numpy(object), pa.string())
    column = table.schema.get_field_index("gesture")
    return Predictions(table.set_column(column, "gesture", truth), predictions.gestures)


def pairs_to_watch(pairing: Pairing, path: Path) -> tuple[list[tuple[str, str | None, int]], bool]:
    """Rows (gesture, mistaken_for, planned samples) of the plan, else of the commonest errors of `before`.

    Raises:
        DataError: the plan is damaged.
    """
    if path.is_file():
        return [(line.gesture, line.mistaken_for, line.count) for line in read_plan(path).wanted], True
    found = pairing.before < len(pairing.labels)
    counts = confusion_counts(pairing.truths[found], pairing.before[found], len(pairing.labels))
    commonest = error_pairs(counts, pairing.labels).head(SHOWN_PAIRS)
    return [(str(row["gesture"]), str(row["prediction"]), 0) for row in commonest.to_dict("records")], False


def score_both(
    both: PredictionPair, pairs: Sequence[tuple[str, str | None, int]], settings: ChangeSettings
) -> ComparisonScores:
    """All numbers."""
    pairing = both.pairing
    rows = [
        {"gesture": gesture, "mistaken_for": other, "planned": count, **errors_of_pair(pairing, gesture, other)}
        for gesture, other, count in pairs
    ]
    sources = [
        source_row(source, measure_change(pairing.select(pairing.sources == source), settings))
        for source in sorted(set(pairing.sources))
    ]
    table = pd.DataFrame(rows, columns=["gesture", "mistaken_for", "planned", *PAIR_COUNTS])
    return ComparisonScores(measure_change(pairing, settings), table, pd.DataFrame(sources), both.samples)


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


def list_notes(before: Contender, after: Contender, scores: ComparisonScores) -> list[str]:
    """Notes on the numbers."""
    notes = []
    if before.digest is not None and before.digest == after.digest:
        notes.append(f"{before.name} and {after.name} are the same checkpoint")
    for each in (before, after):
        if each.subjects is None:
            notes.append(
                f"whom {each.name} was trained on is not known: if some of them are among these samples, its scores "
                "are too high"
            )
    notes += only_one_knows(before, after)
    if scores.change.interval.unknown:
        notes.append(f"{DECIDES}: {unknown_subjects_note(scores.change.interval.unknown, scores.change.samples)}")
    elif scores.change.interval.unit == SAMPLE:
        notes.append(f"one alone is compared on in {DECIDES}: the interval says nothing about other people or sessions")
    return notes


def nothing_left(before: Contender, after: Contender, left_out: dict[str, int], path: Path) -> str:
    """Why there is no val sample to compare on, and what to do."""
    reasons = ", ".join(f"{count:,} samples {reason}" for reason, count in left_out.items() if count)
    return (
        f"{before.name} and {after.name} have no sample of {DECIDES} in common (by {path}; left out: "
        f"{reasons or 'none'}). Compare two that were evaluated on the same splits, name those with "
        "compare.samples=FILE, or add people to val whom neither was trained on"
    )
