"""HaGRID's layout (read again by sources/hagrid.py): annotations/<split>/<gesture>.json, <gesture>/<name>.<suffix>.

A picture belongs to its first gesture that is not the background. `user_id` is the subject; `leading_hand`, a field of
version 1, is the hand if all hands of a picture are left, or all right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.sources.exports.pictures import (
    ExportedPicture,
    FormatSettings,
    UniqueNames,
    by_split,
    flat,
)

BACKGROUND = ("BACKGROUND", "no_gesture")
FOLDERS = {"train": "train", "val": "val", "test": "test", "": "ann_subsample"}


class HagridFormat:
    """See `pictures.Format`."""

    lost = (
        "Lost: the session (the subject stands for it), the labels as published, which hands a picture with a left "
        "and a right one shows, and who is who in a picture of several people (they count as one more person together)."
    )
    way_back = ("sources=[hagrid]", "sources.hagrid.root={folder}")

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """See `pictures.Format.place`."""
        names = UniqueNames()
        return [
            replace(picture, target=f"{gesture_of(picture)}/{names.new(file_name(picture))}") for picture in pictures
        ]

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """See `pictures.Format.write`."""
        for split, chosen in by_split(pictures).items():
            entries: dict[str, dict[str, Any]] = {}
            for picture in chosen:
                gesture, name = PurePosixPath(picture.target).parts
                entries.setdefault(gesture, {})[name.rpartition(".")[0]] = entry(picture)
            for gesture, content in entries.items():
                write_json(folder / "annotations" / FOLDERS[split] / f"{gesture}.json", content)


def file_name(picture: ExportedPicture) -> str:
    """A name that is unique without its suffix, which annotations leave out."""
    stem, _, suffix = flat(picture).rpartition(".")
    split = f"{picture.split}_" if picture.split else ""
    return f"{split}{stem}_{suffix}.{suffix}" if suffix.lower() != "jpg" else f"{split}{stem}.{suffix}"


def gesture_of(picture: ExportedPicture) -> str:
    """The gesture whose folder and file a picture belongs to."""
    shown = [hand.gesture for hand in picture.hands]
    return next((gesture for gesture in shown if gesture not in BACKGROUND), shown[0])


def entry(picture: ExportedPicture) -> dict[str, Any]:
    """A picture's annotation."""
    hands = picture.hands
    subjects = sorted({hand.subject for hand in hands} - {""})
    content: dict[str, Any] = {
        "bboxes": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (hand.box for hand in hands)],
        "labels": [hand.gesture for hand in hands],
    }
    if subjects:
        content["user_id"] = "+".join(subjects)
    if any(hand.landmarks is not None for hand in hands):
        content["hand_landmarks"] = [[] if hand.landmarks is None else hand.landmarks.tolist() for hand in hands]
    handedness = {hand.hand for hand in hands}
    if len(handedness) == 1 and "" not in handedness:
        content |= {"leading_hand": hands[0].hand, "leading_conf": 1.0}
    return content
