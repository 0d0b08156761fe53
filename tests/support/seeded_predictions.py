"""Seeded predictions for tests: samples of several people, and probabilities that are mostly right."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from static_gesture_classification.evaluation.predictions import Predictions, predictions_of, sample_keys
from static_gesture_classification.gestures import Vocabulary

GESTURES = ("BACKGROUND", "ONE", "TWO", "THREE", "FOUR", "FIVE", "THUMBS_UP", "THUMBS_DOWN", "OKAY", "FIST")
VOCABULARY = Vocabulary(GESTURES, "BACKGROUND")


def sample_table(gestures: Sequence[str], people: int = 12, split: str = "val") -> pd.DataFrame:
    """A sample table with one row per gesture given, its people in turn, in two sources."""
    count = len(gestures)
    subject = np.arange(count) % people
    return pd.DataFrame(
        {
            "sample_id": [f"{i:024x}" for i in range(count)],
            "image": [f"image_{i}.jpg" for i in range(count)],
            "root": "data/raw/somewhere",
            "x1": np.float32(0.1),
            "y1": np.float32(0.2),
            "x2": np.float32(0.6),
            "y2": np.float32(0.7),
            "gesture": list(gestures),
            "source": np.where(subject % 2, "hagrid", "hands").astype(object),
            "source_label": "published",
            "subject": [f"person {i}" for i in subject],
            "session": [f"session {i}" for i in subject],
            "hand": "right",
            "landmarks": None,
            "split": split,
        }
    )


def probabilities_for(truths: np.ndarray, right: float = 0.8, seed: int = 0, classes: int = 10) -> np.ndarray:
    """Probabilities (n, classes) whose largest is the truth for about `right` of the rows."""
    random = np.random.default_rng(seed)
    said = np.where(random.random(len(truths)) < right, truths, random.integers(classes, size=len(truths)))
    logits = random.normal(size=(len(truths), classes))
    logits[np.arange(len(truths)), said] += 4
    powers = np.exp(logits)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def seeded_predictions(count: int = 600, right: float = 0.8, people: int = 12, seed: int = 0) -> Predictions:
    """Predictions of `count` samples, with embeddings of width 8."""
    random = np.random.default_rng(seed)
    truths = random.integers(len(GESTURES), size=count)
    samples = sample_table([GESTURES[i] for i in truths], people)
    embeddings = random.normal(size=(count, 8)).astype(np.float32)
    return predictions_of(sample_keys(samples), probabilities_for(truths, right, seed), VOCABULARY, embeddings)
