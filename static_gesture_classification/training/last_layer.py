"""Refit the last layer of a classifier on embeddings, regularised towards the layer it starts from.

It is a multinomial logistic regression on the frozen backbone's embeddings. The loss is

    sum of cross-entropies + strength * |weights - weights of the start|^2

with embeddings in units of their standard deviation. A high strength keeps the starting layer; a low one fits the data
alone. The quick loop fits it to labels (`active_learning.retraining.head`), the recorder to kept pictures
(`recording.judging.learning_head`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from static_gesture_classification.arrays import Doubles, Floats, Singles
from static_gesture_classification.training.answers import softmax

LBFGS_STEPS = 100  # of L-BFGS at most
LEAST_DEVIATION = 1e-6  # of an embedding's entry, so that nothing is divided by 0


@dataclass(frozen=True, eq=False)
class LastLayer:
    """From embeddings to gestures: weights float32 (C, D), bias float32 (C,)."""

    weights: Floats
    bias: Floats

    def scores(self, embeddings: Floats) -> Floats:
        """Logits (..., C) of embeddings (..., D)."""
        scores: Floats = embeddings @ self.weights.T + self.bias
        return scores

    def probabilities(self, embeddings: Floats) -> Singles:
        """Probabilities (..., C) float32 of embeddings (..., D)."""
        return softmax(self.scores(embeddings))


def deviation(embeddings: Floats) -> Singles:
    """The standard deviation of each entry of embeddings (n, D), never 0: (D,)."""
    return np.maximum(embeddings.std(axis=0), LEAST_DEVIATION).astype(np.float32)


def fit_last_layer(
    start: LastLayer,
    embeddings: Floats,
    targets: Floats,
    strength: float,
    scale: Floats,
    begin: LastLayer | None = None,
) -> LastLayer:
    """The layer that minimises the module's loss.

    Args:
        start: the layer it is regularised towards.
        embeddings: (n, D) float32.
        targets: (n, C) float32 probabilities.
        strength: of the regularisation.
        scale: (D,), the deviation of embeddings.
        begin: initial layer of the search; None: `start`.
    """
    from scipy.optimize import minimize  # takes a second
    from threadpoolctl import threadpool_limits

    inputs = np.column_stack([embeddings / scale, np.ones(len(embeddings), np.float32)])
    origin = _flat(start, scale)
    shape = (len(start.bias), inputs.shape[1])

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        scores = inputs @ flat.reshape(shape).T.astype(np.float32)
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1, keepdims=True)
        entropies = ((np.log(sums) - scores) * targets).sum(dtype=np.float64)
        gradient = ((powers / sums - targets).T @ inputs).ravel() + 2 * strength * (flat - origin)
        return float(entropies + strength * ((flat - origin) ** 2).sum()), gradient

    first = origin if begin is None else _flat(begin, scale)
    with threadpool_limits(1, "blas"):  # matrices are so thin that two threads take ten times as long
        found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": LBFGS_STEPS})
    layer = found.x.reshape(shape).astype(np.float32)
    return LastLayer(layer[:, :-1] / scale, layer[:, -1])


def _flat(layer: LastLayer, scale: Floats) -> Doubles:
    return np.column_stack([layer.weights * scale, layer.bias]).astype(np.float64).ravel()
