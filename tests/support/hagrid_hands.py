"""A sample table of real photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.samples import SCHEMA, SPLITS, sample_id


def hagrid_hands(root: Path, every: int) -> pd.DataFrame:
    """Every so many of the hands of a HaGRID folder, labelled as published."""
    rows = []
    for file in sorted(file for split in SPLITS for file in (root / "annotations" / split).glob("*.json")):
        for name, entry in json.loads(file.read_text()).items():
            for number, ((x, y, w, h), label) in enumerate(zip(entry["bboxes"], entry["labels"], strict=True)):
                image, user = f"{file.stem}/{name}.jpg", entry["user_id"]
                box = [max(x, 0.0), max(y, 0.0), min(x + w, 1.0), min(y + h, 1.0)]
                identity = [sample_id("hagrid", image, number), image, str(root), *map(np.float32, box)]
                rows.append([*identity, label, "hagrid", label, user, user, "", None, ""])
    return pd.DataFrame(rows[::every], columns=SCHEMA.names)
