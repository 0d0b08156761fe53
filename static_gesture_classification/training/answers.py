"""What a classifier answers, from its logits: for those who use it without torch (`calibration` is the same in torch).

This is the one place where logits become an answer. Predictor, evaluate, recorder, predict and ONNX files all use it.

1. The background gesture means "none of these". Its logit gets an advantage, so that a hand is answered with it unless
   a gesture is likelier by that much. The advantage is as large as the hands of val allow: it loses the share
   `background.misses` of those that show a gesture (`fit_calibration`).
2. Logits are divided by a temperature, so that of the predictions with a score of 0.8, 80 in 100 are right (Guo et al.,
   "On Calibration of Modern Neural Networks", ICML 2017). It has the greatest likelihood on val, advantage included.

Distances to training hands (Mahalanobis, nearest neighbours), the greatest logit and others do worse as a score of
strangeness than the background's own logit, once it has learned random poses: benchmarks/results/other_hands.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.gestures import Vocabulary

LOWEST, HIGHEST = 0.05, 20.0  # temperatures that are searched
MOST = 50.0  # greatest advantage, either way


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers for n hands, float32.

    Args:
        probabilities: (n, classes), in class order; each row sums to 1.
        embeddings: (n, features), the network's penultimate layer.
        strangeness: (n,), 0 to 1: the background against the likeliest gesture alone; above 0.5 it is the answer. 0
            without a background gesture.
    """

    probabilities: np.ndarray
    embeddings: np.ndarray
    strangeness: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """The answers of several batches, at least one."""
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            np.concatenate([part.strangeness for part in parts]),
        )


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities.

    Args:
        temperature: logits are divided by it; above 0.
        advantage: added to the background's logit before.
    """

    temperature: float = 1.0
    advantage: float = 0.0

    def probabilities(self, logits: np.ndarray, background: int | None) -> np.ndarray:
        """Probabilities (..., classes) float32 of logits (..., classes); `background` is its class index."""
        return softmax(self._moved(logits, background) / self.temperature)

    def _moved(self, logits: np.ndarray, background: int | None) -> np.ndarray:
        return logits if background is None else logits + self.advantage * np.eye(logits.shape[-1])[background]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (..., classes) float32 of logits (..., classes)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def background_index(vocabulary: Vocabulary) -> int | None:
    """The class index of the background gesture; None without one."""
    return None if vocabulary.background is None else vocabulary.names.index(vocabulary.background)


def fit_calibration(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, background: int | None, misses: float
) -> Calibration:
    """Read the calibration off val.

    Args:
        logits: (n, classes), n at least 1.
        targets: (n,) class indices.
        weights: (n,), above 0: how much each hand counts.
        background: class index of the background gesture; None without one.
        misses: share of the hands of gestures that may be answered with the background, 0 to 1.
    """
    advantage = fit_advantage(logits, targets, weights, background, misses)
    moved = Calibration(1.0, advantage)._moved(np.asarray(logits, np.float64), background)
    return Calibration(fit_temperature(moved, targets, weights), advantage)


def fit_advantage(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, background: int | None, misses: float
) -> float:
    """The greatest advantage of the background that misses at most this share of the gestures' hands.

    0 without a background gesture or without a hand of another one.
    """
    known = targets != background
    if background is None or not known.any():
        return 0.0
    gestures = np.delete(logits[known], background, axis=1).max(axis=1)
    reserve = gestures - logits[known, background]  # the advantage at which the hand is lost
    order = np.argsort(reserve, kind="stable")
    lost = np.cumsum(weights[known][order]) / weights[known].sum()
    kept = int(np.searchsorted(lost, misses, side="right"))  # the first hand that must not be lost
    advantage = reserve[order][min(kept, len(order) - 1)] - 1e-6
    return float(np.clip(advantage, -MOST, MOST))


def fit_temperature(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    """The temperature of the greatest weighted likelihood."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows, shares = np.arange(len(targets)), weights / weights.sum()

    def loss(log_temperature: float) -> float:
        return -float(shares @ log_softmax(logits / np.exp(log_temperature), axis=1)[rows, targets])

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))
