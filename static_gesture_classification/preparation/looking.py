"""Looking for hands in a picture, around the boxes that are known: what the landmarks stage makes of an image.

It is a module of its own, since other processes get its functions by name: those of a module that runs as a command
would reach them as copies, each with a detector of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np

from static_gesture_classification import images
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.detection.detector import Detector, DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import PIXELS_VERSION, UnreadableImageError, read_image
from static_gesture_classification.keyed_store import Keys
from static_gesture_classification.preparation.per_image import row_keys
from static_gesture_classification.samples import LANDMARK_COUNT


@dataclass(frozen=True)
class ImageTask:
    """One image in which hands are looked for: its number, its file, the rows and their boxes float32 (k, 4)."""

    image: int
    path: Path
    rows: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class ImageResult:
    """What was found in an image: normalised landmarks (k, 21, 2), NaN where missed; or why it cannot be decoded."""

    task: ImageTask
    landmarks: np.ndarray
    reason: str | None = None


def look_in_image(task: ImageTask, detector: str) -> ImageResult:
    """Look for the hands of an image; `detector` is its settings as JSON."""
    landmarks = np.full((len(task.boxes), LANDMARK_COUNT, 2), np.nan, np.float32)
    try:
        image = np.ascontiguousarray(read_image(task.path))
    except UnreadableImageError as error:
        return ImageResult(task, landmarks, str(error))
    for number, (x1, y1, x2, y2) in enumerate(task.boxes.tolist()):
        hand = detector_of(detector).landmarks_in(image, (x1, y1, x2, y2))
        if hand is not None and hand.landmarks is not None:
            landmarks[number] = hand.landmarks
    return ImageResult(task, landmarks)


def landmark_keys(content: np.ndarray, boxes: np.ndarray, detector: DetectorSettings) -> Keys:
    """Keys V16 (n,) of hands: what their landmarks depend on.

    Args:
        content: V16 (n,), hash of each hand's image.
        boxes: float32 (n, 4).
        detector: looks for them.

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
    """This process's detector of some settings, as JSON; its model is loaded once.

    Raises:
        UserError: it cannot be built, or knows no landmarks.
    """
    wanted = DetectorSettings.model_validate_json(settings)
    detector = wanted.build()
    if not detector.gives_landmarks:
        raise UserError(
            f"detector {wanted.node['_target_']} finds no landmarks; use detector=mediapipe, or "
            "landmarks.extract=never for published landmarks alone"
        )
    Finalize(None, detector.close, exitpriority=1)  # else its threads keep a process alive that is to end
    return detector
