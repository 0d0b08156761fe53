"""Landmarks that a small network learns in seconds: each gesture is a shape of its own, every hand a noisy one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification import samples as table
from static_gesture_classification.gestures import Vocabulary

GESTURES = ("BACKGROUND", "ONE", "TWO", "FIST")
VOCABULARY = Vocabulary(GESTURES, "BACKGROUND")
MODEL = {
    "name": "landmarks",
    "input": "landmarks",
    "backbone": {
        "_target_": "static_gesture_classification.training.models.landmarks.backbone",
        "name": "landmarks",
        "hidden": [16, 8],
        "dropout": 0.1,
        "features_version": 2,
    },
}


def hands(
    per_split: dict[str, int], missed: int = 0, gestures: Sequence[str] = GESTURES
) -> tuple[np.ndarray, pd.DataFrame]:
    """Points (n, 21, 2) and their table, `per_split` hands of every gesture; of each split `missed` are not found."""
    random = np.random.default_rng(0)
    shapes = {name: np.random.default_rng([1, GESTURES.index(name)]).normal(size=(21, 2)) for name in gestures}
    points, rows = [], []
    for split, count in per_split.items():
        for gesture in gestures:
            for number in range(count):
                place, size = random.uniform(-3, 3, 2), random.uniform(0.1, 2)
                points.append(place + size * (shapes[gesture] + 0.05 * random.normal(size=(21, 2))))
                rows.append(_row(f"{split}/{gesture}/{number}.jpg", gesture, split))
    made = np.array(points, np.float32)
    samples = pd.DataFrame(rows)
    for split in per_split:
        made[np.flatnonzero(samples["split"] == split)[:missed]] = np.nan
    return made, samples


def write_hands(project: Path, per_split: dict[str, int], missed: int = 0) -> None:
    """Write data/landmarks of a project folder."""
    points, samples = hands(per_split, missed)
    table.write_samples(samples, project / "data/landmarks/samples.parquet")
    np.save(project / "data/landmarks/landmarks.npy", points)


def _row(image: str, gesture: str, split: str) -> dict[str, object]:
    box = {"x1": 0.1, "y1": 0.1, "x2": 0.9, "y2": 0.9}
    names = {"source": "shapes", "source_label": gesture.lower(), "root": "data/raw/shapes"}
    who = {"subject": split, "session": image, "hand": "", "landmarks": None}
    return {"sample_id": table.sample_id("shapes", image, 0), "image": image, "gesture": gesture, "split": split} | (
        box | names | who
    )
