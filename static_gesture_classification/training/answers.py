"""What a classifier answers, as arrays: for those who use it without torch. See `calibration`, which computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.gestures import Vocabulary


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers for n hands, float32.

    Args:
        probabilities: (n, classes), in class order; each row sums to 1.
        embeddings: (n, features), the network's penultimate layer.
        strangeness: (n,), 0 to 1, how little a hand looks like any gesture: 0.5 at the threshold; 0 without one.
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


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (..., classes) float32 of logits (..., classes)."""
    scores = logits / temperature
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def move_to_background(probabilities: np.ndarray, strangeness: np.ndarray, background: int | None) -> np.ndarray:
    """Move the share `strangeness` (...) of probabilities (..., classes) to the class `background`."""
    if background is None:
        return probabilities
    none = np.eye(probabilities.shape[-1], dtype=np.float32)[background]
    share = np.asarray(strangeness, np.float32)[..., None]
    moved: np.ndarray = probabilities * (1 - share) + none * share
    return moved


def background_index(vocabulary: Vocabulary) -> int | None:
    """The class index of the background gesture; None without one."""
    return None if vocabulary.background is None else vocabulary.names.index(vocabulary.background)
