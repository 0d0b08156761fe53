"""A checkpoint's predictions and embeddings of all samples of train and val, kept by content.

They tell which samples are alike to the model. Samples of test are left out: nobody may look at those.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.evaluate import predict_rows
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    embeddings_path,
    predictions_of,
    read_predictions,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.file_state import file_state
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.landmark_store import POINTS
from static_gesture_classification.training.checkpoint import Classifier, checkpoint_digest, load_classifier
from static_gesture_classification.training.inputs import InputKind, PreparedHands
from static_gesture_classification.workspace import Workspace

KEPT_RESULTS = 4  # checkpoints' results


def prepared_files(kind: InputKind, workspace: Workspace) -> list[Path]:
    """The files that a kind's prepared hands are read from."""
    arrays = [workspace.crops / CROPS_FILE] if kind.needs_crops else []
    arrays += [workspace.landmarks / POINTS] if kind.needs_landmarks else []
    return [*arrays, kind.sample_table(workspace)]


def open_prepared(kind: InputKind, workspace: Workspace) -> PreparedHands:
    """The prepared hands of a workspace. Raises `DataError` where something is missing or damaged."""
    return kind.open(workspace.crops, workspace.landmarks, workspace.split_table)


def predict_all(checkpoint: Path, workspace: Workspace, folder: Path) -> Predictions:
    """Predictions, with embeddings, of train and val; read from `folder` where they are kept there.

    Args:
        checkpoint: whose.
        workspace: of the prepared samples.
        folder: where results are kept, by checkpoint and state of the prepared files; the newest few stay.

    Raises:
        UserError: the checkpoint is unusable. DataError: the prepared samples are missing or do not fit it.
        OutputError: the folder cannot be written.
    """
    classifier = load_classifier(checkpoint)
    path = folder / f"{_key(checkpoint, classifier.kind, workspace)}.parquet"
    try:
        return read_predictions(path)
    except DataError:  # not there yet, or damaged
        pass
    predictions = _predict(classifier, workspace)
    write_predictions(predictions, path)
    _forget_oldest(folder)
    return predictions


def _predict(classifier: Classifier, workspace: Workspace) -> Predictions:
    hands = open_prepared(classifier.kind, workspace)
    if classifier.kind.needs_crops and hands.crop_size != classifier.crop_size:
        raise DataError(
            f"the crops in {workspace.crops} have {hands.crop_size} pixels, the checkpoint sees "
            f"{classifier.crop_size}; run dvc repro"
        )
    rows = np.flatnonzero(hands.samples["split"].isin(["train", "val"]).to_numpy())
    parts = [predict_rows(hands, some, classifier) for some in classifier.kind.batches(rows)]
    probabilities, embeddings = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return predictions_of(sample_keys(hands.samples.iloc[rows]), probabilities, classifier.vocabulary, embeddings)


def _forget_oldest(folder: Path) -> None:
    newest_first = sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime_ns)
    for path in newest_first[KEPT_RESULTS:]:
        path.unlink(missing_ok=True)
        embeddings_path(path).unlink(missing_ok=True)


def _key(checkpoint: Path, kind: InputKind, workspace: Workspace) -> str:
    states = [(str(path), *file_state(path)) for path in prepared_files(kind, workspace)]
    text = f"{checkpoint_digest(checkpoint)}\0{states}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
