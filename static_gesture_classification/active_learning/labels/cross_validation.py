"""Out-of-sample predictions of a quick classifier: cross-validation over subjects.

The trained network has seen the labels of train, also wrong ones, so it cannot judge them. A logistic regression on
features that were learned without these labels can: each fold of subjects is predicted by a model of the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from static_gesture_classification.arrays import Singles
from static_gesture_classification.errors import DataError
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.preparation.described_crops import open_described
from static_gesture_classification.preparation.landmark_store import POINTS, open_landmarks
from static_gesture_classification.preparation.splitting.crop_source import CropSource
from static_gesture_classification.preparation.splitting.whitening import whiten
from static_gesture_classification.row_arrays import Rows
from static_gesture_classification.samples import read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import track
from static_gesture_classification.training.checkpoint import load_classifier
from static_gesture_classification.training.models.efficientnet_lite import backbone
from static_gesture_classification.training.models.landmark_features import features as landmark_features
from static_gesture_classification.training.models.network import CropNetwork

FROM_LANDMARKS, FROM_PICTURES, FROM_CHECKPOINT = "landmarks", "pictures", "checkpoint"
MOST_HAVE = 0.5  # of the samples must have landmarks for `auto` to choose them
FOLD_BATCH = 64
PCA_COMPONENTS = 128
PENALTY = {
    FROM_LANDMARKS: 0.3,
    FROM_PICTURES: 0.01,
    FROM_CHECKPOINT: 0.01,
}  # C of the regression, chosen on hagrid_mini's train
# ImageNet's mean and deviation, which the packaged weights of EfficientNet-Lite0 were trained with.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = "efficientnet_lite0"


@dataclass(frozen=True)
class Features:
    """A quick classifier's features of samples.

    Args:
        kind: "landmarks", "pictures" or "checkpoint".
        values: (n, F) float32.
        known: bool (n,), which samples have any.
    """

    kind: str
    values: Singles
    known: np.ndarray


class FeatureSettings(Settings, key="label_issues"):
    """A quick classifier's features, and where they are; see conf/label_issues.

    Args:
        features: which kind; "auto": landmarks where most samples have some, else pictures.
        landmarks, crops: folders of the stages.
        checkpoint: whose embeddings are taken where `features` asks for them.
        seed: of the components.
    """

    features: Literal["auto", "landmarks", "pictures", "checkpoint"]
    landmarks: Annotated[Path, At("paths.landmarks")]
    crops: Annotated[Path, At("paths.crops")]
    checkpoint: Path
    seed: Annotated[int, At("seed")]


def features_of(samples: pd.DataFrame, settings: FeatureSettings) -> Features:
    """The features that the settings ask for, of n rows of the sample table.

    Raises:
        DataError: what they are made of is missing or of other samples.
    """
    kind, folder = settings.features, settings.landmarks
    if kind == FROM_LANDMARKS or (kind == "auto" and (folder / POINTS).is_file()):
        found = of_landmarks(samples, folder)
        if kind == FROM_LANDMARKS or found.known.mean() >= MOST_HAVE:
            return found
    crops = select_crops(samples, settings.crops)
    if kind == FROM_CHECKPOINT:
        classifier = load_classifier(settings.checkpoint)
        embeddings = [classifier.predict(batch)[1] for batch in _batches(crops, "embeddings")]
        return Features(FROM_CHECKPOINT, np.concatenate(embeddings), np.ones(len(samples), bool))
    return of_pictures(crops, settings.seed)


def of_landmarks(samples: pd.DataFrame, folder: Path) -> Features:
    """The landmark network's features; none for samples without landmarks."""
    points, table = open_landmarks(folder)
    rows = pd.Index(table["sample_id"]).get_indexer(samples["sample_id"])
    known = (rows >= 0) & np.isfinite(points[rows]).all(axis=(1, 2))
    own = landmark_features(torch.from_numpy(points[rows[known]])).numpy()
    values = np.zeros((len(samples), own.shape[1]), np.float32)
    values[known] = own
    return Features(FROM_LANDMARKS, values, known)


def of_pictures(crops: CropSource | Rows, seed: int) -> Features:
    """Embeddings of a network that was trained on ImageNet alone, and gradients, both as 128 principal components."""
    network, width = backbone(IMAGENET, pretrained=True)
    frozen = CropNetwork(network, width, 2, MEAN, DEVIATION).eval()
    with torch.inference_mode():
        embedded = [
            frozen.embed(torch.from_numpy(batch).permute(0, 3, 1, 2)).numpy() for batch in _batches(crops, "embeddings")
        ]
    parts = [np.concatenate(embedded), whiten(CropSource.of(crops).facts().gradients, seed)]
    reduced = [PCA(min(PCA_COMPONENTS, *part.shape), random_state=seed).fit_transform(part) for part in parts]
    unit = [part / np.maximum(part.std(), 1e-9) for part in reduced]
    return Features(FROM_PICTURES, np.concatenate(unit, axis=1).astype(np.float32), np.ones(len(crops), bool))


def select_crops(samples: pd.DataFrame, folder: Path) -> CropSource:
    """The crops of samples, in their order. Raises `DataError` where some have none."""
    crops = open_described(folder)
    rows = pd.Index(read_rows(folder / SAMPLES, ["sample_id"])["sample_id"]).get_indexer(samples["sample_id"])
    if (rows < 0).any():
        missing = samples["sample_id"].to_numpy()[rows < 0]
        raise DataError(
            f"{len(missing):,} samples have no crop in {folder} (the first is {missing[0]}): they were made from other "
            "data; run dvc repro"
        )
    return crops.take(rows)


def cross_validate(features: Features, labels: np.ndarray, subjects: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Out-of-sample probabilities (n, C), C = labels.max() + 1.

    A sample is NaN if it has no features, or if no subject of the other folds shows its gesture.

    Args:
        labels: int (n,), class indices.
        subjects: (n,) who each sample shows; a subject is in one fold.
        folds: at most; fewer where there are fewer subjects.
    """
    rows = np.flatnonzero(features.known)
    probabilities = np.full((len(labels), int(labels.max(initial=0)) + 1), np.nan)
    folds = min(folds, len(np.unique(subjects[rows])))
    if folds < 2:
        return probabilities
    values, own = features.values[rows], labels[rows]
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is left out below
        parts = list(split.split(values, own, subjects[rows]))
    for fitted_on, held_out in parts:
        judged = held_out[np.isin(own[held_out], own[fitted_on])]
        if not len(judged) or len(np.unique(own[fitted_on])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY[features.kind], max_iter=500))
        model.fit(values[fitted_on], own[fitted_on])
        predicted = np.zeros((len(judged), probabilities.shape[1]))
        predicted[:, model.classes_] = model.predict_proba(values[judged])
        probabilities[rows[judged]] = predicted
    return probabilities


def temper(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scale probabilities to the temperature that fits the labels best, so that several models can be compared.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2.

    Args:
        probabilities: (n, C), rows sum to 1.
        labels: (n,).
    """
    if not len(labels):
        return probabilities
    logs = np.log(np.maximum(probabilities, 1e-7))
    best = minimize_scalar(
        lambda exponent: _log_loss(logs * np.exp(exponent), labels), bounds=(-3, 1), method="bounded"
    )
    return softmax(logs * np.exp(best.x), axis=1)


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(softmax(logits, axis=1)[np.arange(len(labels)), labels], 1e-12)).mean())


def _batches(crops: Rows, what: str) -> Iterator[np.ndarray]:
    starts = range(0, len(crops), FOLD_BATCH)
    for start in track(starts, what, len(starts), "batches"):
        yield crops[start : start + FOLD_BATCH]
