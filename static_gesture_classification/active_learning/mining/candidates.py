"""Candidates: which hands of a pool a line of the plan is served by, in which order, without near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from static_gesture_classification.active_learning.admission import (
    ERROR,
    PLANNED_ERROR,
    AdmissionSettings,
    Judgements,
    judge_all,
)
from static_gesture_classification.active_learning.mining.hand_inputs import crops_of
from static_gesture_classification.active_learning.mining.pool import HELD_OUT_SPLITS, Pool
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.active_learning.mining.similarity import centre, diverse, likeness
from static_gesture_classification.active_learning.planning.plan_file import PlannedRecording
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crop_store import CROPS
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.splitting.near_duplicates import near_duplicates
from static_gesture_classification.samples import held_together, read_samples
from static_gesture_classification.terminal import track

# Labelled errors come before whatever else is like them: likeness lies between -1.5 and 1.5.
LABELLED_BONUS = {PLANNED_ERROR: 8.0, ERROR: 4.0}
# How much counts that the model takes a hand for one of the pair. Measured with landmark models on pools that nobody
# labelled: of the first 20 hands 0.64 join and 0.35 are the planned error at 0, 0.61 and 0.46 at 0.2, 0.54 and 0.46 at
# 0.5 (means over 30 training sets of eight hands a gesture).
OF_THE_PAIR = 0.2
PICTURES_PER_HAND = 8  # candidates whose pictures are compared, for each hand that is wanted; at least LEAST_PICTURES
LEAST_PICTURES = 100

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """What a line searches by: embeddings of errors (e, D), and of hands rightly taken for the other gesture (o, D)."""

    errors: Floats
    others: Floats


@dataclass(frozen=True)
class Ranking:
    """Hands that would serve a line, best first.

    Args:
        line: of the plan.
        rows: int (k,), of the pool.
        score: (k,) by which they are ranked.
        similarity: (k,) to the errors (`search.likeness`), and to what the model takes for one of the pair; NaN where
            there are no errors to compare with.
        judgements: of these hands, should they show the line's gesture.
        eligible: how many there are in all, of which these are the first.
    """

    line: PlannedRecording
    rows: Integers
    score: Floats
    similarity: Floats
    judgements: Judgements
    eligible: int


def rank(
    line: PlannedRecording, examples: Examples, pool: Pool, vocabulary: Vocabulary, settings: AdmissionSettings
) -> Ranking:
    """The pool's hands that the admission rule would let in for a line, most worthwhile first.

    Args:
        line: of the plan.
        examples: what to search by; where there are no errors, only labelled hands are found.
        pool: where to search.
        vocabulary: of the checkpoint.
        settings: of the admission rule.
    """
    labels = pool.samples["gesture"].to_numpy(object)
    wanted = np.isin(labels, ["", line.gesture] if len(examples.errors) else [line.gesture])
    rows = np.flatnonzero(wanted)
    judgements = judge_all(
        pool.probabilities[rows], [line.gesture] * len(rows), vocabulary, settings, [line.mistaken_for] * len(rows)
    )
    rows, judgements = rows[judgements.admitted], judgements.take(np.flatnonzero(judgements.admitted))
    similarity = np.full(len(rows), np.nan, np.float32)
    if len(examples.errors) and len(rows):
        mean = centre(pool.store.embeddings, pool.rows)
        similarity = likeness(pool.store.embeddings, pool.rows[rows], examples.errors, examples.others, mean)
        similarity += OF_THE_PAIR * _of_the_pair(line, pool.probabilities[rows], vocabulary)
    known = (labels[rows] != "").astype(float)
    first = known * np.array([LABELLED_BONUS.get(outcome, 0.0) for outcome in judgements.outcome])
    score = (first + np.where(np.isnan(similarity), 1 - judgements.margin, similarity)).astype(np.float32)
    most = max(LEAST_PICTURES, PICTURES_PER_HAND * line.count)
    best = np.argsort(-score, kind="stable")[:most]
    return Ranking(line, rows[best], score[best], similarity[best], judgements.take(best), len(rows))


def _of_the_pair(line: PlannedRecording, probabilities: Floats, vocabulary: Vocabulary) -> Floats:
    """Probability that a hand shows the line's gesture or what it is taken for: (n,)."""
    pair = [vocabulary.index(name) for name in (line.gesture, line.mistaken_for) if name and name in vocabulary]
    return probabilities[:, pair].sum(axis=1)


@dataclass
class CandidateCrops:
    """Pictures of candidates, and which of them show the same moment as another.

    Args:
        row: pool row -> position in `crops`; rows without a readable image are absent.
        crops: uint8 (k, size, size, 3) RGB.
        in_index: pool rows that are near-duplicates of a hand in the index.
        held_out: subjects of the pool of whom a hand is a near-duplicate of one in val or test.
        same: pool row -> pool rows that are near-duplicates of it.
    """

    row: dict[int, int]
    crops: npt.NDArray[np.uint8]
    in_index: set[int] = field(default_factory=set)
    held_out: set[str] = field(default_factory=set)
    same: dict[int, set[int]] = field(default_factory=dict)


def crop_candidates(pool: Pool, rows: Sequence[int], settings: MiningSettings) -> CandidateCrops:
    """Cut candidates (rows of the pool, which may repeat) out; compare them with the index and with one another."""
    folder = settings.workspace.crops
    index = open_crops(folder) if (folder / CROPS).is_file() else None
    size = settings.crops.size if index is None else index.shape[1]
    distinct = np.array(sorted(set(rows)), np.int64)
    seen = track(crops_of(pool.samples, distinct, size, settings.crops.margin), "candidates", len(distinct), "hands")
    cut = {row: crop for row, crop in seen if not isinstance(crop, str)}
    own = np.array(sorted(cut), np.int64)
    crops = np.stack([cut[row] for row in own.tolist()]) if len(own) else np.zeros((0, size, size, 3), np.uint8)
    candidates = CandidateCrops({int(row): at for at, row in enumerate(own)}, crops)
    if len(own):
        away = _held_out(settings, 0 if index is None else len(index))
        _compare(candidates, own, index, away, held_together(pool.samples).to_numpy(object), settings.seed)
    return candidates


def _held_out(settings: MiningSettings, count: int) -> npt.NDArray[np.bool_]:
    """Which of the index's crops are in val or test: bool (count,)."""
    path = settings.workspace.split_table
    away = read_samples(path)["split"].isin(HELD_OUT_SPLITS).to_numpy() if path.is_file() else np.zeros(0, bool)
    return away if len(away) == count else np.zeros(count, bool)


def _compare(
    candidates: CandidateCrops,
    own: Integers,
    index: np.ndarray | None,
    away: npt.NDArray[np.bool_],
    subjects: npt.NDArray[np.object_],
    seed: int,
) -> None:
    """Fill in which candidates are near-duplicates, and whose."""
    crops = candidates.crops
    everything = crops if index is None else ConcatenatedCrops(index, crops)
    before = 0 if index is None else len(index)
    groups = np.concatenate([np.zeros(before, np.int64), 1 + np.arange(len(own))])
    links = near_duplicates(everything, groups, seed)  # type: ignore[arg-type]
    for first, second in zip(links.first.tolist(), links.second.tolist(), strict=True):
        row = int(own[second - before])
        if first < before:
            candidates.in_index.add(row)
            if away[first]:
                candidates.held_out.add(subjects[row])
        else:
            other = int(own[first - before])
            candidates.same.setdefault(row, set()).add(other)
            candidates.same.setdefault(other, set()).add(row)


class ConcatenatedCrops:
    """Two arrays of crops as one, without copying the first, which is memory-mapped and may be large."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        self.first, self.second = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        rows = np.arange(len(self))[key]
        result = np.empty((len(rows), *self.shape[1:]), self.second.dtype)
        early = rows < len(self.first)
        result[early] = self.first[rows[early]]
        result[~early] = self.second[rows[~early] - len(self.first)]
        return result


@dataclass(frozen=True)
class Proposal:
    """The hands proposed for a line.

    Args:
        ranking: where they come from.
        at: int (m,), positions in it, best first.
        in_index: how many were left out as near-duplicates of hands in the index.
        repeated: likewise, of hands proposed before.
        unreadable: how many have no readable image.
        held_out: how many are of subjects who seem to be in val or test.
    """

    ranking: Ranking
    at: Integers
    in_index: int = 0
    held_out: int = 0
    repeated: int = 0
    unreadable: int = 0


def propose(
    pool: Pool, rankings: Sequence[Ranking], candidates: CandidateCrops, settings: MiningSettings
) -> list[Proposal]:
    """For each line the hands to propose; a hand is proposed once, for the first line that it serves."""
    taken: set[int] = set()
    mean = centre(pool.store.embeddings, pool.rows)
    subjects = held_together(pool.samples).to_numpy(object)
    found = []
    for ranking in rankings:
        distinct = _distinct(ranking, candidates, taken, subjects)
        at = distinct.at
        rows = ranking.rows[at]
        order = diverse(
            ranking.score[at],
            np.asarray(pool.store.embeddings[pool.rows[rows]], np.float32) - mean,
            subjects[rows],
            ranking.line.count if settings.count is None else settings.count,
            settings.diversity,
            settings.per_subject,
        )
        taken |= set(rows[order].tolist())
        found.append(replace(distinct, at=at[order]))
    return found


def _distinct(
    ranking: Ranking, candidates: CandidateCrops, taken: set[int], subjects: npt.NDArray[np.object_]
) -> Proposal:
    """A ranking without near-duplicates of the index, of what is taken, and of one another; the better one stays.

    Who has a near-duplicate in val or test was recorded together with it, so nothing of theirs may be learned from.
    """
    kept: list[int] = []
    seen: set[int] = set(taken)
    in_index = held_out = repeated = unreadable = 0
    for at, row in enumerate(ranking.rows.tolist()):
        if row not in candidates.row:
            unreadable += 1
        elif row in candidates.in_index:
            in_index += 1
        elif subjects[row] in candidates.held_out:
            held_out += 1
        elif row in seen or candidates.same.get(row, set()) & seen:
            repeated += row not in taken
        else:
            kept.append(at)
            seen.add(row)
    return Proposal(ranking, np.array(kept, np.int64), in_index, held_out, repeated, unreadable)
