"""Whether a new gesture is one that the checkpoint knows already."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from static_gesture_classification.active_learning.adding.known_hands import KnownHands
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.models import landmark_features

OF_SAMPLES, OF_POSED = 0.8, 0.5  # share of the samples, and of the posed hands, that the checkpoint calls the same
CERTAIN = 0.9  # least probability
USUAL = 0.95  # quantile of the distances between an old gesture's own hands


def predict_names(classifier: Classifier, points: np.ndarray) -> np.ndarray:
    """The gesture of each hand, points (n, 21, 2)."""
    names = np.array(classifier.vocabulary.names, object)
    predicted: np.ndarray = names[classifier.predict(points.astype(np.float32))[0].argmax(axis=1)]
    return predicted


def are_called_otherwise(classifier: Classifier, points: np.ndarray) -> np.ndarray:
    """Which of n samples the checkpoint is sure to be an old gesture that it sees in less than half of them: bool (n,).

    None of fewer than three samples.
    """
    probabilities, _ = classifier.predict(points.astype(np.float32))
    called = predict_names(classifier, points)
    shares = np.array([(called == name).mean() for name in called])
    sure = (probabilities.max(axis=1) >= CERTAIN) & (called != classifier.vocabulary.background)
    odd: np.ndarray = sure & (shares < 0.5) & (len(points) >= 3)
    return odd


def same_gesture(classifier: Classifier, samples: np.ndarray, posed: np.ndarray, known: KnownHands) -> str | None:
    """The old gesture that the new one is, or None.

    The checkpoint calls nearly all samples, and most posed hands, by that name, and the samples are as near to hands of
    that gesture as these are to each other. A checkpoint has to call a really new gesture something too: the second
    part tells the two apart.

    Args:
        samples, posed: points (n, 21, 2); without samples the posed hands stand for them.
    """
    shown = samples if len(samples) else posed
    called, posed_called = predict_names(classifier, shown), predict_names(classifier, posed)
    for name in classifier.vocabulary:
        if name == classifier.vocabulary.background:
            continue
        if (called == name).mean() >= OF_SAMPLES and (posed_called == name).mean() >= OF_POSED:
            return name if _is_among(shown, known.points[known.gestures == name], classifier) else None
    return None


def _is_among(shown: np.ndarray, own: np.ndarray, classifier: Classifier) -> bool:
    if len(own) < 3:
        return True
    features, wanted = (_features(points, classifier) for points in (own, shown))
    neighbours = NearestNeighbors(n_neighbors=2).fit(features)
    usual = np.quantile(neighbours.kneighbors(features)[0][:, 1], USUAL)
    return bool(np.median(neighbours.kneighbors(wanted, n_neighbors=1)[0]) <= usual)


@torch.inference_mode()
def _features(points: np.ndarray, classifier: Classifier) -> np.ndarray:
    standardise, *_ = classifier.network.backbone.children()
    tensor: torch.Tensor = standardise(landmark_features.features(torch.from_numpy(points.astype(np.float32))))
    return tensor.numpy()
