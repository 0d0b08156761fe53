"""YOLO in Ultralytics' layout (read again by sources/yolo.py):

    data.yaml   images/<split>/<subject>[/session/<session>]/<file>   labels/<the same>.txt

The format has no field for subjects, so their names are folders. If any hand has landmarks it is a pose estimation set:
every line has 21 points, all 0 for a hand without landmarks. Hands without a split go to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import yaml

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.samples import LANDMARK_COUNT, SPLITS
from static_gesture_classification.sources.exports.pictures import (
    ExportedHand,
    ExportedPicture,
    FormatSettings,
    UniqueNames,
    flat,
)

YOLO_DEFAULT_SPLIT = "train"
PATTERN = r"images/[^/]+/(.+?)(?:/session/(?P<session>.+))?/[^/]+$"


class YoloFormat:
    """See `pictures.Format`."""

    lost = (
        "Lost: which hand it is, the labels as published, several people in one picture (it lies in the folder of the "
        "first), and that a sample had no split (it is in train)."
    )
    way_back = (
        "sources=[yolo]",
        "sources.yolo.root={folder}",
        f'sources.yolo.subject_pattern="{PATTERN}"',
    )

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """See `pictures.Format.place`."""
        names = UniqueNames()
        return [replace(picture, target=names.new(yolo_target(picture))) for picture in pictures]

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """See `pictures.Format.write`."""
        numbers = {gesture: number for number, gesture in enumerate(settings.gestures)}
        marked = any(hand.landmarks is not None for picture in pictures for hand in picture.hands)
        for picture in pictures:
            path = PurePosixPath("labels", *PurePosixPath(picture.target).parts[1:]).with_suffix(".txt")
            lines = [line(hand, numbers[hand.gesture], marked) for hand in picture.hands]
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_text(folder / "data.yaml", description(pictures, settings.gestures, marked))


def yolo_target(picture: ExportedPicture) -> str:
    """images, split, subject, session, file; the suffix is part of the name, so that each label file is unique."""
    first = picture.hands[0]
    session = f"session/{first.session}" if first.session not in ("", first.subject) and first.subject else ""
    stem, _, suffix = flat(picture).rpartition(".")
    name = f"{stem}.{suffix}" if suffix.lower() == "jpg" else f"{stem}_{suffix}.{suffix}"
    parts = ("images", picture.split or YOLO_DEFAULT_SPLIT, first.subject, session, name)
    return "/".join(part for part in parts if part)


def line(hand: ExportedHand, number: int, marked: bool) -> str:
    """One line of a label file."""
    x1, y1, x2, y2 = hand.box
    values = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    text = " ".join([str(number), *(f"{value:.8g}" for value in values)])
    if not marked:
        return text
    if hand.landmarks is None:
        return f"{text} {' '.join(['0'] * 3 * LANDMARK_COUNT)}"
    return f"{text} {' '.join(f'{x:.8g} {y:.8g} 2' for x, y in hand.landmarks.tolist())}"


def description(pictures: Sequence[ExportedPicture], gestures: Sequence[str], marked: bool) -> str:
    """The content of data.yaml. A mirrored hand has the same points, so `flip_idx` changes none."""
    there = {picture.split or YOLO_DEFAULT_SPLIT for picture in pictures}
    content: dict[str, object] = {split: f"images/{split}" for split in SPLITS if split in there}
    content["names"] = dict(enumerate(gestures))
    if marked:
        content |= {"kpt_shape": [LANDMARK_COUNT, 3], "flip_idx": list(range(LANDMARK_COUNT))}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
