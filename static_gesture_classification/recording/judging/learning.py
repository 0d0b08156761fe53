"""Open the last layer that learns during recording, with embeddings of training samples to hold it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.inference.embedding_store import STORE_HEADER, EmbeddingStore
from static_gesture_classification.inference.onnx_classifier import AnyClassifier
from static_gesture_classification.preparation.landmark_store import POINTS, open_landmarks
from static_gesture_classification.recording.judging.learning_head import LearningLayer, last_layer
from static_gesture_classification.recording.judging.settings import JudgeSettings
from static_gesture_classification.training.last_layer import LastLayer


def open_learning_layer(
    settings: JudgeSettings, classifier: AnyClassifier, checkpoint: Path, model: Path
) -> tuple[LearningLayer | None, str]:
    """The judging model's last layer that learns from kept pictures; None if it cannot, or is switched off.

    Args:
        settings: see `JudgeSettings`.
        classifier: judges.
        checkpoint: its path.
        model: the file of the classifier: the checkpoint, or its export.

    Returns:
        the layer, and a message: how it learns, or why it cannot; "" if it is switched off.
    """
    if settings.refit_every == 0:
        return None, ""
    try:
        start = last_layer(model)
        if not classifier.kind.needs_crops:
            folder = landmark_folder(settings, checkpoint)
            known = embeddings_of_points(classifier, folder, settings.refit_samples, settings.seed)
        else:
            folder = settings.embeddings
            known = read_stored_embeddings(folder, checkpoint, start, classifier, settings.refit_samples, settings.seed)
    except (DataError, UserError) as error:
        return None, f"it does not learn from kept pictures: {error}"
    about = (
        f"it learns from every {settings.refit_every} kept pictures ({len(known):,} samples of {folder} regularise it)"
    )
    return LearningLayer(start, known, settings.refit_every, settings.refit_strength), about


def landmark_folder(settings: JudgeSettings, checkpoint: Path) -> Path:
    """The folder of a checkpoint's training landmarks: `recording.refit_landmarks`, or by the checkpoint's place.

    Raises:
        DataError: there is none.
    """
    if settings.refit_landmarks is not None:
        return settings.refit_landmarks
    folders = [settings.pipeline.landmarks, settings.quick_loop.landmarks]
    if settings.quick_loop.models.resolve() in checkpoint.resolve().parents:
        folders.reverse()
    present = next((folder for folder in folders if (folder / POINTS).is_file()), None)
    if present is None:
        raise DataError(
            f"neither {folders[0]} nor {folders[1]} holds landmarks of training samples; make retrain or make repro "
            "puts them there, recording.refit_landmarks names another folder"
        )
    return present


def embeddings_of_points(classifier: AnyClassifier, folder: Path, most: int, seed: int) -> np.ndarray:
    """Embeddings float32 (n, D) of the training samples in a folder of landmarks, drawn at random, n at most `most`.

    Raises:
        DataError: the folder is damaged or has no training samples.
    """
    points, samples = open_landmarks(folder)
    rows = np.flatnonzero((samples["split"] == "train").to_numpy() & np.isfinite(points).all(axis=(1, 2)))
    if not len(rows):
        raise DataError(f"{folder} has no training samples with landmarks")
    return classifier.predict(points[take_some(rows, most, seed)])[1]


def read_stored_embeddings(
    folder: Path, checkpoint: Path, start: LastLayer, classifier: AnyClassifier, most: int, seed: int
) -> np.ndarray:
    """The quick loop's stored embeddings float32 (n, D) of a crop model, drawn at random, n at most `most`.

    Raises:
        DataError: there are none of this checkpoint, or they are damaged.
    """
    from static_gesture_classification.training.checkpoint import checkpoint_digest

    digest = str(checkpoint_digest(checkpoint))
    kept = folder / digest[:16]
    width, gestures = start.weights.shape[1], classifier.vocabulary.names
    store = EmbeddingStore(kept, digest, width, gestures) if (kept / STORE_HEADER).is_file() else ()
    if not isinstance(store, EmbeddingStore) or not len(store):
        raise DataError(
            f"{folder} keeps no embeddings of {checkpoint}; the quick loop with retrain.method=head keeps those of the "
            "checkpoint that it starts from"
        )
    return store.embeddings[take_some(np.arange(len(store)), most, seed)].astype(np.float32)


def take_some(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Draw at most `most` of the rows, int (n,), in their order; equal seeds draw equal rows."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
