"""Assignment of whole groups of samples to splits, so that each gesture has its share in each split.

It minimises the squared deviation from the targets, relative to them (a chi-square over gestures and splits): first a
greedy assignment, largest groups first, then a local search that moves and swaps groups. A split that lacks a gesture
costs more than any deviation, train most of all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

TRAIN_CODE, VAL_CODE, TEST_CODE = 0, 1, 2
# Cost of a split (train, val, test) that lacks a gesture, and of an empty one.
LACKING = np.array([1e6, 1.1e4, 1.2e4])[:, None]
EMPTY = 1e9
RANDOM_STARTS = 4
MOVES = 2000
SWAP_GROUPS = 250


@dataclass(frozen=True)
class Groups:
    """Groups to assign.

    Attributes:
        counts: float (groups, gestures), samples.
        allowed: bool (groups, 3), splits that a group may go to; a settled group has one.
        names: a stable name per group, to order groups of equal size.
    """

    counts: np.ndarray
    allowed: np.ndarray
    names: list[str]

    @property
    def free(self) -> np.ndarray:
        """Positions of the groups that may go to more than one split."""
        return np.flatnonzero(self.allowed.sum(axis=1) > 1)


@dataclass(frozen=True)
class _Goal:
    """The goal of an assignment: `base` (3, gestures) counts settled samples, `wanted` is the target of free ones."""

    base: np.ndarray
    wanted: np.ndarray
    exists: np.ndarray
    requested: np.ndarray

    def loss(self, free: np.ndarray) -> np.ndarray:
        """Loss of free samples per split and gesture, (..., 3, gestures)."""
        shares = ((free - self.wanted) ** 2 / (self.wanted + 1)).sum(axis=(-1, -2))
        total = free + self.base
        lacking = (total == 0) & self.exists & self.requested[:, None]
        empty = (total.sum(axis=-1) == 0) & self.requested
        return shares + (lacking * LACKING).sum(axis=(-1, -2)) + EMPTY * empty.sum(axis=-1)


def assign_groups(groups: Groups, shares: tuple[float, float, float], seed: int) -> np.ndarray:
    """Choose a split (0 train, 1 val, 2 test) for each group: int (groups,).

    Args:
        groups: what to assign.
        shares: of train, val and test, of the samples that may go there.
        seed: orders groups of equal size and varies the starts of the search.
    """
    splits = groups.allowed.argmax(axis=1)
    free = groups.free[np.argsort([groups.names[group] for group in groups.free], kind="stable")]
    if not len(free):
        return splits
    goal = _goal(groups, free, np.asarray(shares, float))
    counts, allowed = groups.counts[free], groups.allowed[free]
    names = [groups.names[group] for group in free]
    best, best_loss = splits[free], np.inf
    for start in range(RANDOM_STARTS if len(free) <= 5000 else 1):
        found = _search(goal, counts, allowed, _greedy(goal, counts, allowed, _order(counts, names, seed, start)))
        loss = float(goal.loss(_totals(found, counts)))
        if loss < best_loss - 1e-9:
            best, best_loss = found, loss
    splits[free] = best
    return splits


def _goal(groups: Groups, free: np.ndarray, shares: np.ndarray) -> _Goal:
    weights = groups.allowed[free] * shares
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    settled = np.setdiff1d(np.arange(len(groups.counts)), free)
    base = _totals(groups.allowed[settled].argmax(axis=1), groups.counts[settled])
    wanted = _targets(base, weights.T @ groups.counts[free], shares)
    return _Goal(base, wanted, groups.counts.sum(axis=0) > 0, shares > 0)


def _targets(base: np.ndarray, share: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Target of free samples per split: their share, plus or minus what settled samples lack or exceed.

    At least half and at most twice the share, so that a large dataset with official splits does not pull a small one
    wholly into train.
    """
    missing = shares[:, None] * (base + share).sum(axis=0) - base
    wanted = np.clip(missing, 0.5 * share, 2 * share)
    wanted[TRAIN_CODE] = np.maximum(share.sum(axis=0) - wanted[VAL_CODE] - wanted[TEST_CODE], 0)
    return wanted


def _totals(splits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Samples per split and gesture: float (3, gestures)."""
    return np.stack([counts[splits == split].sum(axis=0) for split in (TRAIN_CODE, VAL_CODE, TEST_CODE)])


def _order(counts: np.ndarray, names: list[str], seed: int, start: int) -> np.ndarray:
    """Largest groups first; later starts let smaller ones overtake, by a hash of seed and name."""
    digests = [hashlib.blake2b(f"{seed}\0{start}\0{name}".encode(), digest_size=8).digest() for name in names]
    chance = np.array([int.from_bytes(digest, "big") for digest in digests], float) / 2**64
    size = counts.sum(axis=1) * (1 + (chance - 0.5) * min(start, 1))
    return np.lexsort((chance, -size))


def _greedy(goal: _Goal, counts: np.ndarray, allowed: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Give each group to the split that lacks its gestures most, relative to the target."""
    splits = np.zeros(len(counts), np.int64)
    totals = np.zeros_like(goal.wanted)
    weight = 1 / (goal.wanted + 1)
    for group in order:
        # Change of sum((n - wanted)^2 / (wanted + 1)) when the group joins each split.
        change = ((2 * (totals - goal.wanted) + counts[group]) * counts[group] * weight).sum(axis=1)
        splits[group] = np.where(allowed[group], change, np.inf).argmin()
        totals[splits[group]] += counts[group]
    return splits


def _search(goal: _Goal, counts: np.ndarray, allowed: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Improve by the best single move, then by the best swap, until neither helps."""
    totals = _totals(splits, counts)
    loss = float(goal.loss(totals))
    for _ in range(MOVES):
        move = _best_move(goal, counts, allowed, splits, totals)
        if move[0] >= loss - 1e-9 and len(counts) <= SWAP_GROUPS:
            move = _best_swap(goal, counts, allowed, splits, totals)
        if move[0] >= loss - 1e-9:
            break
        loss, changes = move
        for group, split in changes:
            totals[splits[group]] -= counts[group]
            totals[split] += counts[group]
            splits[group] = split
    return splits


Move = tuple[float, list[tuple[int, int]]]


def _best_move(goal: _Goal, counts: np.ndarray, allowed: np.ndarray, splits: np.ndarray, totals: np.ndarray) -> Move:
    best: Move = (np.inf, [])
    every = np.arange(len(counts))
    for split in (TRAIN_CODE, VAL_CODE, TEST_CODE):
        movable = every[allowed[:, split] & (splits != split)]
        for chunk in np.array_split(movable, max(1, len(movable) // 4096)):
            if len(chunk):
                after = np.repeat(totals[None], len(chunk), axis=0)
                after[np.arange(len(chunk)), splits[chunk]] -= counts[chunk]
                after[:, split] += counts[chunk]
                best = _better(best, goal.loss(after), [[(int(group), split)] for group in chunk])
    return best


def _best_swap(goal: _Goal, counts: np.ndarray, allowed: np.ndarray, splits: np.ndarray, totals: np.ndarray) -> Move:
    best: Move = (np.inf, [])
    for group in range(len(counts)):
        others = np.flatnonzero((splits > splits[group]) & allowed[:, splits[group]] & allowed[group, splits])
        if not len(others):
            continue
        after = np.repeat(totals[None], len(others), axis=0)
        exchange = counts[others] - counts[group]
        after[:, splits[group]] += exchange
        after[np.arange(len(others)), splits[others]] -= exchange
        swaps = [[(group, int(splits[other])), (int(other), int(splits[group]))] for other in others]
        best = _better(best, goal.loss(after), swaps)
    return best


def _better(best: Move, losses: np.ndarray, changes: list[list[tuple[int, int]]]) -> Move:
    at = int(losses.argmin())
    return (float(losses[at]), changes[at]) if losses[at] < best[0] - 1e-9 else best
