"""Refit the last layer of a crop model on stored embeddings; all other layers stay as they are.

The layer is regularised towards the one it starts from (see `training.last_layer`), with a strength for each training
sample. The strength with the best weighted F1 on held-out subjects of train is chosen, by cross-validation; keeping the
layer unchanged is one of the choices. Val takes no part, since it judges the result. Only subjects whom the start was
not trained on are held out, if there are at least two: on the others it would seem better than it is.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from static_gesture_classification.arrays import Singles
from static_gesture_classification.evaluation.metrics import Integers, confusion_counts
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.terminal import track
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.last_layer import LastLayer, deviation, fit_last_layer
from static_gesture_classification.training.scores import weighted_f1

EMBED_BATCH = 256
FOLDS = 5  # at most; fewer where there are fewer subjects


@dataclass(frozen=True)
class Head:
    """A last layer, and how it was chosen.

    Args:
        layer: the layer.
        strength: of the fit; None: unchanged.
        weighted_f1: of that strength, on held-out subjects; NaN without any.
        judges: number of held-out subjects.
    """

    layer: LastLayer
    strength: float | None
    weighted_f1: float = math.nan
    judges: int = 0

    def choice(self, noun: str) -> str:
        """The chosen strength and its score, in words; `noun` is what was held out: people or sessions."""
        how = "as it was" if self.strength is None else f"with strength {self.strength:g}"
        if not self.judges:
            return f"{how}, the strongest: train has no two {noun} to choose by"
        return f"{how}: weighted F1 {self.weighted_f1:.4f} on {self.judges:,} {noun} of train, held out in turn"


@dataclass(frozen=True)
class Embedded:
    """A crop model's outputs for n crops: embeddings (n, D), probabilities (n, C); how many were computed now."""

    embeddings: Singles
    probabilities: Singles
    computed: int


def embed_once(classifier: Classifier, checkpoint: str, crops: np.ndarray, folder: Path) -> Embedded:
    """Embeddings and probabilities of crops; only those missing in the store are computed.

    Args:
        classifier: a crop model.
        checkpoint: its digest.
        crops: (n, size, size, 3) uint8.
        folder: of the embedding store.
    """
    width = classifier.network.head.in_features
    store = EmbeddingStore(folder, checkpoint, width, classifier.vocabulary.names)
    keys = [hashlib.blake2b(crop.tobytes(), digest_size=16).digest() for crop in crops]
    first = {key: row for row, key in reversed(list(enumerate(keys)))}  # the same picture twice is computed once
    missing = [row for key, row in first.items() if store.rows([key])[0] < 0]
    with store.writer() as writer:
        batches = [sorted(missing)[start : start + EMBED_BATCH] for start in range(0, len(missing), EMBED_BATCH)]
        for rows in track(batches, "embedding", len(batches), "batches") if batches else ():
            probabilities, embeddings = classifier.predict(crops[rows])
            writer.add([keys[row] for row in rows], embeddings, probabilities)
    at = store.rows(keys)
    return Embedded(store.embeddings[at].astype(np.float32), np.asarray(store.probabilities[at]), len(missing))


def refit(
    start: LastLayer,
    embeddings: Singles,
    targets: Integers,
    subjects: np.ndarray,
    new: np.ndarray,
    strengths: Sequence[float],
) -> Head:
    """The head with the strength that scores best on held-out subjects, fitted to all samples.

    Args:
        start: the layer it is regularised towards.
        embeddings: (n, D) float32 of the training samples.
        targets: (n,) class indices.
        subjects: int (n,), the subject of each sample; a subject is in one fold.
        new: bool (n,), samples of subjects whom the start was not trained on.
        strengths: for each sample; tried from the strongest on, each fit starting from the last one.
    """
    judging = np.flatnonzero(new) if len(np.unique(subjects[new])) > 1 else np.arange(len(subjects))
    judges = len(np.unique(subjects[judging]))
    if judges < 2:
        *_, head = fit_heads(start, embeddings, targets, [max(strengths)])
        return head
    predicted = np.zeros((1 + len(strengths), len(targets)), np.int64)
    for held_out in folds(targets, subjects, judging):
        rest = np.setdiff1d(np.arange(len(targets)), held_out)
        heads = fit_heads(start, embeddings[rest], targets[rest], strengths)
        predicted[:, held_out] = [head.layer.scores(embeddings[held_out]).argmax(1) for head in heads]
    scores = [weighted_f1(confusion_counts(targets[judging], each[judging], len(start.bias))) for each in predicted]
    best = int(np.argmax(scores))  # of equals the first: the one that changes least
    *_, head = fit_heads(start, embeddings, targets, sorted(strengths, reverse=True)[:best])
    return replace(head, weighted_f1=scores[best], judges=judges)


def folds(targets: Integers, subjects: np.ndarray, judging: Integers) -> Iterator[Integers]:
    """Rows that are held out together: each of `judging` once, whole subjects, stratified by gesture."""
    count = min(FOLDS, len(np.unique(subjects[judging])))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = StratifiedGroupKFold(count).split(judging, targets[judging], subjects[judging])
        held_out = [judging[rows] for _, rows in parts]
    yield from (rows for rows in held_out if len(rows))


def fit_heads(start: LastLayer, embeddings: Singles, targets: Integers, strengths: Sequence[float]) -> Iterator[Head]:
    """The unchanged head, then one per strength, strongest first."""
    yield Head(start, None)
    scale, wanted = deviation(embeddings), np.eye(len(start.bias), dtype=np.float32)[targets]
    layer = start
    for strength in sorted(strengths, reverse=True):
        layer = fit_last_layer(start, embeddings, wanted, strength * len(targets), scale, layer)
        yield Head(layer, strength)
