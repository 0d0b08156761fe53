"""Calibrate checkpoints on val: read temperature and the background's advantage off it, see `answers`.

Each subject of val counts alike. A person shows val some dozen similar frames, so hands would count one person's few
errors many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.samples import group_of
from static_gesture_classification.terminal import say
from static_gesture_classification.training.answers import Calibration, background_index, fit_calibration
from static_gesture_classification.training.checkpoint import (
    calibration_of,
    classifier_of,
    read_checkpoint,
    save_calibrated,
)
from static_gesture_classification.training.datamodule import GestureDataModule


def calibrate(checkpoints: Sequence[Path], data: GestureDataModule, share: float) -> None:
    """Calibrate checkpoints where they lie; one that is calibrated so already stays untouched.

    Args:
        checkpoints: of the classifier alone.
        data: whose val split is read.
        share: of hands in use that show no gesture.

    Raises:
        UserError: a checkpoint is unusable.
    """
    rows = data.rows["val"]
    weights = subject_weights(data.samples.iloc[rows])
    for path in checkpoints:
        checkpoint = read_checkpoint(path)
        classifier = classifier_of(checkpoint, path)
        logits = np.concatenate([classifier.logits(classifier.embed(inputs)) for inputs in data.inputs(rows)])
        background = background_index(classifier.vocabulary)
        found = fit_calibration(logits, data.targets[rows], weights, background, share)
        if found != calibration_of(checkpoint):
            save_calibrated(checkpoint, found, path)
            say(calibration_in_words(path.name, found, background))


def subject_weights(samples: pd.DataFrame) -> np.ndarray:
    """Weights (n,) of samples so that each subject weighs 1; of an unknown subject, each session or image."""
    groups = group_of(samples)
    return (1 / groups.groupby(groups).transform("size")).to_numpy(np.float64)


def calibration_in_words(name: str, calibration: Calibration, background: int | None) -> str:
    """The calibration in words."""
    advantage = "" if background is None else f", advantage of the background {calibration.advantage:+.2f}"
    return f"{name} is calibrated on val: temperature {calibration.temperature:.2f}{advantage}"
