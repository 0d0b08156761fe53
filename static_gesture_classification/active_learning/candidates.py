"""Candidates: which hands of a pool a line of the plan is served by, in which order, without near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig

from static_gesture_classification.active_learning.admission import (
    ERROR,
    PLANNED_ERROR,
    Judgements,
    Settings,
    judge_all,
)
from static_gesture_classification.active_learning.plan import PlannedRecording
from static_gesture_classification.active_learning.pool import Pool, crops_of
from static_gesture_classification.active_learning.search import centre, diverse, likeness
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crop_store import CROPS
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.near_duplicates import near_duplicates
from static_gesture_classification.progress import track

# Labelled errors come before whatever else is like them: likeness lies between -1.5 and 1.5.
FIRST = {PLANNED_ERROR: 8.0, ERROR: 4.0}
LOOKED_AT = 8  # candidates whose pictures are compared, for each hand that is wanted; at least LEAST_LOOKED_AT
LEAST_LOOKED_AT = 100

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """What a line searches by: embeddings of errors (e, D), and of hands rightly taken for the other gesture (o, D)."""

    errors: Floats
    others: Floats


@dataclass(frozen=True)
class Ranked:
    """Hands that would serve a line, best first.

    Args:
        line: of the plan.
        rows: int (k,), of the pool.
        score: (k,) by which they are ranked.
        similarity: (k,) to the errors (`search.likeness`); NaN where there are none to compare with.
        judgements: of these hands, should they show the line's gesture.
        eligible: how many there are in all, of which these are the first.
    """

    line: PlannedRecording
    rows: Integers
    score: Floats
    similarity: Floats
    judgements: Judgements
    eligible: int


def ranked(
    line: PlannedRecording, examples: Examples, pool: Pool, vocabulary: Vocabulary, settings: Settings
) -> Ranked:
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
    known = (labels[rows] != "").astype(float)
    first = known * np.array([FIRST.get(outcome, 0.0) for outcome in judgements.outcome])
    score = (first + np.where(np.isnan(similarity), 1 - judgements.margin, similarity)).astype(np.float32)
    most = max(LEAST_LOOKED_AT, LOOKED_AT * line.count)
    best = np.argsort(-score, kind="stable")[:most]
    return Ranked(line, rows[best], score[best], similarity[best], judgements.take(best), len(rows))


@dataclass
class Looks:
    """Pictures of candidates, and which of them show the same moment as another.

    Args:
        row: pool row -> position in `crops`; rows without a readable image are absent.
        crops: uint8 (k, size, size, 3) RGB.
        in_index: pool rows that are near-duplicates of a hand in the index.
        same: pool row -> pool rows that are near-duplicates of it.
    """

    row: dict[int, int]
    crops: npt.NDArray[np.uint8]
    in_index: set[int] = field(default_factory=set)
    same: dict[int, set[int]] = field(default_factory=dict)


def look_at(pool: Pool, rows: Sequence[int], config: DictConfig) -> Looks:
    """Cut candidates out and compare them with the index's crops and with one another.

    Args:
        pool: the pool.
        rows: of it; may repeat.
        config: the composed configuration.
    """
    index = open_crops(Path(config.paths.crops)) if (Path(config.paths.crops) / CROPS).is_file() else None
    size = config.crops.size if index is None else index.shape[1]
    distinct = np.array(sorted(set(rows)), np.int64)
    seen = track(crops_of(pool.samples, distinct, size, config.crops.margin), "candidates", len(distinct), "hands")
    cut = {row: crop for row, crop in seen if not isinstance(crop, str)}
    own = np.array(sorted(cut), np.int64)
    crops = np.stack([cut[row] for row in own.tolist()]) if len(own) else np.zeros((0, size, size, 3), np.uint8)
    looks = Looks({int(row): at for at, row in enumerate(own)}, crops)
    if len(own):
        _compare(looks, own, crops, index, config.seed)
    return looks


def _compare(looks: Looks, own: Integers, crops: npt.NDArray[np.uint8], index: np.ndarray | None, seed: int) -> None:
    """Fill in which candidates are near-duplicates."""
    everything = crops if index is None else Both(index, crops)
    before = 0 if index is None else len(index)
    groups = np.concatenate([np.zeros(before, np.int64), 1 + np.arange(len(own))])
    links = near_duplicates(everything, groups, seed)  # type: ignore[arg-type]
    for first, second in zip(links.first.tolist(), links.second.tolist(), strict=True):
        row = int(own[second - before])
        if first < before:
            looks.in_index.add(row)
        else:
            other = int(own[first - before])
            looks.same.setdefault(row, set()).add(other)
            looks.same.setdefault(other, set()).add(row)


class Both:
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
class Chosen:
    """The hands proposed for a line.

    Args:
        ranked: where they come from.
        at: int (m,), positions in it, best first.
        in_index: how many were left out as near-duplicates of hands in the index.
        repeated: likewise, of hands proposed before.
        unreadable: how many have no readable image.
    """

    ranked: Ranked
    at: Integers
    in_index: int = 0
    repeated: int = 0
    unreadable: int = 0


def choose(pool: Pool, rankings: Sequence[Ranked], looks: Looks, config: DictConfig) -> list[Chosen]:
    """For each line the hands to propose; a hand is proposed once, for the first line that it serves."""
    taken: set[int] = set()
    mean = centre(pool.store.embeddings, pool.rows)
    subjects = pool.samples["subject"].to_numpy(object)
    found = []
    for ranking in rankings:
        candidates = _distinct(ranking, looks, taken)
        at = candidates.at
        rows = ranking.rows[at]
        order = diverse(
            ranking.score[at],
            np.asarray(pool.store.embeddings[pool.rows[rows]], np.float32) - mean,
            subjects[rows],
            ranking.line.count if config.mining.count is None else config.mining.count,
            config.mining.diversity,
            config.mining.per_subject,
        )
        taken |= set(rows[order].tolist())
        found.append(Chosen(ranking, at[order], candidates.in_index, candidates.repeated, candidates.unreadable))
    return found


def _distinct(ranking: Ranked, looks: Looks, taken: set[int]) -> Chosen:
    """A ranking without near-duplicates of the index, of what is taken, and of one another; the better one stays."""
    kept: list[int] = []
    seen: set[int] = set(taken)
    in_index = repeated = unreadable = 0
    for at, row in enumerate(ranking.rows.tolist()):
        if row not in looks.row:
            unreadable += 1
        elif row in looks.in_index:
            in_index += 1
        elif row in seen or looks.same.get(row, set()) & seen:
            repeated += row not in taken
        else:
            kept.append(at)
            seen.add(row)
    return Chosen(ranking, np.array(kept, np.int64), in_index, repeated, unreadable)
