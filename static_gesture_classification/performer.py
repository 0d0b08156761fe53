"""The walkthrough's camera: frames of a video by gesture, or drawn hands."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from typing_extensions import TypedDict

from static_gesture_classification.file_data import read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.frames import frames
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import BOX, image_path
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from static_gesture_classification.sources.selection import Sources

PERFORMER = "performer"
LEAST_FRAMES = 10


@dataclass(frozen=True)
class Shot:
    """A picture of a gesture: where it is, and the hand's box (x1, y1, x2, y2, normalised)."""

    image: Path
    box: tuple[float, ...]


class ShownHand(TypedDict):
    """A hand in a frame: its label, its box in pixels."""

    gesture: str
    bbox: tuple[float, float, float, float]


class ShownFrame(TypedDict):
    """A frame's number, from 0, and its hands."""

    frame: int
    hands: list[ShownHand]


def frames_by_gesture(video: Path, truth: Path, folder: Path, vocabulary: Vocabulary) -> dict[str, list[Shot]]:
    """Frames of a video that show one hand each, by gesture, saved as JPEG.

    Args:
        video: the video.
        truth: JSON, a list of {"frame": number, "hands": [{"gesture": label, "bbox": [x1, y1, x2, y2] in pixels}]};
            a label is a gesture's name in any case.
        folder: where frames are saved.
        vocabulary: other labels are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = read_json(truth, list[ShownFrame], "it lists the hands of each frame: mend it")
    shown = {entry["frame"]: entry["hands"] for entry in entries}
    shots: dict[str, list[Shot]] = {}
    for frame in frames(video):
        hands = shown.get(frame.index, [])
        gesture = hands[0]["gesture"].upper() if len(hands) == 1 else ""
        if gesture in vocabulary:
            path = folder / f"{frame.index:06d}.jpg"
            if not path.is_file():
                Image.fromarray(frame.image).save(path, quality=95)
            height, width = frame.image.shape[:2]
            box = tuple(value / size for value, size in zip(hands[0]["bbox"], (width, height) * 2, strict=True))
            shots.setdefault(gesture, []).append(Shot(path, tuple(min(max(value, 0.0), 1.0) for value in box)))
    return {gesture: found for gesture, found in shots.items() if len(found) >= LEAST_FRAMES}


def group_by_gesture(sources: Sources, vocabulary: Vocabulary) -> dict[str, list[Shot]]:
    """Drawn hands by gesture."""
    samples, _ = read_sources(sources, vocabulary)
    shots: dict[str, list[Shot]] = {}
    for row in samples.to_dict("records"):
        box = tuple(float(row[name]) for name in BOX)
        shots.setdefault(row["gesture"], []).append(Shot(image_path(row["root"], row["image"]), box))
    return {gesture: found for gesture, found in shots.items() if len(found) >= LEAST_FRAMES}


def write_held_out(folder: Path, gesture: str, shots: Sequence[Shot]) -> None:
    """Write a recorded session of val with these pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for shot in shots:
        shutil.copy2(shot.image, folder / shot.image.name)
        images.append(RecordedImage(shot.image.name, shot.box))
    write_session(folder, Session(gesture, subject=PERFORMER, camera="video", split="val", images=tuple(images)))
