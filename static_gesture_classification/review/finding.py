"""Find a sample by its id: in the predictions that exist, else in the prepared samples of train and val."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.errors import DataError
from static_gesture_classification.review.predictions_choice import choices, read_predicted
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.shown_sample import PredictedList, RowList, SampleList
from static_gesture_classification.samples import read_rows
from static_gesture_classification.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """A sample that was found.

    Args:
        samples: a list of this one.
        workspace: that has it.
        checkpoint: of its predictions, or the workspace's.
    """

    samples: SampleList
    workspace: Workspace
    checkpoint: Path | None


def find_sample(review: Review, sample: str) -> Found | None:
    """The sample of an id; None where there is none, or it is one of test."""
    for choice in choices(review):
        try:
            table = read_predicted(review, choice)
        except DataError:  # the page Confusions says what is wrong with it
            continue
        rows = np.flatnonzero((table.frame["sample_id"] == sample).to_numpy())
        if len(rows):
            return Found(PredictedList(table, rows), choice.workspace, choice.checkpoint)
    for workspace in (review.quick, review.workspace):
        if (rows_of := known_samples(review, workspace)) is not None:
            own = rows_of[rows_of["sample_id"] == sample]
            if len(own):
                return Found(RowList(own), workspace, workspace.trained if workspace.trained.is_file() else None)
    return None


def known_samples(review: Review, workspace: Workspace) -> pd.DataFrame | None:
    """The samples of train and val of a workspace, whose pictures can be asked for from now on; None without any."""
    path = workspace.split_table
    if not path.is_file():
        return None
    samples: pd.DataFrame = review.tables.of(path, _train_and_val, path)
    review.thumbnails.know(f"samples of {path}", samples)
    return samples


def _train_and_val(path: Path) -> pd.DataFrame:
    samples = read_rows(path)
    return samples[samples["split"].isin(["train", "val"])].reset_index(drop=True)
