"""Candidates: the hands of a pool that serve a line of the plan, best first, without near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from static_gesture_classification.active_learning.admission import (
    ERROR,
    PLANNED_ERROR,
    AdmissionSettings,
    Judgements,
    judge_all,
)
from static_gesture_classification.active_learning.mining.hand_inputs import cut_crops
from static_gesture_classification.active_learning.mining.pool import HELD_OUT_SPLITS, Pool
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.active_learning.mining.similarity import centre, diverse, likeness
from static_gesture_classification.active_learning.planning.plan_file import PlannedRecording
from static_gesture_classification.arrays import Integers, Singles
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.described_crops import open_described
from static_gesture_classification.preparation.splitting.crop_source import CropSource, JoinedCrops
from static_gesture_classification.preparation.splitting.near_duplicates import UNSETTLED, near_duplicates
from static_gesture_classification.samples import group_of, read_rows
from static_gesture_classification.terminal import track

# Added to the score of labelled errors, so that they come first: likeness lies between -1.5 and 1.5.
LABELLED_BONUS = {PLANNED_ERROR: 8.0, ERROR: 4.0}
# Weight of the probability that a hand shows one of the pair. Measured with landmark models on unlabelled pools: of the
# first 20 hands 0.64 are admitted and 0.35 are the planned error at 0, 0.61 and 0.46 at 0.2, 0.54 and 0.46 at 0.5
# (means over 30 training sets of eight hands a gesture).
OF_THE_PAIR = 0.2
PICTURES_PER_HAND = 8  # candidates whose pictures are compared, for each hand that is wanted; at least LEAST_PICTURES
LEAST_PICTURES = 100


@dataclass(frozen=True)
class Examples:
    """Embeddings to search by: of errors (e, D), and of hands that rightly show the other gesture (o, D)."""

    errors: Singles
    others: Singles


@dataclass(frozen=True)
class Ranking:
    """Hands that would serve a line, best first.

    Args:
        line: of the plan.
        rows: int (k,), of the pool.
        score: (k,) by which they are ranked.
        similarity: (k,) to the errors (`similarity.likeness`), plus the weighted probability of the pair; NaN without
            errors to compare with.
        judgements: k judgements, if each hand shows the line's gesture.
        eligible: how many hands the rule would admit in all.
    """

    line: PlannedRecording
    rows: Integers
    score: Singles
    similarity: Singles
    judgements: Judgements
    eligible: int


def rank_hands(
    line: PlannedRecording, examples: Examples, pool: Pool, vocabulary: Vocabulary, settings: AdmissionSettings
) -> Ranking:
    """The pool's hands that the admission rule would admit for a line, most worthwhile first.

    Args:
        line: of the plan.
        examples: what to search by; without errors, only labelled hands are found.
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


def _of_the_pair(line: PlannedRecording, probabilities: Singles, vocabulary: Vocabulary) -> Singles:
    """Probability that a hand shows the line's gesture or what it is taken for: (n,)."""
    pair = [vocabulary.index(name) for name in (line.gesture, line.mistaken_for) if name and name in vocabulary]
    return probabilities[:, pair].sum(axis=1)


@dataclass
class CandidateCrops:
    """Crops of candidates, and which of them are near-duplicates.

    Args:
        row: pool row -> position in `crops`; rows without a readable image are absent.
        crops: uint8 (k, size, size, 3) RGB.
        in_index: pool rows that are near-duplicates of a hand in the index.
        held_out: subjects with a near-duplicate in val or test.
        same: pool row -> its near-duplicates among the pool rows.
    """

    row: dict[int, int]
    crops: npt.NDArray[np.uint8]
    in_index: set[int] = field(default_factory=set)
    held_out: set[str] = field(default_factory=set)
    same: dict[int, set[int]] = field(default_factory=dict)


def crop_candidates(pool: Pool, rows: Sequence[int], settings: MiningSettings) -> CandidateCrops:
    """Cut candidates (pool rows, which may repeat) out, and compare them with the index and with each other."""
    folder = settings.workspace.crops
    index = open_described(folder) if (folder / CROPS_FILE).is_file() else None
    size = settings.crops.size if index is None else index.size
    distinct = np.array(sorted(set(rows)), np.int64)
    seen = track(cut_crops(pool.samples, distinct, size, settings.crops.margin), "candidates", len(distinct), "hands")
    cut = {row: crop for row, crop in seen if not isinstance(crop, str)}
    own = np.array(sorted(cut), np.int64)
    crops = np.stack([cut[row] for row in own.tolist()]) if len(own) else np.zeros((0, size, size, 3), np.uint8)
    candidates = CandidateCrops({int(row): at for at, row in enumerate(own)}, crops)
    if len(own):
        away = _find_held_out(settings, 0 if index is None else len(index))
        _compare(candidates, own, index, away, group_of(pool.samples).to_numpy(object), settings.seed)
    return candidates


def _find_held_out(settings: MiningSettings, count: int) -> npt.NDArray[np.bool_]:
    """Which of the index's crops are in val or test: bool (count,)."""
    path = settings.workspace.split_table
    away = read_rows(path, ["split"])["split"].isin(HELD_OUT_SPLITS).to_numpy() if path.is_file() else np.zeros(0, bool)
    return away if len(away) == count else np.zeros(count, bool)


def _compare(
    candidates: CandidateCrops,
    own: Integers,
    index: CropSource | None,
    away: npt.NDArray[np.bool_],
    subjects: npt.NDArray[np.object_],
    seed: int,
) -> None:
    """Fill in which candidates are near-duplicates."""
    crops = CropSource(candidates.crops)
    everything = crops if index is None else JoinedCrops(index, crops)
    before = 0 if index is None else len(index)
    groups = np.concatenate([np.zeros(before, np.int64), 1 + np.arange(len(own))])
    links = near_duplicates(everything, groups, seed, np.where(groups, UNSETTLED, 0))
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


@dataclass(frozen=True)
class Proposal:
    """The hands proposed for a line.

    Args:
        ranking: where they come from.
        at: int (m,), positions in the ranking, best first.
        in_index: hands left out as near-duplicates of hands in the index.
        repeated: hands left out as near-duplicates of hands proposed before.
        unreadable: hands without a readable image.
        held_out: hands of subjects who seem to be in val or test.
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
    """The hands to propose for each line; a hand is proposed once, for the first line that it serves."""
    taken: set[int] = set()
    mean = centre(pool.store.embeddings, pool.rows)
    subjects = group_of(pool.samples).to_numpy(object)
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
    """A ranking without near-duplicates of the index, of taken hands, and of better hands.

    A subject with a near-duplicate in val or test was recorded together with it, so all their hands are left out.
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
