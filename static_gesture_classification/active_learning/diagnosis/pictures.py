"""Pictures of samples: the crops stage's crops where they exist, else cut out of the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from static_gesture_classification.errors import DataError
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.crops import SAMPLES, open_crops
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.row_arrays import expect_single_rows
from static_gesture_classification.samples import BOX, image_path

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
            expect_single_rows(self._crops)
            table = pq.read_table(self.folder / SAMPLES, columns=["sample_id", "gesture"], partitioning=None)
            self._ids = pd.Index(table.column("sample_id").to_pandas())
            self._gestures = table.column("gesture").to_pandas().to_numpy(dtype=object)
            self.size = int(self._crops.shape[1])

    def check(self, samples: pd.DataFrame, name: str) -> list[str]:
        """Check that the crops belong to `samples` (columns sample_id, gesture); messages call these `name`.

        Returns:
            Notes on samples without a crop, and on labels that have changed since.

        Raises:
            DataError: none of the samples has a crop.
        """
        if self.folder is None or samples.empty:
            return []
        rows = self._ids.get_indexer(pd.Index(samples["sample_id"]))
        missing = int((rows < 0).sum())
        if missing == len(samples):
            raise DataError(
                f"none of the {missing:,} samples of {name} has a crop in {self.folder}: they were made from different "
                "data. Evaluate again (dvc repro evaluate), or set confusions.crops=null, so that pictures are cut "
                "from the images"
            )
        notes = []
        if missing:
            notes.append(f"{missing:,} samples have no crop in {self.folder}; their pictures are cut from the images")
        known = rows >= 0
        changed = int((self._gestures[rows[known]] != samples["gesture"].to_numpy(dtype=object)[known]).sum())
        if changed:
            notes.append(f"{changed:,} samples have another label by now; evaluate again (dvc repro evaluate)")
        return notes

    def of(self, samples: pd.DataFrame) -> np.ndarray:
        """Pictures (n, size, size, 3) uint8 RGB of n rows of the sample or predictions table.

        An image that cannot be read gives a grey one; `unreadable` then has its path and the reason.
        """
        pictures = np.full((len(samples), self.size, self.size, 3), GREY, np.uint8)
        uncropped = np.ones(len(samples), bool)
        if self.folder is not None:
            rows = self._ids.get_indexer(pd.Index(samples["sample_id"]))
            uncropped = rows < 0
            pictures[~uncropped] = self._crops[rows[~uncropped]]
        own = np.flatnonzero(uncropped)
        for image, members in _rows_of_images(samples.iloc[own]).items():
            try:
                pixels = read_image(Path(image))
            except UnreadableImageError as error:
                self.unreadable[image] = str(error)
                continue
            for row in own[members]:
                box = samples[list(BOX)].to_numpy(np.float64)[row]
                pictures[row] = crop_square(pixels, box, self.size, self.margin)
        return pictures

    def crop_of(self, sample: str) -> np.ndarray | None:
        """A sample's crop (size, size, 3) uint8 RGB; None where the crops stage has none."""
        if self.folder is None:
            return None
        row = self._ids.get_indexer(pd.Index([sample]))[0]
        return None if row < 0 else np.asarray(self._crops[row])

    def notes(self) -> list[str]:
        """A note on the images that could not be read, none where all could."""
        if not self.unreadable:
            return []
        image, reason = next(iter(self.unreadable.items()))
        return [f"{len(self.unreadable):,} images could not be read and are shown grey; the first: {image}: {reason}"]

    def are_readable(self, samples: pd.DataFrame) -> np.ndarray:
        """Which rows have a readable image; call `of` first: bool (n,)."""
        return np.array([path not in self.unreadable for path in _paths(samples)], bool)


def _paths(samples: pd.DataFrame) -> list[str]:
    return [str(image_path(root, image)) for root, image in zip(samples["root"], samples["image"], strict=True)]


def _rows_of_images(samples: pd.DataFrame) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(_paths(samples)):
        rows.setdefault(path, []).append(row)
    return rows
