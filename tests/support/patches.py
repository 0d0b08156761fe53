"""A data set that a tiny network learns in seconds: the gesture is where the bright patch is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification import samples as table
from static_gesture_classification.gestures import Vocabulary

SIZE = 32
GESTURES = ("BACKGROUND", "ONE", "TWO", "FIST")
VOCABULARY = Vocabulary(GESTURES, "BACKGROUND")


def patches(
    per_split: dict[str, int], gestures: Sequence[str] = GESTURES, seed: int = 0
) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops (n, 32, 32, 3) uint8 and their split table, `per_split` samples of every gesture in each split."""
    random = np.random.default_rng(seed)
    crops, rows = [], []
    for split, count in per_split.items():
        for gesture in gestures:
            for number in range(count):
                crop = random.integers(0, 90, (SIZE, SIZE, 3), np.uint8)
                row, column = divmod(GESTURES.index(gesture), 2)
                crop[2 + 16 * row : 14 + 16 * row, 2 + 16 * column : 14 + 16 * column] += 150
                crops.append(crop)
                rows.append(_row(f"{split}/{gesture}/{number}.jpg", gesture, split))
    return np.stack(crops), pd.DataFrame(rows)


def write_patches(project: Path, per_split: dict[str, int], gestures: Sequence[str] = GESTURES) -> None:
    """Write data/crops and data/splits of a project folder."""
    crops, samples = patches(per_split, gestures)
    for folder in ("crops", "splits"):
        (project / "data" / folder).mkdir(parents=True, exist_ok=True)
        table.write_samples(samples, project / "data" / folder / "samples.parquet")
    np.save(project / "data/crops/crops.npy", crops)


def _row(image: str, gesture: str, split: str) -> dict[str, object]:
    return {
        "sample_id": table.sample_id("patches", image, 0),
        "image": image,
        "root": "data/raw/patches",
        "x1": 0.1,
        "y1": 0.1,
        "x2": 0.9,
        "y2": 0.9,
        "gesture": gesture,
        "source": "patches",
        "source_label": gesture.lower(),
        "subject": split,
        "session": image,
        "hand": "",
        "landmarks": None,
        "split": split,
    }
