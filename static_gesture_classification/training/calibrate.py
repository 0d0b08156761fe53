"""Calibrate checkpoints on val: read temperature and the background's advantage off it, see `answers`.

Each subject of val counts alike. A person shows val some dozen similar frames, so hands would count one person's few
errors many times.

A training reads them off what the network says to val after each epoch that is kept (`Calibrator`); val is looked at
again only for another share of hands without a gesture, or for a checkpoint of an earlier version (`calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.samples import group_of
from static_gesture_classification.terminal import say
from static_gesture_classification.training.answers import Calibration, background_index, fit_calibration
from static_gesture_classification.training.checkpoint import (
    calibrated,
    calibration_of,
    classifier_of,
    is_calibrated,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.datamodule import GestureDataModule


@dataclass(frozen=True, eq=False)
class Calibrator:
    """Reads the calibration off what a network says to val.

    Args:
        rows: table rows of val (n,), ascending.
        targets: class index of each (n,).
        weights: of each (n,); see `subject_weights`.
        background: class index of the background gesture; None without one.
        share: of hands in use that show no gesture.
    """

    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    background: int | None
    share: float

    @classmethod
    def of(cls, data: GestureDataModule, share: float) -> Calibrator:
        """That of the val split of these data."""
        rows = data.rows["val"]
        weights = subject_weights(data.samples.iloc[rows])
        return cls(rows, data.targets[rows], weights, background_index(data.vocabulary), share)

    def calibration(self, logits: np.ndarray, rows: np.ndarray) -> Calibration:
        """The calibration by logits (m, classes) of the table rows (m,), some or all of val in any order."""
        at = np.searchsorted(self.rows, rows)
        return fit_calibration(logits, self.targets[at], self.weights[at], self.background, self.share)


def calibrate(checkpoints: Sequence[Path], data: GestureDataModule, share: float, are_new: bool = False) -> None:
    """Calibrate checkpoints where they lie; one that is calibrated for this share stays untouched.

    Args:
        checkpoints: of the classifier alone.
        data: whose val split is read.
        share: of hands in use that show no gesture.
        are_new: whether the calibration of one that stays untouched is told too.

    Raises:
        UserError: a checkpoint is unusable.
    """
    for path in checkpoints:
        checkpoint = read_checkpoint(path)
        found = calibration_of(checkpoint)
        if not is_calibrated(checkpoint, share):
            classifier, calibrator = classifier_of(checkpoint, path), Calibrator.of(data, share)
            rows = calibrator.rows
            logits = np.concatenate([classifier.logits(classifier.embed(inputs)) for inputs in data.inputs(rows)])
            found = calibrator.calibration(logits, rows)
            save(calibrated(checkpoint, found, share), path)
        elif not are_new:
            continue
        say(calibration_in_words(path.name, found, background_index(data.vocabulary)))


def subject_weights(samples: pd.DataFrame) -> np.ndarray:
    """Weights (n,) of samples so that each subject weighs 1; of an unknown subject, each session or image."""
    groups = group_of(samples)
    return (1 / groups.groupby(groups).transform("size")).to_numpy(np.float64)


def calibration_in_words(name: str, calibration: Calibration, background: int | None) -> str:
    """The calibration in words."""
    advantage = "" if background is None else f", advantage of the background {calibration.advantage:+.2f}"
    return f"{name} is calibrated on val: temperature {calibration.temperature:.2f}{advantage}"
