"""What a run keeps of each epoch on val: predictions, the confusion matrix, scores with their interval."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.metrics import Integers, Interval, outcomes_of, weighted_f1_interval
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.file_state import file_state
from static_gesture_classification.tracking.dashboards import REPORT_FIELD
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.checkpoint import read_checkpoint


def predictions_file(run: RunFolder, split: str, epoch: int) -> Path:
    """Where a run keeps the predictions of an epoch (counted from 0) for train or val."""
    return run.path / "predictions" / split / f"{epoch:04d}.parquet"


def predicted_epochs(run: RunFolder, split: str = "val") -> list[int]:
    """The epochs whose predictions a run keeps, ascending."""
    return sorted(
        int(path.stem) for path in (run.path / "predictions" / split).glob("*.parquet") if path.stem.isdigit()
    )


def epoch_matrix(run: RunFolder, epoch: int) -> tuple[Integers, tuple[str, ...]]:
    """The confusion matrix of an epoch on val: counts (L, L), rows are the ground truth, and the L labels.

    Raises:
        DataError: its predictions are missing or damaged.
    """
    path = predictions_file(run, "val", epoch)
    return _matrix(path, file_state(path))


def epoch_interval(run: RunFolder, epoch: int, resamples: int, seed: int) -> Interval:
    """The interval of an epoch's weighted F1 on val (`metrics.weighted_f1_interval`).

    Raises:
        DataError: its predictions are missing or damaged.
    """
    path = predictions_file(run, "val", epoch)
    return _interval(path, file_state(path), resamples, seed)


def gesture_f1(run: RunFolder) -> pd.Series:
    """F1 on val of each gesture at the best epoch, as logged, else as its checkpoint says; empty of neither."""
    best, metrics = run.best, run.metrics()
    prefix, suffix = f"{REPORT_FIELD}/", "/f1-score"
    fields = {
        name.removeprefix(prefix).removesuffix(suffix): name
        for name in map(str, metrics)
        if name.startswith(prefix) and name.endswith(suffix) and not name.endswith(f" avg{suffix}")
    }
    if best is not None and fields:
        row = metrics.loc[[best[0]], list(fields.values())].to_numpy(np.float64)[0]
        return pd.Series(row, index=list(fields))
    try:
        scores = read_checkpoint(run.best_checkpoint())["scores"]
    except UserError:
        return pd.Series(dtype=float)
    per_gesture = scores.get("per_gesture", {})
    return pd.Series({name: row.get("f1") for name, row in per_gesture.items()}, dtype=float)


@lru_cache(maxsize=512)
def _matrix(path: Path, state: tuple[int, int]) -> tuple[Integers, tuple[str, ...]]:
    outcomes = outcomes_of(read_predictions(path))
    return outcomes.confusion(), outcomes.labels


@lru_cache(maxsize=4096)
def _interval(path: Path, state: tuple[int, int], resamples: int, seed: int) -> Interval:
    return weighted_f1_interval(outcomes_of(read_predictions(path)), resamples, seed)
