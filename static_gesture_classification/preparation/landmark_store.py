"""The folder of landmarks: its files, and how to read them.

landmarks.npy      float32 (n, 21, 2): points; x is normalised x times width / height of the image, y is normalised y,
                   so both are in units of the image's height; NaN where no hand was found
samples.parquet    the sample table; row i belongs to points i, `landmarks` and `split` are filled in
missed.csv         hands that the detector did not find
rejected.csv       samples whose image is unreadable
report.json        counts
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.hand_points import LANDMARK_COUNT, points_of
from static_gesture_classification.preparation.publishing import REJECTED_CSV, REPORT, SAMPLES, open_array
from static_gesture_classification.samples import read_rows

__all__ = ["MISSED_CSV", "POINTS", "REJECTED_CSV", "REPORT", "SAMPLES", "open_landmarks", "points_of"]

POINTS, MISSED_CSV = "landmarks.npy", "missed.csv"


def open_landmarks(folder: Path, columns: Sequence[str] | None = None) -> tuple[np.ndarray, pd.DataFrame]:
    """The points (n, 21, 2) float32 of a folder and the sample table that belongs to them, without its landmarks.

    Of the table all other columns are read, or those that are named.

    Points stay on disk, and are read where they are used; they cannot be written to.

    Raises:
        DataError: a file is missing or damaged, or they do not belong together.
    """
    points = open_array(folder / POINTS, "landmarks", "float32", (LANDMARK_COUNT, 2)).view(np.ndarray)
    return points, read_rows(folder / SAMPLES, columns)
