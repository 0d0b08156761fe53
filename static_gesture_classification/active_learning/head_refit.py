"""The last layer of a crop model anew, on embeddings that are kept: new samples count at once, and nothing else moves.

The layer is a multinomial logistic regression on the frozen backbone's embeddings, held to the layer it starts from:

    mean cross-entropy over train + strength * |weights - weights of the start|^2

With much strength it stays what it was, with little it is that of the new data alone. Which strength is best, val
decides by weighted F1; no change at all is among the choices, so that a refit never does worse on val than the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from static_gesture_classification.active_learning.embedding_store import EmbeddingStore
from static_gesture_classification.evaluation.metrics import Floats, Integers, confusion_counts, weighted_f1
from static_gesture_classification.progress import track
from static_gesture_classification.training.checkpoint import Classifier

BATCH = 256
STEPS = 60  # of L-BFGS at most; it ends sooner where nothing changes any more


@dataclass(frozen=True)
class Head:
    """A linear layer: weights (C, D), bias (C,); the strength it was fitted with (None: as it was), F1 on val."""

    weights: Floats
    bias: Floats
    strength: float | None
    weighted_f1: float


@dataclass(frozen=True)
class Kept:
    """What a crop model says about n crops: embeddings (n, D), probabilities (n, C); how many were computed now."""

    embeddings: Floats
    probabilities: Floats
    computed: int


def kept_embeddings(classifier: Classifier, checkpoint: str, crops: np.ndarray, folder: Path) -> Kept:
    """What a crop model says about crops, computed for those only that are not kept in `folder` yet.

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
        batches = [sorted(missing)[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        for rows in track(batches, "embedding", len(batches), "batches") if batches else ():
            probabilities, embeddings = classifier.predict(crops[rows])
            writer.add([keys[row] for row in rows], embeddings, probabilities)
    at = store.rows(keys)
    return Kept(store.embeddings[at].astype(np.float32), np.asarray(store.probabilities[at]), len(missing))


def refitted(
    classifier: Classifier,
    embeddings: Floats,
    targets: Integers,
    train: np.ndarray,
    val: np.ndarray,
    strengths: Sequence[float],
) -> Head:
    """The head that val likes best, of those fitted with each strength and the one there is.

    Args:
        classifier: the start.
        embeddings: (n, D).
        targets: (n,) class indices.
        train, val: rows to fit on, rows to choose by.
        strengths: see the module's text; tried from the strongest on, each starting where the last one ended.
    """
    heads = list(fitted(classifier, embeddings[train], targets[train], strengths))
    scored = [(score(head, embeddings[val], targets[val]), head) for head in heads]
    best, head = max(scored, key=lambda each: each[0])  # of equals the first: the one that changed least
    return Head(head.weights, head.bias, head.strength, best)


def fitted(classifier: Classifier, embeddings: Floats, targets: Integers, strengths: Sequence[float]) -> Iterator[Head]:
    """The head as it is, then one per strength, strongest first."""
    start = [
        parameter.detach().cpu().float() for parameter in (classifier.network.head.weight, classifier.network.head.bias)
    ]
    yield Head(start[0].numpy(), start[1].numpy(), None, float("nan"))
    features, labels = torch.from_numpy(embeddings), torch.from_numpy(targets)
    scale = features.std(0).clamp_min(1e-6)  # an even step in every direction, whatever the features' units
    current = [start[0] * scale, start[1].clone()]
    for strength in sorted(strengths, reverse=True):
        current = fit(features / scale, labels, current, (start[0] * scale, start[1]), float(strength))
        yield Head((current[0] / scale).numpy(), current[1].numpy(), float(strength), float("nan"))


def fit(
    features: Tensor, labels: Tensor, begin: Sequence[Tensor], start: Sequence[Tensor], strength: float
) -> list[Tensor]:
    """Minimise the loss of the module's text from `begin` on; weights and bias."""
    parameters = [tensor.clone().requires_grad_() for tensor in begin]
    optimizer = torch.optim.LBFGS(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = cross_entropy(features @ parameters[0].T + parameters[1], labels)
        value = value + strength * sum(((now - then) ** 2).sum() for now, then in zip(parameters, start, strict=True))
        value.backward()
        return value

    optimizer.step(loss)
    return [parameter.detach() for parameter in parameters]


def score(head: Head, embeddings: Floats, targets: Integers) -> float:
    """Weighted F1 of a head."""
    said = (embeddings @ head.weights.T + head.bias).argmax(1)
    return weighted_f1(confusion_counts(targets, said, len(head.bias)))
