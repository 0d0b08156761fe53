"""The crops of one image, for the crops stage.

This is no part of `crops`, because workers load functions by name; see `per_image.for_each_image`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from static_gesture_classification.file_state import file_state
from static_gesture_classification.images import read_bytes
from static_gesture_classification.keyed_store import Keys
from static_gesture_classification.preparation.cutting import cut_hands_of
from static_gesture_classification.preparation.per_image import ImageTask


@dataclass(frozen=True)
class Cut:
    """The crops of an image by row, or why there is none, with the file's state and hash.

    Rows that already have a crop of the same contents are left out.
    """

    state: tuple[int, int]
    content: bytes
    crops: dict[int, np.ndarray | str]


def crop_image(task: ImageTask, known: Keys, size: int, margin: float) -> Cut:
    """Cut the hands of an image.

    Args:
        task: the image and its boxes.
        known: V16 (n,), hash of the contents that each row's crop was made from; zeros where there is none.
        size, margin: see `cut_hands`.

    Raises:
        UnreadableImageError: it cannot be read.
    """
    state, data = file_state(task.path), read_bytes(task.path)
    content = hashlib.sha256(data).digest()[:16]
    changed = known[task.rows] != np.void(content)
    boxes = task.boxes[changed]
    crops = cut_hands_of(data, boxes, size, margin) if len(boxes) else []
    return Cut(state, content, dict(zip(task.rows[changed].tolist(), crops, strict=True)))
