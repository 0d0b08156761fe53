"""The last layer of a crop model anew, on embeddings that are kept: new samples count at once, and nothing else moves.

The layer is a multinomial logistic regression on the frozen backbone's embeddings, held to the layer it starts from:

    mean cross-entropy over train + strength * |weights - weights of the start|^2

With much strength it stays what it was, with little it is that of the new data alone. Which strength is best is decided
by weighted F1 on people of train who are held out in turn, never on val, which is to judge the outcome; no change at
all is among the choices. Held out are people whom the start was not trained on, where there are at least two: of the
others it knows the answers, and would seem better than it is.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor
from torch.nn.functional import cross_entropy

from static_gesture_classification.evaluation.metrics import Floats, Integers, confusion_counts, weighted_f1
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.terminal import track
from static_gesture_classification.training.checkpoint import Classifier

BATCH = 256
FOLDS = 5  # at most; fewer where there are fewer people
STEPS = 60  # of L-BFGS at most; it ends sooner where nothing changes any more


@dataclass(frozen=True)
class Head:
    """A linear layer.

    Args:
        weights, bias: (C, D), (C,).
        strength: what it was fitted with; None: it is as it was.
        weighted_f1: of that strength, on people who were held out; NaN where nobody could be.
        judges: how many people those were.
    """

    weights: Floats
    bias: Floats
    strength: float | None
    weighted_f1: float = math.nan
    judges: int = 0

    def choice(self, noun: str) -> str:
        """Which strength was chosen, and by what, in words; `noun` is what was held out: people or sessions."""
        how = "as it was" if self.strength is None else f"with strength {self.strength:g}"
        if not self.judges:
            return f"{how}, the strongest: train has no two {noun} to choose by"
        return f"{how}: weighted F1 {self.weighted_f1:.4f} on {self.judges:,} {noun} of train, held out in turn"


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
    people: np.ndarray,
    new: np.ndarray,
    strengths: Sequence[float],
) -> Head:
    """The head of the strength that does best on people who are held out, fitted on all samples.

    Args:
        classifier: the start.
        embeddings: (n, D) of the training samples.
        targets: (n,) class indices.
        people: int (n,), who each sample shows; nobody is on both sides of a fold.
        new: bool (n,), samples of people whom the start was not trained on.
        strengths: see the module's text; tried from the strongest on, each starting where the last one ended.
    """
    judging = np.flatnonzero(new) if len(np.unique(people[new])) > 1 else np.arange(len(people))
    judges = len(np.unique(people[judging]))
    if judges < 2:
        *_, head = fitted(classifier, embeddings, targets, [max(strengths)])
        return head
    said = np.zeros((1 + len(strengths), len(targets)), np.int64)
    for held_out in folds(targets, people, judging):
        learned = np.setdiff1d(np.arange(len(targets)), held_out)
        heads = fitted(classifier, embeddings[learned], targets[learned], strengths)
        said[:, held_out] = [predicted(head, embeddings[held_out]) for head in heads]
    classes = len(classifier.vocabulary)
    scores = [weighted_f1(confusion_counts(targets[judging], each[judging], classes)) for each in said]
    best = int(np.argmax(scores))  # of equals the first: the one that changes least
    kept = sorted(strengths, reverse=True)[:best]
    *_, head = fitted(classifier, embeddings, targets, kept)
    return replace(head, weighted_f1=scores[best], judges=judges)


def folds(targets: Integers, people: np.ndarray, judging: Integers) -> Iterator[Integers]:
    """Rows that are held out together: each of `judging` once, whole people, the gestures alike as far as they go."""
    count = min(FOLDS, len(np.unique(people[judging])))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = StratifiedGroupKFold(count).split(judging, targets[judging], people[judging])
        held_out = [judging[rows] for _, rows in parts]
    yield from (rows for rows in held_out if len(rows))


def fitted(classifier: Classifier, embeddings: Floats, targets: Integers, strengths: Sequence[float]) -> Iterator[Head]:
    """The head as it is, then one per strength, strongest first."""
    start = [
        parameter.detach().cpu().float() for parameter in (classifier.network.head.weight, classifier.network.head.bias)
    ]
    yield Head(start[0].numpy(), start[1].numpy(), None)
    features, labels = torch.from_numpy(embeddings), torch.from_numpy(targets)
    scale = features.std(0).clamp_min(1e-6)  # an even step in every direction, whatever the features' units
    current = [start[0] * scale, start[1].clone()]
    for strength in sorted(strengths, reverse=True):
        current = fit(features / scale, labels, current, (start[0] * scale, start[1]), float(strength))
        yield Head((current[0] / scale).numpy(), current[1].numpy(), float(strength))


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


def predicted(head: Head, embeddings: Floats) -> Integers:
    """Class indices (n,) that a head says of embeddings (n, D)."""
    said: Integers = (embeddings @ head.weights.T + head.bias).argmax(1)
    return said
