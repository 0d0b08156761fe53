"""Opens the crops of a folder together with what is kept of them to find near-duplicates."""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.preparation.crop_store import CROPS_FILE, read_content_keys
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.splitting.crop_source import CropSource

DESCRIPTORS = ".descriptors"


def open_described(folder: Path, shared: Path | None = None) -> CropSource:
    """The crops of a folder.

    Args:
        folder: of the crops stage.
        shared: folder of crops that are mostly the same: if it has any, what is found out about crops is kept there.

    Raises:
        DataError: see `open_crops`.
    """
    crops = open_crops(folder)
    place = shared if shared is not None and (shared / CROPS_FILE).is_file() else folder
    return CropSource(crops, read_content_keys(folder, len(crops)), place / DESCRIPTORS)
