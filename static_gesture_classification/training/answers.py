"""What a classifier answers, from its logits: for those who use it without torch (`calibration` is the same in torch).

This is the one place where logits become an answer. Predictor, evaluate, recorder, predict and ONNX files all use it.

1. The background gesture means "none of these". Its logit gets an advantage, which decides between false alarms and
   missed gestures.
2. Logits are divided by a temperature, so that of the predictions with a score of 0.8, 80 in 100 are right (Guo et al.,
   "On Calibration of Modern Neural Networks", ICML 2017).

Both are read off val by the greatest likelihood (Alexandari et al., "Maximum Likelihood with Bias-Corrected Calibration
is Hard-To-Beat at Label Shift Adaptation", ICML 2020), with val weighted as hands come in use: `background.share` of
them show no gesture. A dozen people in val say little about hands that show none: what is read off one dozen or another
differs by factors. So the advantage starts from what is usual on new people (`USUAL_SHIFT`); the more people val has,
the less that counts (benchmarks/results/strangers.md).

Other scores of strangeness are hardly better than the background's own logit, once it has learned random poses. With 97
% of the known hands right, 6.1 % of the others are taken for a gesture by it, 5.0 % by the greatest logit, 5.4 % by
Mahalanobis distance, 10.8 % by nearest neighbours: benchmarks/results/other_hands.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.gestures import Vocabulary

LOWEST, HIGHEST = 0.05, 20.0  # temperatures that are searched
MOST_ADVANTAGE = 20.0  # greatest advantage over the temperature, either way
# How far the background's log-odds are too low on new people, where half of the hands in use show no gesture: mean and
# standard deviation of the prior, as the landmark model has it on people and sources left out.
USUAL_SHIFT, SHIFT_SPREAD = 0.25, 0.5


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
    def join(cls, parts: Sequence[Answers]) -> Answers:
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
        moved = logits if background is None else logits + self.advantage * np.eye(logits.shape[-1])[background]
        return softmax(moved / self.temperature)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (..., classes) float32 of logits (..., classes)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def background_index(vocabulary: Vocabulary) -> int | None:
    """The class index of the background gesture; None without one."""
    return None if vocabulary.background is None else vocabulary.names.index(vocabulary.background)


def fit_calibration(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, background: int | None, share: float
) -> Calibration:
    """Read the calibration off val.

    Args:
        logits: (n, classes), n at least 1.
        targets: (n,) class indices.
        weights: (n,), above 0: how much each hand counts; their sum is the number of people, who outvote the prior.
        background: class index of the background gesture; None without one.
        share: of hands in use that show no gesture, between 0 and 1.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits, rows = np.asarray(logits, np.float64), np.arange(len(targets))
    none = np.eye(logits.shape[1])[background or 0]
    both = background is not None and 0 < int((targets == background).sum()) < len(targets)
    shares = _in_use(weights, targets == background, share) if both else weights / weights.sum()
    usual = USUAL_SHIFT + np.log(share / (1 - share)) if both else 0.0

    def loss(parameters: np.ndarray) -> float:  # convex in the two
        factor, added = parameters
        likelihood = float(shares @ log_softmax(factor * logits + added * none, axis=1)[rows, targets])
        return -likelihood + ((added - usual) / SHIFT_SPREAD) ** 2 / (2 * weights.sum())

    least_most = [(1 / HIGHEST, 1 / LOWEST), (-MOST_ADVANTAGE, MOST_ADVANTAGE) if both else (0.0, 0.0)]
    factor, added = minimize(loss, [1.0, 0.0], method="L-BFGS-B", bounds=least_most).x
    return Calibration(round(float(1 / factor), 6), round(float(added / factor), 6))


def _in_use(weights: np.ndarray, none: np.ndarray, share: float) -> np.ndarray:
    """Weights that sum to 1, `share` of it on the hands that show no gesture."""
    parts = np.where(none, share / weights[none].sum(), (1 - share) / weights[~none].sum())
    weighted: np.ndarray = weights * parts
    return weighted
