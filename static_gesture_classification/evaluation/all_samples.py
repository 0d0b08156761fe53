"""A checkpoint's predictions and embeddings of the samples of train and val, all or some of them, kept by content.

They tell which samples are alike to the model. Samples of test are left out: nobody may look at those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from static_gesture_classification.arrays import Integers
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.drawn_samples import draw_samples
from static_gesture_classification.evaluation.evaluate import predict_rows
from static_gesture_classification.evaluation.predictions import (
    KEY_COLUMNS,
    Predictions,
    embeddings_path,
    predictions_of,
    read_predictions,
    read_wrong_ids,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.file_state import file_state
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.landmark_store import POINTS
from static_gesture_classification.samples import are_among, read_arrow, to_frame
from static_gesture_classification.training.checkpoint import Classifier, checkpoint_digest, load_classifier
from static_gesture_classification.training.inputs import InputKind, PreparedHands
from static_gesture_classification.workspace import Workspace

DRAWN_BY = ("sample_id", "gesture", "split")
KEPT_RESULTS = 6  # the newest; of a checkpoint those of all samples and those of some


def prepared_files(kind: InputKind, workspace: Workspace) -> list[Path]:
    """The files that a kind's prepared hands are read from."""
    arrays = [workspace.crops / CROPS_FILE] if kind.needs_crops else []
    arrays += [workspace.landmarks / POINTS] if kind.needs_landmarks else []
    return [*arrays, kind.sample_table(workspace)]


def open_prepared(kind: InputKind, workspace: Workspace) -> PreparedHands:
    """The prepared hands of a workspace. Raises `DataError` where something is missing or damaged."""
    return kind.open(workspace.crops, workspace.landmarks, workspace.split_table, KEY_COLUMNS)


def _open_for(classifier: Classifier, workspace: Workspace, columns: Sequence[str]) -> PreparedHands:
    """The prepared hands that a classifier can see, with some columns of their table."""
    hands = classifier.kind.open(workspace.crops, workspace.landmarks, workspace.split_table, columns)
    if classifier.kind.needs_crops and hands.crop_size != classifier.crop_size:
        raise DataError(
            f"the crops in {workspace.crops} have {hands.crop_size} pixels, the checkpoint sees "
            f"{classifier.crop_size}; run dvc repro"
        )
    return hands


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
    hands = _open_for(classifier, workspace, KEY_COLUMNS)
    return _keep(_predict(classifier, hands, _train_and_val(hands)), path)


@dataclass(frozen=True)
class DrawnPredictions:
    """Predictions, with embeddings, of samples that stand for all `count` of train and val that the model can see."""

    predictions: Predictions
    count: int


def predict_drawn(
    checkpoint: Path,
    workspace: Workspace,
    folder: Path,
    most: int,
    val: Path,
    tell: Callable[[float], None] = lambda share: None,
) -> DrawnPredictions:
    """As `predict_all`, of at most `most` samples of train and val with a hand that the model can see.

    Args:
        checkpoint, workspace, folder: see `predict_all`, which also says what is raised.
        most: see `draw_samples`.
        val: predictions of val, whose errors are drawn first, whichever checkpoint made them; it may be missing.
        tell: is told the share that is predicted, 0..1.
    """
    classifier = load_classifier(checkpoint)
    kind, hands = classifier.kind, _open_for(classifier, workspace, DRAWN_BY)
    rows = _train_and_val(hands)
    rows = rows[kind.usable(hands.points, len(hands.samples))[rows]]
    samples = hands.samples.iloc[rows]
    wrong = are_among(samples["sample_id"], read_wrong_ids(val) if val.is_file() else [])
    drawn = rows[draw_samples(samples, wrong, most)]
    chosen = hashlib.blake2b(drawn.tobytes(), digest_size=8).hexdigest()
    path = folder / f"{_key(checkpoint, kind, workspace)}-{chosen}.parquet"
    try:
        return DrawnPredictions(read_predictions(path), len(rows))
    except DataError:  # not there yet, or damaged
        some = _with_keys(hands.select(drawn), kind.sample_table(workspace))
        return DrawnPredictions(_keep(_predict(classifier, some, np.arange(len(drawn)), tell), path), len(rows))


def _with_keys(hands: PreparedHands, table: Path) -> PreparedHands:
    """A few hands with all columns that predictions repeat: to read these of all samples as a frame takes seconds."""
    ids = hands.samples["sample_id"]
    whole = read_arrow(table, KEY_COLUMNS)
    own = to_frame(whole.filter(pc.is_in(whole["sample_id"], pa.array(ids, pa.string()))))
    return replace(hands, samples=own.set_index("sample_id").loc[ids].reset_index())


def _train_and_val(hands: PreparedHands) -> Integers:
    return np.flatnonzero(hands.samples["split"].isin(["train", "val"]).to_numpy())


def _predict(
    classifier: Classifier,
    hands: PreparedHands,
    rows: Integers,
    tell: Callable[[float], None] = lambda share: None,
) -> Predictions:
    parts, done = [], 0
    for some in classifier.kind.batches(rows):
        parts.append(predict_rows(hands, some, classifier))
        done += len(some)
        tell(done / max(len(rows), 1))
    probabilities, embeddings = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return predictions_of(sample_keys(hands.samples.iloc[rows]), probabilities, classifier.vocabulary, embeddings)


def _keep(predictions: Predictions, path: Path) -> Predictions:
    write_predictions(predictions, path)
    _forget_oldest(path.parent)
    return predictions


def _forget_oldest(folder: Path) -> None:
    newest_first = sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime_ns)
    for path in newest_first[KEPT_RESULTS:]:
        path.unlink(missing_ok=True)
        embeddings_path(path).unlink(missing_ok=True)


def _key(checkpoint: Path, kind: InputKind, workspace: Workspace) -> str:
    states = [(str(path), *file_state(path)) for path in prepared_files(kind, workspace)]
    text = f"{checkpoint_digest(checkpoint)}\0{states}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
