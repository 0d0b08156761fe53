"""Train a gesture classifier on the prepared hands and export its best epoch.

    gestures train model=mobilenet_v2 train_hyperparams.epochs=5
    gestures train model=landmarks

The same command with the same data and code means the same run: an interrupted run is resumed after its last epoch, a
finished run is exported again (`train_hyperparams.fresh=true` begins another).
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.garbage_collection import without_garbage_collection
from static_gesture_classification.terminal import Table, next_steps, show_table

with without_garbage_collection():
    from static_gesture_classification.evaluation.epoch_callback import EpochCallback
    from static_gesture_classification.tracking import trackers
    from static_gesture_classification.training.datamodule import GestureDataModule
    from static_gesture_classification.training.experiment import open_data, ranks_of
    from static_gesture_classification.training.run import follow, run_training, try_out
    from static_gesture_classification.training.settings import TrainingSettings
    from static_gesture_classification.workspace import Workspace


@entry_point
def main(config: DictConfig) -> None:
    """Train or resume training, and export the best epoch."""
    settings = TrainingSettings.from_config(config)
    ranks, callbacks = ranks_of(settings), [EpochCallback()]
    if not ranks.is_first:
        follow(settings, callbacks, ranks)
        return
    data = open_data(settings, ranks)
    show_counts(data)
    if settings.trainer.fast_dev_run:
        try_out(settings, data)
    else:
        record = run_training(settings, data, callbacks, trackers.from_config(config))
        show_result(record, settings.workspace)


def show_counts(data: GestureDataModule) -> None:
    """Print the samples per gesture of train and val."""
    table = Table("gesture", "train", "val", title=data.kind.describe(data.hands))
    for name, *counts in zip(data.vocabulary, data.counts("train"), data.counts("val"), strict=True):
        table.add_row(name, *(f"{count:,}" for count in counts))
    show_table(table)


def show_result(record: dict[str, Any], workspace: Workspace) -> None:
    """Print the best epoch's scores on val, paths and next steps."""
    scores = record["scores"]
    title = (
        f"Epoch {record['epoch']} on val: weighted F1 {scores['weighted_f1']:.3f}, macro F1 {scores['macro_f1']:.3f}"
    )
    table = Table("gesture", "precision", "recall", "F1", "support", title=title)
    for name, each in scores["per_gesture"].items():
        table.add_row(name, *(f"{each[key]:.3f}" for key in ("precision", "recall", "f1")), f"{each['support']:,}")
    show_table(table)
    next_steps(
        {
            "run folder": str(workspace.runs / record["run"]),
            "checkpoint": str(workspace.trained),
            "epochs": "gestures runs",
            "next": "dvc repro  (evaluates the best epoch and promotes it)",
        }
    )


if __name__ == "__main__":
    main()
