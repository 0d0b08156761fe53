"""Hands that a detector finds in images and videos without annotations, as rows of the sample table.

The hands of each picture are stored, and stay valid while the file keeps its size and modification time. So a killed
search goes on where it was, and another checkpoint does not repeat it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from static_gesture_classification.active_learning.mining.pool_images import frame_name
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_names import is_text, printable
from static_gesture_classification.file_state import file_state
from static_gesture_classification.image_files import NOT_UTF8, has_more_frames
from static_gesture_classification.images import PIXELS_VERSION, UnreadableImageError, read_image
from static_gesture_classification.inference.frames import FolderFrames, VideoFrames, frames
from static_gesture_classification.keyed_store import KEY, KEYS, KeyedStore, digest
from static_gesture_classification.samples import LANDMARK_COUNT, SCHEMA, sample_id
from static_gesture_classification.terminal import track

FOUND_FILE = "hands.bin"
# The stored hands: those of a picture in consecutive rows, the last one under the picture's key. A picture without a
# hand has one row with hands = 0.
HAND = np.dtype([("hands", "<i4"), ("box", "<f8", (4,)), ("hand", "S8"), ("landmarks", "<f4", (2 * LANDMARK_COUNT,))])
POOL_SOURCE = "pool"  # of the rows: they belong to no dataset yet
PICTURES_PER_WRITE = 64  # pictures between two writes


@dataclass
class PictureHands:
    """The hands of one picture as (box, hand, landmarks or None), or why it could not be read."""

    image: str
    hands: list[tuple[list[float], str, list[float] | None]] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True)
class FoundHands:
    """The hands of a folder or a video.

    Args:
        samples: sample table; `gesture` and `source_label` are empty, since nobody labelled them.
        pictures: how many were searched.
        without_hand: how many of them have no hand that was found.
        unreadable: (picture, reason) of unreadable ones.
        notes: lines about files that are no pictures, and animations.
    """

    samples: pd.DataFrame
    pictures: int
    without_hand: int
    unreadable: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)


def find_hands(path: Path, make_detector: Callable[[], Detector], identity: str, cache: Path) -> FoundHands:
    """Look for hands in a folder of images (recursively), an image, or a video.

    A folder below `path` names a subject. A video, or an image directly in `path`, has no known subject: it is "" until
    a reviewer fills it in.

    Args:
        path: the folder, image or video.
        make_detector: makes a detector; each thread gets its own.
        identity: of the detector, since results depend on it.
        cache: folder of the stored results.

    Raises:
        UserError, DataError: there is no such folder or file, it holds no image, or the video cannot be read.
        OutputError: the cache cannot be written.
    """
    if not is_text(str(path)):
        raise UserError(f"{printable(str(path))}: {NOT_UTF8}")
    source = frames(path)
    place = f"{path.resolve()}\0{identity}\0{PIXELS_VERSION}"
    folder = cache / hashlib.blake2b(place.encode(), digest_size=8).hexdigest()
    known = _Known(folder)
    detectors = _Detectors(make_detector)
    try:
        if isinstance(source, VideoFrames):
            found = _in_video(source, detectors, known)
            root = path.parent
        elif isinstance(source, FolderFrames):
            found = _in_images(path, source.images, detectors, known)
            found += [PictureHands(each.name, reason=each.reason) for each in source.refused]
            source.animated = [name for name in source.images if has_more_frames(path / name)]
            root = path
        else:
            found = _in_images(path.parent, [path.name], detectors, known)
            source.animated = [path.name] if has_more_frames(path) else []
            root = path.parent
    finally:
        detectors.close()
    return _table(root, found, source.notes)


class _Detectors:
    """One detector for each thread."""

    def __init__(self, make: Callable[[], Detector]) -> None:
        self._make = make
        self._own = threading.local()
        self._all: list[Detector] = []

    def detect(self, image: np.ndarray, name: str) -> PictureHands:
        detector = getattr(self._own, "detector", None)
        if detector is None:
            detector = self._own.detector = self._make()
            self._all.append(detector)
        hands = [
            (list(hand.box), hand.hand, None if hand.landmarks is None else hand.landmarks.ravel().tolist())
            for hand in detector.detect(image)
        ]
        return PictureHands(name, hands)

    def close(self) -> None:
        for detector in self._all:
            detector.close()


class _Known:
    """The stored hands, by picture and the state of its file."""

    def __init__(self, folder: Path) -> None:
        self._store = KeyedStore(folder, {FOUND_FILE: HAND})
        keys, rows = self._store.column(KEYS), self._store.column(FOUND_FILE)
        self._found = {
            keys[last].tobytes(): [_read_hand(row) for row in rows[last + 1 - rows["hands"][last] : last + 1]]
            for last in np.flatnonzero(keys != np.void(bytes(16)))
        }

    def get(self, name: str, state: tuple[int, int]) -> PictureHands | None:
        hands = self._found.get(_key(name, state))
        return None if hands is None else PictureHands(name, hands)

    def add(self, found: Sequence[PictureHands], states: Sequence[tuple[int, int]]) -> None:
        """Store the hands; unreadable pictures are tried again next time."""
        keys: list[bytes] = []
        rows: list[tuple[Any, ...]] = []
        for each, state in zip(found, states, strict=True):
            if not each.reason:
                keys += [bytes(16)] * (len(each.hands) - 1) + [_key(each.image, state)]
                rows += [(len(each.hands), box, hand, marks or np.nan) for box, hand, marks in each.hands]
                rows += [] if each.hands else [(0, 0, "", np.nan)]
                self._found[keys[-1]] = each.hands
        self._store.add(np.array(keys, KEY), {FOUND_FILE: np.array(rows, HAND)})


def _key(name: str, state: tuple[int, int]) -> bytes:
    return digest(f"{name}\0{state}".encode())


def _read_hand(row: np.void) -> tuple[list[float], str, list[float] | None]:
    landmarks = None if np.isnan(row["landmarks"]).any() else row["landmarks"].tolist()
    return row["box"].tolist(), row["hand"].decode(), landmarks


def _in_images(root: Path, names: list[str], detectors: _Detectors, known: _Known) -> list[PictureHands]:
    def look(name: str) -> PictureHands:
        try:
            return detectors.detect(read_image(root / name), name)
        except UnreadableImageError as error:
            return PictureHands(name, reason=str(error))

    states = {name: file_state(root / name) for name in names}
    todo = [name for name in names if known.get(name, states[name]) is None]
    failed: dict[str, PictureHands] = {}
    with joblib.Parallel(n_jobs=-1, prefer="threads") as parallel:
        for block in _blocks(todo, len(todo), "images"):
            found = parallel(joblib.delayed(look)(name) for name in block)
            known.add(found, [states[name] for name in block])
            failed |= {each.image: each for each in found if each.reason}
    return [failed.get(name) or known.get(name, states[name]) or PictureHands(name) for name in names]


def _in_video(video: VideoFrames, detectors: _Detectors, known: _Known) -> list[PictureHands]:
    state = file_state(video.path)
    found = []
    with joblib.Parallel(n_jobs=-1, prefer="threads") as parallel:
        for block in _blocks(video, video.total, "frames"):
            names = [frame_name(video.path.name, frame.index) for frame in block]
            new = [row for row, name in enumerate(names) if known.get(name, state) is None]
            looked = parallel(joblib.delayed(detectors.detect)(block[row].image, names[row]) for row in new)
            known.add(looked, [state] * len(new))
            found += [known.get(name, state) or PictureHands(name) for name in names]
    return found


def _blocks(items: Any, total: int, unit: str) -> Iterator[list[Any]]:
    """Items in blocks, with progress."""
    if items == []:
        return
    block = []
    for item in track(items, "looking for hands", total, unit):
        block.append(item)
        if len(block) == PICTURES_PER_WRITE:
            yield block
            block = []
    if block:
        yield block


def _table(root: Path, found: Sequence[PictureHands], notes: list[str]) -> FoundHands:
    rows = [_row(root, each.image, number, *hand) for each in found for number, hand in enumerate(each.hands)]
    return FoundHands(
        samples=pd.DataFrame(rows, columns=SCHEMA.names),
        pictures=len(found),
        without_hand=sum(not each.hands and not each.reason for each in found),
        unreadable=[(each.image, each.reason) for each in found if each.reason],
        notes=notes,
    )


def _row(
    root: Path, image: str, number: int, box: Sequence[float], hand: str, landmarks: Sequence[float] | None
) -> dict[str, Any]:
    folder = image.rpartition("/")[0]
    return {
        "sample_id": sample_id(POOL_SOURCE, f"{root.as_posix()}/{image}", number),
        "image": image,
        "root": root.as_posix(),
        **dict(zip(("x1", "y1", "x2", "y2"), np.asarray(box, np.float32), strict=True)),
        "gesture": "",
        "source": POOL_SOURCE,
        "source_label": "",
        "subject": folder.partition("/")[0],
        "session": folder or image.partition("#")[0],
        "hand": hand,
        "landmarks": None if landmarks is None else np.asarray(landmarks, np.float32),
        "split": "",
    }
