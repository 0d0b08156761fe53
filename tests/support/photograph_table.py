"""Rows of sample tables, made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.samples import SCHEMA, sample_id


def sample(source: str, root: Path | str, image: str, box: tuple[float, ...], gesture: str, **other: object) -> dict:
    """One row of a sample table; the subject is the session, and the session the image, unless told."""
    hand = other.pop("number", 0)
    session = other.get("session", image)
    row = {"sample_id": sample_id(source, image, str(hand)), "image": image, "root": str(root), "gesture": gesture}
    row |= dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    row |= {"source": source, "source_label": gesture, "subject": session, "session": session}
    return row | {"hand": "", "landmarks": None, "split": ""} | other


def sample_table(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=SCHEMA.names).astype(dict.fromkeys(("x1", "y1", "x2", "y2"), np.float32))
