"""The samples of a new gesture: a hand in each picture, from image files or recorded sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from static_gesture_classification.active_learning.adding.closer_look import look_closer
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.image_files import files_below
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import LANDMARK_COUNT, Box
from static_gesture_classification.sources.recorded import SESSION_FILE, RecordedImage, read_session
from static_gesture_classification.sources.source import folders_in
from static_gesture_classification.terminal import note

MOST_SAMPLES = 50  # samples; more are for a retrain
WITHOUT_HAND = "no hand was found"
LOOKS_DIFFER = 0.25  # of the hand's extent: looks that are farther apart see different fingers


@dataclass(frozen=True, eq=False)
class NewSample:
    """A hand that shows the new gesture.

    Args:
        path: its picture.
        image: uint8 (height, width, 3), RGB.
        hand: the hand in it, with landmarks, as most looks see it (see `closer_look`).
        recorded: whether the picture is part of a recorded session.
        apart: how far several looks at the hand are apart (see `CloserLook`).
    """

    path: Path
    image: np.ndarray
    hand: DetectedHand
    recorded: bool
    apart: float = 0.0

    @property
    def points(self) -> np.ndarray:
        """Points (21, 2) float32, in units of the image's height."""
        assert self.hand.landmarks is not None
        return points_of(self.hand.landmarks[None], self.image.shape[1] / self.image.shape[0])[0]

    @property
    def world(self) -> np.ndarray:
        """Landmarks in space (21, 3); NaN where the picture was not looked at, but recorded with its landmarks."""
        known = self.hand.world_landmarks
        return np.full((LANDMARK_COUNT, 3), np.nan, np.float32) if known is None else known


@dataclass(frozen=True)
class _Place:
    """A picture to look at; `entry` is that of a recorded session."""

    path: Path
    entry: RecordedImage | None = None


def sessions_of_gesture(root: Path, gesture: str) -> list[Path]:
    """Recorded sessions of a gesture, the newest last."""
    names = folders_in(root) if root.is_dir() else []
    folders = [root / name for name in names if (root / name / SESSION_FILE).is_file()]
    return [folder for folder in folders if read_session(folder).gesture == gesture]


def find_samples(places: Sequence[Path], detector: Detector) -> list[NewSample]:
    """The hand of each picture; of several hands in one that nobody boxed, the largest. Others are named and left out.

    Raises:
        UserError: no picture, too many, or not one with a hand.
    """
    wanted = [place for path in places for place in _places(path)]
    if not wanted:
        raise UserError(
            f"there is no image in {_in_words(places)}; name images, or a folder of them: add.pictures=PATH"
        )
    if len(wanted) > MOST_SAMPLES:
        raise UserError(
            f"{_in_words(places)} has {len(wanted):,} images; `gestures add` takes {MOST_SAMPLES} at most. Name some "
            "of them; all of them are for `gestures retrain`, once the gesture is added"
        )
    samples = []
    for place in wanted:
        found = _look(place, detector)
        if isinstance(found, str):
            note(f"{place.path} is left out: {found}")
        else:
            samples.append(found)
            if found.apart > LOOKS_DIFFER:
                note(
                    f"{place.path}: each look sees its fingers otherwise; see whether the lines in the picture are "
                    "right, or take another one, sharp and with the whole hand in view"
                )
    if not samples:
        where = "the picture" if len(wanted) == 1 else f"any of the {len(wanted)} pictures"
        raise DataError(
            f"no hand was found in {where}; take pictures with the whole hand in view, well lit, at most three metres "
            "from the camera"
        )
    return samples


def _places(path: Path) -> Iterator[_Place]:
    if not path.is_dir():
        yield _Place(path)
    elif (path / SESSION_FILE).is_file():
        session = read_session(path)
        shown = [entry for entry in session.images if entry.gesture in (None, session.gesture)]
        yield from (_Place(path / entry.file, entry) for entry in shown)
    else:
        yield from (_Place(path / name) for name in files_below(path).images)


def _look(place: _Place, detector: Detector) -> NewSample | str:
    """The hand of a picture, or the reason why there is none."""
    try:
        image = np.ascontiguousarray(read_image(place.path))
    except UnreadableImageError as error:
        return str(error)
    hand = _hand_in(image, place.entry, detector)
    if hand is None or hand.landmarks is None:
        return WITHOUT_HAND
    looks = look_closer(image, hand, detector)
    return NewSample(place.path, image, looks.hand, place.entry is not None, looks.apart)


def _hand_in(image: np.ndarray, entry: RecordedImage | None, detector: Detector) -> DetectedHand | None:
    if entry is None:
        return max(detector.detect(image), key=lambda hand: hand.area, default=None)
    box: Box = tuple(float(side) for side in entry.box)  # type: ignore[assignment]
    if entry.landmarks is None:
        return detector.landmarks_in(image, box)
    return DetectedHand(box, 1.0, entry.hand, np.array(entry.landmarks, np.float32))


def _in_words(places: Sequence[Path]) -> str:
    return ", ".join(str(place) for place in places[:3]) + (", ..." if len(places) > 3 else "")
