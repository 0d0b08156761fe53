"""A small sample table of real photographs, made without the sources that other tests are about."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from static_gesture_classification.samples import SPLITS, write_samples
from tests.support.photograph_table import sample, sample_table


@pytest.fixture(scope="session")
def hagrid_table(photographs: Path) -> pd.DataFrame:
    """All hands of hagrid_mini, in HaGRID's own labels."""
    root = photographs / "hagrid_mini"
    rows = []
    for split in SPLITS:
        for file in sorted((root / "annotations" / split).glob("*.json")):
            for name, entry in sorted(json.loads(file.read_text()).items()):
                for number, ((x, y, w, h), label) in enumerate(zip(entry["bboxes"], entry["labels"], strict=True)):
                    box = (max(x, 0.0), max(y, 0.0), min(x + w, 1.0), min(y + h, 1.0))
                    image, user = f"{file.stem}/{name}.jpg", entry["user_id"]
                    rows.append(
                        sample(
                            "hagrid", root, image, box, label, session=user, subject=user, split=split, number=number
                        )
                    )
    return sample_table(rows).sort_values("image", kind="stable").reset_index(drop=True)


@pytest.fixture
def dataset(hagrid_table: pd.DataFrame, tmp_path: Path) -> Callable[[int], tuple[pd.DataFrame, Path]]:
    """Copy some of the photographs to a folder of the test's own: their table, and where it is written."""

    def copy(images: int) -> tuple[pd.DataFrame, Path]:
        names = hagrid_table["image"].drop_duplicates().iloc[:: max(1, 2219 // images)].iloc[:images]
        table = hagrid_table[hagrid_table["image"].isin(set(names))].reset_index(drop=True)
        for name in names:
            target = tmp_path / "photos" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(table["root"].iloc[0]) / name, target)
        table["root"] = str(tmp_path / "photos")
        path = tmp_path / "index" / "samples.parquet"
        write_samples(table, path)
        return table, path

    return copy
