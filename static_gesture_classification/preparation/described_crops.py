"""Opens the crops of a folder together with what is kept of them to find near-duplicates."""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.preparation.crop_store import read_content_keys
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.splitting.crop_source import CropSource

DESCRIPTORS = ".descriptors"


def open_described(folder: Path, *others: Path) -> CropSource:
    """The crops of a folder.

    Args:
        folder: of the crops stage.
        others: folders of crops that are mostly the same: what is kept there is used too.

    Raises:
        DataError: see `open_crops`.
    """
    crops = open_crops(folder)
    kept = [place / DESCRIPTORS for place in (folder, *others)]
    return CropSource(crops, read_content_keys(folder, len(crops)), *kept)
