"""What can be measured about a sample without knowing its gesture, to find what errors have in common.

One row per sample:

    person, session, source, hand    names ("" where unknown); a person is "<subject> of <source>"
    size          longer side of the hand's box, in pixels of its image
    brightness    mean luma (ITU-R BT.601) of the picture, 0..255
    sharpness     variance of the Laplacian of the picture at 96 x 96 pixels; low where it is blurred or has no detail
                  (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000)
    tilt          degrees between upright and the line from the wrist to the middle finger's base, 0..180
    edge          whether the box reaches the image's edge

Numbers that cannot be had (an unreadable image, no landmarks) are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from static_gesture_classification.images import UnreadableImageError, image_header
from static_gesture_classification.samples import (
    LANDMARK_COUNT,
    MIDDLE_BASE,
    WRIST,
    image_path,
    read_landmarks_of,
    subject_of,
)

SHARPNESS_SIZE = 96  # pixels at which sharpness is comparable
NEAR_EDGE = 0.005  # of the image's side
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def measure(
    samples: pd.DataFrame, pictures: np.ndarray, seen: np.ndarray, landmarks: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Measure samples; see the module for the columns.

    Args:
        samples: n rows with the columns of a predictions table.
        pictures: (n, size, size, 3) uint8 RGB.
        seen: bool (n,), which of the pictures show something.
        landmarks: sample id -> (21, 2) normalised to the image, for those that have any.
    """
    shapes = image_shapes(samples)
    x1, y1, x2, y2 = (samples[name].to_numpy(np.float64) for name in ("x1", "y1", "x2", "y2"))
    grey = _grey(pictures)
    return pd.DataFrame(
        {
            "person": [_describe_subject(subject) for subject in subject_of(samples)],
            "session": samples["session"].to_numpy(),
            "source": samples["source"].to_numpy(),
            "hand": samples["hand"].to_numpy(),
            "size": np.maximum((x2 - x1) * shapes[:, 0], (y2 - y1) * shapes[:, 1]),
            "brightness": np.where(seen, grey.mean(axis=(1, 2)), np.nan),
            "sharpness": np.where(seen, _sharpness(grey), np.nan),
            "tilt": tilts(samples["sample_id"].tolist(), shapes, landmarks),
            "edge": (np.minimum(x1, y1) < NEAR_EDGE) | (np.maximum(x2, y2) > 1 - NEAR_EDGE),
        }
    )


def _describe_subject(subject: str) -> str:
    source, _, name = subject.partition("/")
    return f"{name} of {source}" if subject else ""


def read_landmarks(table: Path, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Landmarks (21, 2) of the samples of a sample table that have any; none where there is no such table."""
    if not table.is_file():
        return {}
    return read_landmarks_of(table, ids)


def image_shapes(samples: pd.DataFrame) -> np.ndarray:
    """Width and height in pixels of each sample's image, NaN where it cannot be read: (n, 2)."""
    known: dict[str, tuple[float, float]] = {}
    paths = [str(image_path(root, image)) for root, image in samples[["root", "image"]].to_numpy()]
    for path in paths:
        if path not in known:
            try:
                header = image_header(Path(path))
                known[path] = (header.width, header.height)
            except UnreadableImageError:
                known[path] = (np.nan, np.nan)
    return np.array([known[path] for path in paths], np.float64).reshape(-1, 2)


def tilts(ids: Sequence[str], shapes: np.ndarray, landmarks: dict[str, np.ndarray]) -> np.ndarray:
    """Degrees from upright of each hand, 0..180, NaN without landmarks or image: (n,)."""
    nowhere = np.full((LANDMARK_COUNT, 2), np.nan)
    points = np.array([landmarks.get(sample, nowhere) for sample in ids]).reshape(-1, LANDMARK_COUNT, 2)
    along = (points[:, MIDDLE_BASE] - points[:, WRIST]) * shapes
    return np.degrees(np.arctan2(np.abs(along[:, 0]), -along[:, 1]))


def _grey(pictures: np.ndarray) -> np.ndarray:
    small = [
        np.asarray(Image.fromarray(each).resize((SHARPNESS_SIZE, SHARPNESS_SIZE), Image.Resampling.BOX))
        for each in pictures
    ]
    return np.array(small, np.float32).reshape(-1, SHARPNESS_SIZE, SHARPNESS_SIZE, 3) @ _LUMA


def _sharpness(grey: np.ndarray) -> np.ndarray:
    middle = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (around - 4 * middle).reshape(len(grey), -1).var(axis=1)
