"""What a quick classifier says about samples that it was not trained on: cross-validation over people.

The network that was trained has seen the labels of train, wrong ones too, so it cannot judge them. A logistic
regression on features that know no labels can: one part of the people is left out in turn, and judged by what was
learned from the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.predictions import Floats
from static_gesture_classification.preparation.crops import SAMPLES, open_crops
from static_gesture_classification.preparation.landmark_store import POINTS, open_landmarks
from static_gesture_classification.preparation.splitting.near_duplicates import describe
from static_gesture_classification.samples import read_rows
from static_gesture_classification.terminal import track
from static_gesture_classification.training.checkpoint import load_classifier
from static_gesture_classification.training.models.efficientnet_lite import backbone
from static_gesture_classification.training.models.landmark_features import features as landmark_features
from static_gesture_classification.training.models.network import GestureNetwork

LANDMARKS, PICTURES, CHECKPOINT, AUTO = "landmarks", "pictures", "checkpoint", "auto"
MOST_HAVE = 0.5  # of the samples must have landmarks for `auto` to choose them
BATCH = 64
COMPONENTS = 128
PENALTY = {LANDMARKS: 0.3, PICTURES: 0.01, CHECKPOINT: 0.01}  # C of the regression, chosen on hagrid_mini's train
# ImageNet's mean and deviation, which the packaged weights of EfficientNet-Lite0 were trained with.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = "efficientnet_lite0"


@dataclass(frozen=True)
class Features:
    """What a quick classifier sees of samples.

    Args:
        kind: "landmarks", "pictures" or "checkpoint".
        values: (n, F) float32.
        known: bool (n,), which samples have any.
    """

    kind: str
    values: Floats
    known: np.ndarray


def features_of(samples: pd.DataFrame, config: DictConfig) -> Features:
    """The features that `label_issues.features` asks for.

    Args:
        samples: n rows of the sample table.

    Raises:
        UserError: the kind is unknown. DataError: what it needs is missing or of other samples.
    """
    kind = str(config.label_issues.features)
    if kind not in (AUTO, LANDMARKS, PICTURES, CHECKPOINT):
        raise UserError(f"label_issues.features is {kind!r}; it is {AUTO}, {LANDMARKS}, {PICTURES} or {CHECKPOINT}")
    landmarks = Path(config.paths.landmarks)
    if kind == LANDMARKS or (kind == AUTO and (landmarks / POINTS).is_file()):
        found = of_landmarks(samples, landmarks)
        if kind == LANDMARKS or found.known.mean() >= MOST_HAVE:
            return found
    crops = crops_of(samples, Path(config.paths.crops))
    if kind == CHECKPOINT:
        classifier = load_classifier(Path(config.checkpoint))
        embeddings = [classifier.predict(batch)[1] for batch in _batches(crops, "embeddings")]
        return Features(CHECKPOINT, np.concatenate(embeddings), np.ones(len(samples), bool))
    return of_pictures(crops, config.seed)


def of_landmarks(samples: pd.DataFrame, folder: Path) -> Features:
    """What the landmark network sees, for samples that have landmarks; nothing of the others."""
    points, table = open_landmarks(folder)
    rows = pd.Index(table["sample_id"]).get_indexer(samples["sample_id"])
    known = (rows >= 0) & np.isfinite(points[rows]).all(axis=(1, 2))
    own = landmark_features(torch.from_numpy(points[rows[known]])).numpy()
    values = np.zeros((len(samples), own.shape[1]), np.float32)
    values[known] = own
    return Features(LANDMARKS, values, known)


def of_pictures(crops: SelectedCrops, seed: int) -> Features:
    """Embeddings of a network that was trained on ImageNet alone, and gradients, both as 128 principal components."""
    network, width = backbone(IMAGENET, pretrained=True)
    frozen = GestureNetwork(network, width, 2, MEAN, DEVIATION).eval()
    with torch.inference_mode():
        embedded = [
            frozen.embed(torch.from_numpy(batch).permute(0, 3, 1, 2)).numpy() for batch in _batches(crops, "embeddings")
        ]
    parts = [np.concatenate(embedded), describe(cast(np.ndarray, crops), seed)]
    reduced = [PCA(min(COMPONENTS, *part.shape), random_state=seed).fit_transform(part) for part in parts]
    unit = [part / np.maximum(part.std(), 1e-9) for part in reduced]
    return Features(PICTURES, np.concatenate(unit, axis=1).astype(np.float32), np.ones(len(crops), bool))


class SelectedCrops:
    """Some rows of memory-mapped crops, read when they are asked for.

    Args:
        crops: (n, size, size, 3) uint8.
        rows: (m,) which of them, in order.
    """

    def __init__(self, crops: np.ndarray, rows: np.ndarray) -> None:
        self._crops, self._rows = crops, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        return np.asarray(self._crops[self._rows[which]])


def crops_of(samples: pd.DataFrame, folder: Path) -> SelectedCrops:
    """The crops of samples, in their order. Raises `DataError` where some have none."""
    crops = open_crops(folder)
    rows = pd.Index(read_rows(folder / SAMPLES)["sample_id"]).get_indexer(samples["sample_id"])
    if (rows < 0).any():
        missing = samples["sample_id"].to_numpy()[rows < 0]
        raise DataError(
            f"{len(missing):,} samples have no crop in {folder} (the first is {missing[0]}): they were made from other "
            "data; run dvc repro"
        )
    return SelectedCrops(crops, rows)


def cross_validated(features: Features, labels: np.ndarray, people: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Out-of-sample probabilities (n, C), C = labels.max() + 1.

    A sample is NaN where it has no features, or where nobody in the other folds shows its gesture: then nothing was
    learned that could speak for its label.

    Args:
        labels: int (n,), class indices.
        people: (n,) who each sample shows; a person is in one fold.
        folds: at most; fewer where there are fewer people.
    """
    rows = np.flatnonzero(features.known)
    probabilities = np.full((len(labels), int(labels.max(initial=0)) + 1), np.nan)
    folds = min(folds, len(np.unique(people[rows])))
    if folds < 2:
        return probabilities
    values, own = features.values[rows], labels[rows]
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is left out below
        parts = list(split.split(values, own, people[rows]))
    for learned, judged in parts:
        known = np.isin(own[judged], own[learned])
        if not known.any() or len(np.unique(own[learned])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY[features.kind], max_iter=500))
        model.fit(values[learned], own[learned])
        said = np.zeros((int(known.sum()), probabilities.shape[1]))
        said[:, model.classes_] = model.predict_proba(values[judged[known]])
        probabilities[rows[judged[known]]] = said
    return probabilities


def tempered(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities at the temperature at which they fit the labels best, so that those of several models compare.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2.

    Args:
        probabilities: (n, C), rows sum to 1.
        labels: (n,).
    """
    logs = np.log(np.maximum(probabilities, 1e-7))

    if not len(labels):
        return probabilities
    best = minimize_scalar(
        lambda exponent: _log_loss(logs * np.exp(exponent), labels), bounds=(-3, 1), method="bounded"
    )
    return _softmax(logs * np.exp(best.x))


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(_softmax(logits)[np.arange(len(labels)), labels], 1e-12)).mean())


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _batches(crops: SelectedCrops, what: str) -> Iterator[np.ndarray]:
    starts = range(0, len(crops), BATCH)
    for start in track(starts, what, len(starts), "batches"):
        yield crops[start : start + BATCH]
