"""Search in embeddings: hands of a pool that are similar to the errors, and different from each other.

Embeddings are compared by the cosine of their difference from the pool's mean. After a ReLU all entries are positive,
so every plain cosine is close to 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from static_gesture_classification.arrays import Halves, Integers, Singles

COMPARED_AT_ONCE = 8192  # embeddings compared at once
NEAREST_ERRORS = 3  # a hand is as like the errors as its mean likeness to so many of them
# Weight of the similarity to right hands, against the similarity to errors. Measured with landmark models on unlabelled
# pools: of the first 20 hands 0.51 are admitted at 0, 0.53 at 0.5, 0.16 at 1.
AGAINST = 0.5


def centre(embeddings: Halves, rows: Integers) -> Singles:
    """The mean embedding of `rows`, or of a few thousand evenly spread ones: (D,)."""
    some = rows[:: max(1, len(rows) // COMPARED_AT_ONCE)]
    return np.asarray(embeddings[np.sort(some)], np.float32).mean(axis=0)


def likeness(embeddings: Halves, rows: Integers, examples: Singles, others: Singles, mean: Singles) -> Singles:
    """How similar each row is to the examples, and different from the others: (n,), exact, in blocks.

        mean cosine to the 3 nearest examples - 0.5 * mean cosine to the 3 nearest others

    Args:
        embeddings: (N, D), usually memory-mapped.
        rows: (n,) of it.
        examples: (e, D), e > 0: embeddings of errors.
        others: (o, D): right hands of the gesture that the examples are taken for; may be none.
        mean: (D,), see `centre`.
    """
    wanted = _unit(examples - mean)
    references = np.concatenate([wanted, _unit(others - mean), mean[None]]).T
    scores = [np.zeros(0, np.float32)]
    for block in _blocks(embeddings, rows):
        # cos(x - m, y) = (x y - m y) / |x - m| for unit y, so that no block has to be moved to its mean
        products = (block @ torch.from_numpy(references)).numpy()
        squares = torch.linalg.vector_norm(block, dim=1).numpy() ** 2 - 2 * products[:, -1] + mean @ mean
        cosines = (products[:, :-1] - mean @ references[:, :-1]) / np.sqrt(np.maximum(squares, 1e-12))[:, None]
        score = _nearest(cosines[:, : len(wanted)])
        if len(others):
            score -= AGAINST * _nearest(cosines[:, len(wanted) :])
        scores.append(score)
    return np.concatenate(scores)


def diverse(
    scores: Singles, embeddings: Singles, subjects: npt.NDArray[np.object_], count: int, weight: float, per_subject: int
) -> Integers:
    """Rows with high scores that differ from each other, best first: at most `count` of n candidates.

    Each step takes the highest score - weight * highest cosine to one already chosen (maximal marginal relevance;
    Carbonell and Goldstein, SIGIR 1998), with scores scaled to 0..1. A subject gives at most `per_subject` hands, until
    no other subject is left.

    Args:
        scores: (n,).
        embeddings: (n, D), less their mean.
        subjects: (n,) names.
        count: how many.
        weight: of unlikeness; 0 takes the highest scores.
        per_subject: hands of one subject.
    """
    x = _unit(embeddings)
    if len(scores):
        scores = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-9)
    closest = np.zeros(len(x), np.float32)
    taken = np.zeros(len(x), bool)
    seen: dict[str, int] = {}
    full = np.zeros(len(x), bool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(x)):
        allowed = ~taken & ~full
        value = np.where(allowed if allowed.any() else ~taken, scores - weight * closest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        taken[best] = True
        closest = np.maximum(closest, x @ x[best])
        seen[subjects[best]] = seen.get(subjects[best], 0) + 1
        if seen[subjects[best]] == per_subject:
            full |= subjects == subjects[best]
    return np.array(chosen, np.int64)


def _nearest(cosines: Singles) -> Singles:
    """Mean of the highest `NEAREST_ERRORS` cosines of each row."""
    few = min(NEAREST_ERRORS, cosines.shape[1])
    return np.partition(cosines, -few, axis=1)[:, -few:].mean(axis=1)


def _blocks(embeddings: Halves, rows: Integers) -> Iterator[torch.Tensor]:
    """The embeddings of `rows` as float32 tensors of up to BLOCK rows."""
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        some = rows[start : start + COMPARED_AT_ONCE]
        first, last = int(some[0]), int(some[-1])
        consecutive = last - first == len(some) - 1 and bool((np.diff(some) == 1).all())
        block = embeddings[first : last + 1] if consecutive else embeddings[some]
        yield torch.from_numpy(np.asarray(block).astype(np.float32))


def _unit(rows: Singles) -> Singles:
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
