"""Which samples to add next: scores and choices on arrays, with no idea of files, cameras or networks.

Every function takes the current model's outputs on n candidates: probabilities (n, C) float, rows that sum to 1, and
where needed embeddings (n, D) float. Choices are row numbers, in the order chosen; ties go to the lower row, and what
is drawn comes from the generator that is passed in, so that equal input gives equal choices.

Two kinds of policy. Search policies look at samples whose gesture nobody knows: `random_rows`, `highest` of `entropy`
or of doubt (1 - `margin`), `k_centre`, `badge`. Recording policies know the gesture, because somebody performs it:
`quotas` say how many of each gesture, `margin_of_performed` how wrong or unsure the model is about a frame of it, and
`hard_rows` which frames to keep.

Measured on photographs of people and rooms apart (benchmarks/results/active_learning.md): to be as good as 300 samples
added at random, landmarks need 89 that `gesture_shares` and `hard_rows` choose, 71 where the model's last layer learns
from every five of them at once, as in the recorder, and 78 of the smallest `margin` in the whole pool. On frozen image
embeddings it takes 221, 194 and 201. It is `hard_rows` that helps; `gesture_shares` alone is no better than random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from static_gesture_classification.recording.judging.policies import Doubles, Floats, hardness

Integers = npt.NDArray[np.int64]

SMOOTHING = 0.5  # share of the next samples that is dealt to all gestures alike


@dataclass(frozen=True)
class HardMode:
    """How hard mode weighs what it sees.

    Args:
        novelty: how much being unlike the frames already kept counts beside hardness; 0 looks at hardness alone.
        easy: share of the kept frames that are drawn at random, so that a set is not all errors; 0..1.
    """

    novelty: float = 0.5
    easy: float = 0.05


def margin(probabilities: Floats) -> Doubles:
    """Highest minus second highest probability of each row: (n,) in 0..1; 0 is the greatest doubt.

    Scheffer, Decomain and Wrobel, "Active Hidden Markov Models for Information Extraction" (2001).
    """
    two = np.partition(np.asarray(probabilities, np.float64), -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def entropy(probabilities: Floats) -> Doubles:
    """Entropy of each row as a share of the highest possible: (n,) in 0..1; 1 is the greatest doubt."""
    p = np.asarray(probabilities, np.float64)
    terms = p * np.log(np.where(p > 0, p, 1.0))
    return -terms.sum(axis=1) / np.log(p.shape[1])


def highest(scores: Floats, count: int) -> Integers:
    """The rows of the `count` highest scores, highest first."""
    return np.argsort(-np.asarray(scores), kind="stable")[:count].astype(np.int64)


def random_rows(candidates: int, count: int, random: np.random.Generator) -> Integers:
    """`count` of `candidates` rows, each as likely as the other."""
    return random.permutation(candidates)[:count].astype(np.int64)


def quotas(shares: Floats, count: int) -> Integers:
    """`count` samples dealt to gestures in proportion to `shares` (C,): whole numbers that sum to `count`.

    By largest remainder; shares need not sum to 1, and where all are 0 each gesture gets the same.
    """
    weights = np.maximum(np.asarray(shares, np.float64), 0)
    weights = weights if weights.sum() > 0 else np.ones_like(weights)
    exact = weights / weights.sum() * count
    dealt = np.floor(exact).astype(np.int64)
    dealt[highest(exact - dealt, int(count - dealt.sum()))] += 1
    return dealt


def k_centre(features: Floats, count: int, known: Floats | None = None) -> Integers:
    """Rows that cover the candidates: each is the one farthest from all chosen and known ones (greedy k-centre).

    Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (ICLR 2018). Without
    known ones the first is the row nearest the mean.

    Args:
        features: (n, D). known: (m, D), those of the samples in the training set.
    """
    x = np.asarray(features, np.float64)
    count = min(count, len(x))
    chosen: list[int] = []
    if known is not None and len(known):
        distance = _squared_distances(x, np.asarray(known, np.float64)).min(axis=1)
    elif count:
        chosen.append(int(np.argmin(((x - x.mean(axis=0)) ** 2).sum(axis=1))))
        distance = _squared_distances(x, x[chosen])[:, 0]
    while len(chosen) < count:
        distance[chosen] = -1
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, _squared_distances(x, x[chosen[-1:]])[:, 0])
    return np.array(chosen, np.int64)


def badge(probabilities: Floats, embeddings: Floats, count: int, random: np.random.Generator) -> Integers:
    """Rows whose last-layer gradients are large and unlike one another: k-means++ on gradient embeddings.

    Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (ICLR 2020). A gradient is the
    outer product of (probabilities - the predicted class) and (embedding, 1); distances are computed from the factors.
    """
    errors = np.array(probabilities, np.float64)
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1
    inputs = np.column_stack([np.asarray(embeddings, np.float64), np.ones(len(errors))])
    squared = (errors**2).sum(axis=1) * (inputs**2).sum(axis=1)
    count = min(count, len(errors))
    chosen = [int(np.argmax(squared))] if count else []
    distance = np.full(len(errors), np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        products = (errors @ errors[last]) * (inputs @ inputs[last])
        distance = np.minimum(distance, np.maximum(squared + squared[last] - 2 * products, 0))
        distance[chosen] = 0
        total = distance.sum()
        left = np.setdiff1d(np.arange(len(errors)), chosen)
        chosen.append(int(random.choice(len(errors), p=distance / total) if total > 0 else random.choice(left)))
    return np.array(chosen, np.int64)


def gesture_shares(confusion: Floats, smoothing: float = SMOOTHING) -> Doubles:
    """Share of the next samples that each gesture should get: (C,), sums to 1.

    Both sides of a confusion can mend it, so a gesture counts with the mean of the errors made on it and towards it.

    Args:
        confusion: (C, C) counts, rows the ground truth, of predictions on samples (and people) not trained on.
        smoothing: share that is dealt to all gestures alike, because few errors say little; 0..1.
    """
    counts = np.array(confusion, np.float64)
    np.fill_diagonal(counts, 0)
    errors = (counts.sum(axis=0) + counts.sum(axis=1)) / 2
    even = np.full(len(counts), 1 / len(counts))
    return even if errors.sum() == 0 else smoothing * even + (1 - smoothing) * errors / errors.sum()


def hard_rows(
    probabilities: Floats,
    gestures: npt.ArrayLike,
    embeddings: Floats,
    count: int,
    random: np.random.Generator,
    mode: HardMode = HardMode(),
    kept: Floats | None = None,
) -> Integers:
    """Which frames of performed gestures to keep: those the model has most to learn from, unlike one another.

    One after the other, the row with the highest hardness, times its distance to the nearest one already kept
    (relative to the candidates' typical distance, at most 1) to the power of `mode.novelty`. Easy ones come last.

    Args:
        gestures: class index of the gesture performed in each row (n,), or one for all rows.
        embeddings: (n, D), where near-identical frames lie close together.
        kept: (m, D), those of frames that the recording has already kept.
    """
    scores, x = hardness(probabilities, gestures), np.asarray(embeddings, np.float64)
    count = min(count, len(x))
    typical = max(float(np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())), 1e-12) if count else 1.0
    novelty, unused = np.ones(len(x)), np.ones(len(x), bool)
    if kept is not None and len(kept):
        novelty = _novelty(x, np.asarray(kept, np.float64), typical)
    chosen: list[int] = []
    for easy in np.arange(count) >= count - round(mode.easy * count):
        value = np.where(unused, scores * novelty**mode.novelty, -1.0)
        chosen.append(int(random.choice(np.flatnonzero(unused)) if easy else np.argmax(value)))
        unused[chosen[-1]] = False
        novelty = np.minimum(novelty, _novelty(x, x[chosen[-1:]], typical))
    return np.array(chosen, np.int64)


def _novelty(rows: Doubles, others: Doubles, typical: float) -> Doubles:
    """Distance to the nearest of the others as a share of the typical distance, at most 1: (n,)."""
    return np.minimum(np.sqrt(_squared_distances(rows, others).min(axis=1)) / typical, 1.0)


def _squared_distances(rows: Doubles, others: Doubles) -> Doubles:
    """Squared Euclidean distances (n, m), never below 0."""
    norms = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    return np.maximum(norms - 2 * rows @ others.T, 0)
