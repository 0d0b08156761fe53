"""A classifier's inputs for hands in images and videos: crops or points, and the keys to store results under."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from static_gesture_classification.active_learning.mining.pool_images import file_and_frame, read_pictures
from static_gesture_classification.detection.detector import Detector, DetectorSettings
from static_gesture_classification.file_state import file_state
from static_gesture_classification.images import PIXELS_VERSION, UnreadableImageError, image_header
from static_gesture_classification.preparation.cutting import cut_hands, cutting_code
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.preparation.per_image import IMAGES_PER_TASK
from static_gesture_classification.samples import BOX, LANDMARK_COUNT, image_path
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.inputs import InputKind

Seen = tuple[int, np.ndarray | str]  # a row, and its input or the reason why there is none


def input_identity(classifier: Classifier, detector: DetectorSettings) -> Callable[[Any], bytes]:
    """A function from a hand's landmarks (or None) to bytes: what its input depends on besides image and box.

    For crops this is the code that cuts them; for landmarks the known points, else the detector's identity.
    """
    kind = classifier.kind

    @cache
    def identity() -> bytes:
        with detector.build() as looks:
            return looks.identity().encode()

    def seen(marks: Any) -> bytes:
        cutting = cutting_code().encode() if kind.needs_crops else b""
        if not kind.needs_landmarks:
            return cutting
        return cutting + (identity() if marks is None else np.asarray(marks, np.float32).tobytes())

    return seen


def hand_keys(samples: pd.DataFrame, seen: Callable[[Any], bytes]) -> list[bytes]:
    """16 bytes for each hand: a hash of its image's path, size and modification time, its box and `input_identity`."""
    paths = [str(image_path(root, image)) for root, image in zip(samples["root"], samples["image"], strict=True)]
    distinct = list(dict.fromkeys(paths))
    states = joblib.Parallel(n_jobs=-1, prefer="threads", batch_size=256)(
        joblib.delayed(_state)(path) for path in distinct
    )
    state_of = dict(zip(distinct, states, strict=True))
    boxes = samples[list(BOX)].to_numpy(np.float32)
    keys = []
    for path, box, marks in zip(paths, boxes, samples["landmarks"], strict=True):
        content = f"{PIXELS_VERSION}\0{path}\0{state_of[path]}".encode() + box.tobytes()
        keys.append(hashlib.blake2b(content + seen(marks), digest_size=16).digest())
    return keys


def _state(path: str) -> tuple[int, int]:
    return file_state(file_and_frame(Path(path))[0])


def read_inputs(
    samples: pd.DataFrame, rows: np.ndarray, classifier: Classifier, detector: DetectorSettings
) -> Iterator[Seen]:
    """The classifier's input of each hand, with its row; or the reason why there is none."""
    kind = classifier.kind
    crops = cut_crops(samples, rows, classifier.crop_size, classifier.crop_margin) if kind.needs_crops else None
    points = _points(samples, rows, detector) if kind.needs_landmarks else None
    if crops is None or points is None:
        return crops or points or iter(())
    return _join(kind, dict(points), crops)


def _join(kind: InputKind, points: Mapping[int, np.ndarray | str], crops: Iterator[Seen]) -> Iterator[Seen]:
    """Join crops and points to inputs of the kind; or the reason why one of the two is missing."""
    for row, crop in crops:
        mark = points[row]
        if isinstance(crop, str) or isinstance(mark, str):
            yield row, crop if isinstance(crop, str) else mark
        else:
            yield row, kind.join(crop[None], mark[None])[0]


def cut_crops(samples: pd.DataFrame, rows: np.ndarray, size: int, margin: float) -> Iterator[Seen]:
    """Crops of hands with their rows, in any order; or the reason why there is none. Images are decoded in parallel.

    Args:
        samples: sample table.
        rows: int (k,), which rows of it.
        size, margin: see `preparation.crops`.
    """
    boxes = samples[list(BOX)].to_numpy(np.float64)
    in_images, in_videos = _rows_by_image(samples, rows)
    images = list(in_images.items())
    pieces = [images[start : start + IMAGES_PER_TASK] for start in range(0, len(images), IMAGES_PER_TASK)]
    parallel = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    for seen in parallel(joblib.delayed(_crops_of_images)(piece, boxes, size, margin) for piece in pieces):
        yield from seen
    for path, pixels in read_pictures(in_videos):
        for row in in_videos[path]:
            if isinstance(pixels, UnreadableImageError):
                yield row, str(pixels)
            else:
                yield row, crop_square(pixels, boxes[row], size, margin)


def _crops_of_images(
    images: Sequence[tuple[Path, list[int]]], boxes: np.ndarray, size: int, margin: float
) -> list[Seen]:
    seen: list[Seen] = []
    for path, rows in images:
        crops, reason = cut_hands(path, boxes[rows], size, margin)
        seen += [(row, reason if crop is None else crop) for row, crop in zip(rows, crops, strict=True)]
    return seen


def _points(samples: pd.DataFrame, rows: np.ndarray, settings: DetectorSettings) -> Iterator[Seen]:
    """Points from known landmarks; else the detector looks for the hand in its box."""
    marks = samples["landmarks"].to_numpy(object)
    known = np.array([marks[row] is not None for row in rows], bool)
    in_images, in_videos = _rows_by_image(samples, rows[known])
    aspects: dict[Path, float | str] = {}
    for path, own in (in_images | in_videos).items():
        file = file_and_frame(path)[0]
        if file not in aspects:
            aspects[file] = _aspect(path)
        aspect = aspects[file]
        for row in own:
            if isinstance(aspect, str):
                yield row, aspect
            else:
                yield row, points_of(np.reshape(marks[row], (1, LANDMARK_COUNT, 2)), aspect)[0]
    if not known.all():
        yield from _detect_points(samples, rows[~known], settings)


def _detect_points(samples: pd.DataFrame, rows: np.ndarray, settings: DetectorSettings) -> Iterator[Seen]:
    boxes = samples[list(BOX)].to_numpy(np.float64)
    in_images, in_videos = _rows_by_image(samples, rows)
    rows_of = in_images | in_videos
    with settings.build() as detector:
        for path, pixels in read_pictures(rows_of):
            for row in rows_of[path]:
                yield row, _detect_one(detector, pixels, boxes[row])


def _detect_one(detector: Detector, pixels: np.ndarray | UnreadableImageError, box: np.ndarray) -> np.ndarray | str:
    if isinstance(pixels, UnreadableImageError):
        return str(pixels)
    hand = detector.landmarks_in(pixels, tuple(box.tolist()))
    if hand is None or hand.landmarks is None:
        return "no hand found in its box"
    return points_of(hand.landmarks[None], pixels.shape[1] / pixels.shape[0])[0]


def _aspect(path: Path) -> float | str:
    """Width divided by height of an upright picture, or why it cannot be read."""
    if file_and_frame(path)[1] is None:
        try:
            header = image_header(path)
        except UnreadableImageError as error:
            return str(error)
        return header.width / header.height
    pixels = next(read_pictures([path]))[1]
    return pixels.shape[1] / pixels.shape[0] if isinstance(pixels, np.ndarray) else str(pixels)


def _rows_by_image(samples: pd.DataFrame, rows: np.ndarray) -> tuple[dict[Path, list[int]], dict[Path, list[int]]]:
    """The rows of each image file, and of each frame of a video."""
    roots, names = samples["root"].to_numpy(object), samples["image"].to_numpy(object)
    images: dict[Path, list[int]] = {}
    videos: dict[Path, list[int]] = {}
    for row in rows.tolist():
        path = image_path(roots[row], names[row])
        group = images if file_and_frame(path)[1] is None else videos
        group.setdefault(path, []).append(row)
    return images, videos
