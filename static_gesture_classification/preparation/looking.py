"""Looking for hands in an image, around their known boxes, for the landmarks stage.

This is no part of `landmarks`, because other processes load functions by name. Functions of a module that runs as a
command reach them as copies, each with a detector of its own.
"""

from __future__ import annotations

from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np

from static_gesture_classification import images
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.detection.detector import Detector, DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import PIXELS_VERSION, read_image
from static_gesture_classification.keyed_store import Keys
from static_gesture_classification.preparation.per_image import ImageTask, row_keys
from static_gesture_classification.samples import LANDMARK_COUNT


def look_in_image(task: ImageTask, detector: str) -> np.ndarray:
    """Look for the hands of an image.

    Args:
        task: the image and its boxes.
        detector: settings of the detector as JSON.

    Returns:
        float32 (k, 21, 2), normalised, NaN where no hand was found.

    Raises:
        UnreadableImageError: it cannot be read.
    """
    landmarks = np.full((len(task.boxes), LANDMARK_COUNT, 2), np.nan, np.float32)
    image = np.ascontiguousarray(read_image(task.path))
    for number, (x1, y1, x2, y2) in enumerate(task.boxes.tolist()):
        hand = detector_of(detector).landmarks_in(image, (x1, y1, x2, y2))
        if hand is not None and hand.landmarks is not None:
            landmarks[number] = hand.landmarks
    return landmarks


def landmark_keys(content: np.ndarray, boxes: np.ndarray, detector: DetectorSettings) -> Keys:
    """Keys V16 (n,) of hands: hashes of everything that their landmarks depend on.

    Args:
        content: V16 (n,), hash of each hand's image.
        boxes: float32 (n, 4).
        detector: settings of the detector.

    Raises:
        UserError, DataError: the detector cannot be used.
    """
    made = f"{detector_of(detector.model_dump_json()).identity()}{looking_code()}{PIXELS_VERSION}"
    return row_keys((each.tobytes() for each in content), boxes, made)


@cache
def looking_code() -> str:
    """Hash of the code that brings an image before the detector."""
    return code_digest([Path(images.__file__)])


@cache
def detector_of(settings: str) -> Detector:
    """This process's detector with these settings, as JSON; its model is loaded once.

    Raises:
        UserError: it cannot be built, or finds no landmarks.
    """
    wanted = DetectorSettings.model_validate_json(settings)
    detector = wanted.build()
    if not detector.gives_landmarks:
        raise UserError(
            f"detector {wanted.node['_target_']} finds no landmarks; use detector=hands, or "
            "landmarks.extract=never for published landmarks alone"
        )
    Finalize(None, detector.close, exitpriority=1)  # else its threads keep a worker alive
    return detector
