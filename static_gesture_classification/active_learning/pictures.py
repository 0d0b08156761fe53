"""Pictures of samples to look at: their crops where the crops stage made them, else cut out of their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from static_gesture_classification.errors import DataError
from static_gesture_classification.preparation.crops import SAMPLES, open_crops
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.images import UnreadableImageError, read_image
from static_gesture_classification.samples import BOX

GREY = 200  # of a picture that could not be read


class Pictures:
    """Crops of samples, found by their ids.

    Args:
        crops: folder of the crops stage; where it is None or absent, pictures are cut out of the samples' images.
        size: side in pixels of a picture that is cut.
        margin: of a picture that is cut, as in the crops stage.

    Raises:
        DataError: the crops are damaged.
    """

    def __init__(self, crops: Path | None, size: int, margin: float) -> None:
        self.folder = crops if crops is not None and crops.is_dir() else None
        self.size, self.margin = size, margin
        self.unreadable: dict[str, str] = {}
        if self.folder is not None:
            self._crops = open_crops(self.folder)
            table = pq.read_table(self.folder / SAMPLES, columns=["sample_id", "gesture"], partitioning=None)
            self._ids = pd.Index(table.column("sample_id").to_pandas())
            self._gestures = table.column("gesture").to_pandas().to_numpy(dtype=object)
            self.size = int(self._crops.shape[1])

    def check(self, samples: pd.DataFrame, name: str) -> list[str]:
        """See that the crops belong to `samples` (columns sample_id, gesture), which are called `name` in messages.

        Returns:
            What a reader should know: samples whose label has changed since.

        Raises:
            DataError: the crops lack some of the samples.
        """
        if self.folder is None:
            return []
        rows = self._ids.get_indexer(samples["sample_id"])
        missing = samples["sample_id"].to_numpy()[rows < 0]
        if len(missing):
            raise DataError(
                f"{len(missing):,} of the {len(samples):,} samples of {name} have no crop in {self.folder} (the first "
                f"is {missing[0]}): they were made from different data. Evaluate again (dvc repro evaluate), or set "
                "confusions.crops=null, so that pictures are cut from the images"
            )
        changed = int((self._gestures[rows] != samples["gesture"].to_numpy(dtype=object)).sum())
        if not changed:
            return []
        return [f"{changed:,} samples have another label by now; evaluate again (dvc repro evaluate) to see them so"]

    def of(self, samples: pd.DataFrame) -> np.ndarray:
        """Pictures (n, size, size, 3) uint8 RGB of n rows of the sample or predictions table.

        An image that cannot be read gives a grey one; `unreadable` then has its path and the reason.
        """
        pictures = np.full((len(samples), self.size, self.size, 3), GREY, np.uint8)
        if self.folder is not None:
            rows = self._ids.get_indexer(samples["sample_id"])
            pictures[rows >= 0] = self._crops[rows[rows >= 0]]
            return pictures
        for image, members in _rows_of_images(samples).items():
            try:
                pixels = read_image(Path(image))
            except UnreadableImageError as error:
                self.unreadable[image] = str(error)
                continue
            for row in members:
                box = samples[list(BOX)].to_numpy(np.float64)[row]
                pictures[row] = crop_square(pixels, box, self.size, self.margin)
        return pictures


def _rows_of_images(samples: pd.DataFrame) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, (root, image) in enumerate(zip(samples["root"], samples["image"], strict=True)):
        rows.setdefault(str(Path(root) / image), []).append(row)
    return rows
