"""Keep each epoch of a training run: predictions tables, the classification report, confusion matrices.

Fields, in addition to the module's:

    datasets/version                              value: see checkpoint_record
    datasets/train_people                         text: digests of the subjects of train, one a line
    datasets/{train,val}_distribution             bar chart of samples per gesture
    datasets/{train,val}_samples/sample_<i>       pictures; train's beside what augmentation makes of it
    predictions/{train,val}/<epoch>               the predictions table
    val/figures/confusion_matrices/<epoch>        of many gestures (`figures.READABLE`): the best and the last epoch's
    val/classification_report/<gesture or average>/<precision|recall|f1-score|support>    series
    val/error_pairs/<epoch>/<gesture>_taken_for_<prediction>     pictures; of the best and of the last epoch

Epochs are counted from 0 and have four digits. If an epoch has several passes over the training samples, the last pass
is kept.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from static_gesture_classification.evaluation import figures
from static_gesture_classification.evaluation.checkpoint_record import (
    SUBJECTS_FIELD,
    VERSION_FIELD,
    data_version,
    split_subjects,
)
from static_gesture_classification.evaluation.epochs import predicted_epochs, predictions_file
from static_gesture_classification.evaluation.metrics import (
    Outcomes,
    average_scores,
    gesture_scores,
    outcomes_of,
)
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    predictions_of,
    read_predictions,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.evaluation.sample_pictures import draw_parts, error_grids, pictures_of
from static_gesture_classification.row_arrays import SelectedRows
from static_gesture_classification.tracking.dashboards import REPORT_FIELD
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.background_writes import BackgroundWrites
from static_gesture_classification.training.callbacks import outputs_of_all, writes_of
from static_gesture_classification.training.checkpoint import on_device
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.lightning import Callback, LightningModule, Trainer
from static_gesture_classification.training.module import GestureModule
from static_gesture_classification.training.scores import weighted_f1

REPORT_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
PICTURE_TILE = 160


class EpochCallback(Callback):
    """Collects the outputs of an epoch's steps, and writes them to every `RunLogger` of the trainer at its end.

    During an epoch it only keeps references to the steps' tensors. Tables and figures are written while the next epoch
    trains, in the thread that writes checkpoints, and before the epoch's checkpoint. Without a `RunLogger` it does
    nothing. Of several processes that train together rank 0 has the logger; the others keep their tensors for it.

    Args:
        samples_shown: samples of each split that are logged at the start, one gesture after the other.
    """

    def __init__(self, samples_shown: int = 20) -> None:
        self.samples_shown = samples_shown
        self._outputs: dict[str, deque[dict[str, Tensor]]] = {}
        self._keys: pa.Table | None = None
        self._keeping = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the samples of train and val."""
        self._keeping = trainer.strategy.broadcast(bool(_loggers(trainer)))
        if not _loggers(trainer):
            return
        data = _data(trainer)
        self._keys = sample_keys(data.samples)
        for logger in _loggers(trainer):
            logger.log_values({VERSION_FIELD: data_version(data.samples)})
            logger.log_text(SUBJECTS_FIELD, "\n".join(split_subjects(data.samples, "train")))
        for split in ("train", "val"):
            counts = pd.Series(data.counts(split), index=list(data.vocabulary))
            figure = figures.distribution(counts, f"Samples per gesture, {split}: {counts.sum():,}")
            shown = pick_samples(data, split, self.samples_shown, pl_module if split == "train" else None)
            for logger in _loggers(trainer):
                logger.log_figure(f"datasets/{split}_distribution", figure)
                for index, image in enumerate(shown):
                    logger.log_image(f"datasets/{split}_samples/sample_{index}", image)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop the outputs of an epoch that was interrupted."""
        passes = _data(trainer).passes if self._keeping else 1
        self._outputs = {"train": deque(maxlen=max(1, int(trainer.num_training_batches) // passes)), "val": deque()}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the step's outputs."""
        self._keep("train", outputs)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Keep the step's outputs."""
        if not trainer.sanity_checking:
            self._keep("val", outputs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch; Lightning calls this after validation and before the epoch's checkpoint."""
        if not self._keeping:
            return
        epoch = trainer.current_epoch
        for split in list(self._outputs):
            outputs = self._outputs.pop(split)
            if not outputs:
                continue
            logits, rows = outputs_of_all(outputs, trainer.world_size)
            outputs.clear()
            if self._keys is not None:
                predictions = self._predictions(logits, rows, _data(trainer))
                for logger in _loggers(trainer):
                    write_epoch(logger, predictions, split, epoch, writes_of(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the errors of the best and of the last epoch, and their confusion matrix where not each has one."""
        for logger in _loggers(trainer):
            writes_of(trainer).wait()
            for epoch in best_and_last(logger.run):
                predictions = read_predictions(predictions_file(logger.run, "val", epoch))
                if len(_data(trainer).vocabulary) > figures.READABLE:
                    log_confusion_matrix(logger, outcomes_of(predictions), epoch)
                rows = _rows_of_val(_data(trainer), predictions)
                for name, grid in error_grids(predictions, SelectedRows(pictures_of(_data(trainer)), rows)):
                    logger.log_image(f"val/error_pairs/{epoch:04d}/{name}", grid)

    def _keep(self, split: str, outputs: Any) -> None:
        if self._keeping:
            self._outputs[split].append({name: outputs[name].detach() for name in ("logits", "rows")})

    def _predictions(self, logits: Tensor, rows: Tensor, data: GestureDataModule) -> Predictions:
        """The predictions of an epoch's steps in the order of the sample table."""
        unique, first = np.unique(rows.cpu().numpy(), return_index=True)
        probabilities = logits[torch.from_numpy(first).to(logits.device)].float().softmax(1).cpu().numpy()
        assert self._keys is not None
        return predictions_of(self._keys.take(unique), probabilities, data.vocabulary)


def _rows_of_val(data: GestureDataModule, predictions: Predictions) -> np.ndarray:
    """Table rows (n,) of predictions on val."""
    rows = data.rows["val"]
    ids = pd.Index(data.samples["sample_id"].iloc[rows])
    return rows[ids.get_indexer(predictions.column("sample_id"))]


def write_epoch(logger: RunLogger, predictions: Predictions, split: str, epoch: int, writes: BackgroundWrites) -> None:
    """Write the predictions table of an epoch and split; of val, its report and its confusion matrix as well.

    The matrix of very many gestures takes longer to draw than a short epoch: `EpochCallback.on_train_end` draws it.
    """
    writes.ask(partial(write_predictions, predictions, predictions_file(logger.run, split, epoch)))
    if split != "val":
        return
    outcomes = outcomes_of(predictions)
    logger.log_many_series(report_series(outcomes.confusion(), outcomes.labels), epoch)
    if len(outcomes.labels) <= figures.READABLE:
        writes.ask(partial(log_confusion_matrix, logger, outcomes, epoch))


def log_confusion_matrix(logger: RunLogger, outcomes: Outcomes, epoch: int) -> None:
    """Draw the confusion matrix of an epoch on val."""
    counts = outcomes.confusion()
    title = f"val, epoch {epoch}: weighted F1 {weighted_f1(counts):.4f}"
    logger.log_figure(
        f"val/figures/confusion_matrices/{epoch:04d}", figures.confusion_matrix(counts, outcomes.labels, title)
    )


def report_series(counts: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    """The classification report of a confusion matrix as values by field; scores that do not exist are left out."""
    scores = gesture_scores(counts, labels)
    report = pd.concat([scores, average_scores(scores)]).rename(columns=REPORT_COLUMNS)
    return {
        f"{REPORT_FIELD}/{row}/{column}": float(value)
        for row, values in report.iterrows()
        for column, value in values.items()
        if not np.isnan(value)
    }


def best_and_last(run: RunFolder) -> list[int]:
    """The epoch with the highest weighted F1 on val, and the last one, as far as their predictions are kept."""
    kept = predicted_epochs(run)
    best = run.best
    wanted = {best[0] if best else None, kept[-1] if kept else None}
    return [epoch for epoch in kept if epoch in wanted]


def pick_samples(
    data: GestureDataModule, split: str, count: int, module: LightningModule | None = None
) -> list[np.ndarray]:
    """Pictures of a split's samples: uint8 RGB, with the gesture above, source and subject below.

    With a module, its augmented picture stands beside each.
    """
    chosen = _in_turn(data.targets[data.rows[split]], count, data.seed)
    rows = data.rows[split][chosen]
    pictures = np.asarray(pictures_of(data)[rows])
    augmented = _augment(data, rows, module) if isinstance(module, GestureModule) else None
    images = []
    for position, row in enumerate(rows):
        sample = data.samples.iloc[int(row)]
        captions = [f"{sample['source']} {sample['subject']}", "augmented"]
        tiles = pictures[position][None]
        if augmented is not None:
            tiles = np.stack([pictures[position], augmented[position]])
        title = str(sample["gesture"])
        images.append(figures.image_grid(tiles, captions[: len(tiles)], title, columns=2, tile=PICTURE_TILE))
    return images


def _in_turn(targets: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions of `count` samples: one of each gesture, then a second of each, chosen at random."""
    order = np.random.default_rng(seed).permutation(len(targets))
    turn = pd.Series(targets[order]).groupby(targets[order]).cumcount().to_numpy()
    return order[np.lexsort((targets[order], turn))][:count]


@torch.no_grad()
def _augment(data: GestureDataModule, rows: np.ndarray, module: GestureModule) -> np.ndarray:
    """Augmented hands as pictures, with a random generator of its own."""
    batch = on_device(data.kind.batch(data.kind.take(data.hands.crops, data.hands.points, rows)), module.device)
    return draw_parts(data.kind.parts_of(module.augmentation(batch, torch.Generator().manual_seed(0))))


def _loggers(trainer: Trainer) -> list[RunLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, RunLogger)] if trainer.is_global_zero else []


def _data(trainer: Trainer) -> GestureDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, GestureDataModule), "EpochCallback needs Trainer.fit(module, GestureDataModule)"
    return data
