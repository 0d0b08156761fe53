"""Hands of people in photographs, as the recorder would see them: found, cut out, with landmarks; computed once.

The finder is the one that ships (conf/detector), and what it found is kept by its settings and code.

Read from ../shared/data: hagrid_mini, hands_mini, recorded_legacy (hands in published boxes), hagrid_people,
more_people and other_hands (whole photographs; the largest hand that is found counts). A second call of `read_hands`
takes a second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import BOX, to_frame
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import track

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
DATA = SHARED / "data"
HAND = 112  # pixels of a kept hand's longer side at most; sharpness is measured at 96
SURROUNDINGS = 0.5  # kept around the hand, as the recorder does
THUMBS = "the man of the thumbs"
THUMBS_SUBJECTS = ("hagrid/4f2d745a7f993a57023d0ad1d07b1c07", "hagrid/92ce70d4cb6d142bac5810b030b866b2")
FRAMES_MAN = "the man of the webcam frames"
FRAMES_ROOMS = {  # his rooms: the webcam frames of hagrid_mini and hands_mini show one man
    "dd64": "hagrid/dd64a3f535d34aa6f8b9d5fd3f1169a9",
    "af17": "hagrid/af1779ad72dfa3e569baeeeaa42fbac6",
    "b3d5": "hagrid/b3d5f81866984da245ccfe93fccdacee",
    "e1b0": "hagrid/e1b0452d237c47a75e6f1320a889fe75",
    "15cd": "hagrid/15cdd8a0648b5e78fa7c76e2e9213587",
    "facf": "hagrid/facfa168653f155861a9b92a60bef405",
    "8e97": "hagrid/8e97582119568ef5e04ad65557c85c94",
    **{f"S{number}": f"hands/hands/Subject{number}" for number in range(1, 6)},
}
MORE = {"five": "FIVE", "fist": "FIST", "four": "FOUR", "one": "ONE", "three": "THREE", "two": "TWO"}
MORE |= {"okay": "OKAY", "thumbs_up": "THUMBS_UP", "thumbs_down": "THUMBS_DOWN"}


@dataclass(frozen=True)
class PeopleHands:
    """n hands in which landmarks were found.

    Args:
        vocabulary: the gestures.
        gesture: class index (n,).
        person, room: names (n,); the room is the person's where only one is known.
        points: float32 (n, 21, 2), as classifiers take them.
        images: n pieces of photographs, uint8 (height, width, 3) RGB, the hand with its surroundings.
        hands: where the hand is in its piece.
        looked_at: photographs, also those without a hand.
    """

    vocabulary: Vocabulary
    gesture: np.ndarray
    person: np.ndarray
    room: np.ndarray
    points: np.ndarray
    images: list[np.ndarray]
    hands: list[DetectedHand]
    looked_at: int

    def __len__(self) -> int:
        return len(self.gesture)


def composed(*overrides: str) -> DictConfig:
    """The project's configuration with the data of ../shared."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [f"detector.model.path={SHARED}/models/hand_landmarker.task", *overrides])


def folder_of_finder(cache: Path) -> Path:
    """The folder in `cache` for what depends on the hand finder: another one has another folder."""
    with Detector.from_config(composed()) as detector:
        return cache / detector.identity()


def read_hands(cache: Path) -> PeopleHands:
    """The hands of all people, found once and kept in a folder, which is one finder's (`folder_of_finder`)."""
    config = composed(*_sources())
    vocabulary = Vocabulary.from_config(config)
    samples = pd.concat([_published(config, vocabulary), _more_people(vocabulary)], ignore_index=True)
    file = cache / "people_hands.npz"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, **_find(config, samples))  # type: ignore[arg-type]
    stored = dict(np.load(file))
    assert (stored["sample"] == samples["sample_id"].to_numpy(str)).all(), f"{file} is of other photographs; delete it"
    return _as_hands(vocabulary, samples, stored)


def _as_hands(vocabulary: Vocabulary, samples: pd.DataFrame, stored: dict[str, np.ndarray]) -> PeopleHands:
    found = np.flatnonzero(stored["found"])
    ends = np.cumsum(stored["sizes"].prod(axis=1) * 3)
    pieces = np.split(stored["pixels"], ends[:-1])
    hands = [DetectedHand(tuple(box.tolist()), 1.0, "", landmarks) for box, landmarks in zip(
        stored["boxes"][found], stored["landmarks"][found], strict=True)]  # fmt: skip
    room = np.where(samples["subject"] == "", samples["source"], samples["source"] + "/" + samples["subject"])[found]
    room = np.array(room, object).astype(str)
    person = room.copy()
    person[np.isin(room, list(FRAMES_ROOMS.values()))] = FRAMES_MAN
    legacy = (samples["source"] == "recorded_legacy").to_numpy()[found]
    person[legacy | np.isin(room, THUMBS_SUBJECTS)] = THUMBS
    return PeopleHands(
        vocabulary,
        np.array(vocabulary.indices(samples["gesture"].to_numpy()[found].tolist()), np.int64),
        person,
        room,
        stored["points"][found],
        [pieces[row].reshape(*stored["sizes"][row], 3) for row in found],
        hands,
        len(samples),
    )


def _sources() -> list[str]:
    places = {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}
    places["folder"] = "hagrid_people"
    roots = [f"sources.{name}.root={DATA}/{folder}" for name, folder in places.items()]
    return [f"sources=[{','.join(places)}]", *roots]


def _published(config: DictConfig, vocabulary: Vocabulary) -> pd.DataFrame:
    batches = [batch for source in Sources.from_config(config) for batch in source.read(vocabulary)]
    table = pd.concat([to_frame(batch.table) for batch in batches], ignore_index=True)
    return table.assign(whole=table["source"] == "folder")[[*_COLUMNS]]


_COLUMNS = ("sample_id", "source", "subject", "gesture", "root", "image", *BOX, "whole")


def _more_people(vocabulary: Vocabulary) -> pd.DataFrame:
    """The photographs of more_people and other_hands; labels that are none of the gestures are the background."""

    def rows() -> Iterator[tuple[object, ...]]:
        with (DATA / "more_hands.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                gesture = MORE[row["label"]] if row["kind"] == "people" else vocabulary.background
                yield (row["file"], "more", row["person"], gesture, str(DATA), row["file"], 0.0, 0.0, 1.0, 1.0, True)

    return pd.DataFrame(rows(), columns=list(_COLUMNS))


def _find(config: DictConfig, samples: pd.DataFrame) -> dict[str, np.ndarray]:
    """Arrays over all samples: whether a hand was found, its points; over the found and others alike, pieces."""
    count = len(samples)
    points, landmarks = np.full((count, 21, 2), np.nan, np.float32), np.zeros((count, 21, 2), np.float32)
    boxes, sizes, pixels = np.zeros((count, 4), np.float64), np.zeros((count, 2), np.int64), []
    published = samples[list(BOX)].to_numpy(np.float64)
    with Detector.from_config(config) as detector:
        rows = zip(samples["root"], samples["image"], samples["whole"], strict=True)
        for row, (root, name, whole) in enumerate(track(rows, "hands", count)):
            image = np.ascontiguousarray(read_image(Path(root) / name))
            found = detector.detect(image) if whole else [detector.landmarks_in(image, tuple(published[row].tolist()))]
            hand = max(filter(None, found), key=_area, default=None)
            if hand is None or hand.landmarks is None:
                continue
            points[row] = points_of(hand.landmarks[None], image.shape[1] / image.shape[0])[0]
            box = hand.box if whole else tuple(published[row].tolist())
            piece, boxes[row], landmarks[row] = _cut(image, box, hand.landmarks)
            sizes[row] = piece.shape[:2]
            pixels.append(piece.ravel())
    return {
        "sample": samples["sample_id"].to_numpy(str),
        "found": np.asarray(np.isfinite(points).all(axis=(1, 2))),
        "points": points,
        "landmarks": landmarks,
        "boxes": boxes,
        "sizes": sizes,
        "pixels": np.concatenate(pixels),
    }


def _cut(
    image: np.ndarray, box: tuple[float, ...], landmarks: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...], np.ndarray]:
    """The hand with its surroundings, at most HAND pixels long; its box and landmarks in the piece."""
    from static_gesture_classification.opencv import cv2

    scale = np.array([image.shape[1], image.shape[0]], np.float64)
    first, last = np.array(box[:2]) * scale, np.array(box[2:]) * scale
    side = float((last - first).max())
    low = np.floor(np.maximum(first - SURROUNDINGS * side, 0)).astype(int)
    high = np.ceil(np.minimum(last + SURROUNDINGS * side, scale)).astype(int)
    piece = image[low[1] : high[1], low[0] : high[0]]
    extent = (high - low).astype(np.float64)
    inside = tuple(np.concatenate([(first - low) / extent, (last - low) / extent]).tolist())
    moved = ((landmarks * scale - low) / extent).astype(np.float32)
    if side > HAND:
        smaller = HAND / side
        piece = cv2.resize(np.ascontiguousarray(piece), None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(piece), inside, moved


def _area(hand: DetectedHand) -> float:
    x1, y1, x2, y2 = hand.box
    return (x2 - x1) * (y2 - y1)
