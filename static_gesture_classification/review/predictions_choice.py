"""Which predictions can be looked at: the pipeline's, the quick loop's, or those of a run's epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from static_gesture_classification.active_learning.diagnosis.cells import PredictedSamples
from static_gesture_classification.active_learning.diagnosis.confusions import ConfusionSettings
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.epochs import predicted_epochs, predictions_file
from static_gesture_classification.review import known_runs
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.workspace import Workspace

SPLITS = ("val", "train")  # never test: nobody can measure on what he looked at


@dataclass(frozen=True)
class PredictionsChoice:
    """Predictions that can be looked at.

    Args:
        name: of the choice, for addresses.
        title: for people.
        path: the predictions table.
        checkpoint: that made them; None where it was not kept.
        workspace: of the samples.
    """

    name: str
    title: str
    path: Path
    checkpoint: Path | None
    workspace: Workspace


def choices(review: Review) -> list[PredictionsChoice]:
    """The predictions of val that exist, newest first."""
    configured = ConfusionSettings.from_config(review.config).predictions
    places = [
        ("pipeline", "the pipeline", configured, review.workspace),
        ("quick", "the quick retrain", review.quick.predictions("val"), review.quick),
    ]
    found = [
        PredictionsChoice(name, title, path, space.trained if space.trained.is_file() else None, space)
        for name, title, path, space in places
        if path.is_file()
    ]
    return sorted(found, key=lambda choice: -choice.path.stat().st_mtime_ns)


def read_predicted(review: Review, choice: PredictionsChoice) -> PredictedSamples:
    """The predictions, from memory where the file has not changed; their pictures can be asked for from now on."""
    table = review.tables.of(choice.path, PredictedSamples.read, choice.path, review.vocabulary)
    review.thumbnails.know(choice.name, table.frame)
    return table


def of_run(review: Review, run: str, epoch: str, split: str) -> PredictionsChoice:
    """The predictions of a run's epoch.

    Args:
        review: the page's.
        run: its name on the pages.
        epoch: counted from 0; "" for the best one.
        split: val or train.

    Raises:
        UserError: there is no such run, or it kept no predictions of this epoch.
    """
    known = known_runs.find(run, review)
    return _of_folder(known.folder, epoch, split, known.workspace)


def _of_folder(run: RunFolder, epoch: str, split: str, workspace: Workspace) -> PredictionsChoice:
    kept, best = predicted_epochs(run, split), run.best
    number = int(epoch) if epoch.isdigit() else best[0] if best else -1
    if split not in SPLITS or number not in kept:
        there = f"epochs {kept[0]} to {kept[-1]}" if kept else "none"
        raise DataError(f"run {run.run_id} kept no predictions of epoch {number} on {split}; it kept: {there}")
    path = predictions_file(run, split, number)
    checkpoint = run.epoch_checkpoints().get(number)
    return PredictionsChoice(
        f"{run.run_id}/{number}/{split}", f"{run.run_id}, epoch {number}, {split}", path, checkpoint, workspace
    )
