"""COCO detection with keypoints, laid out as CVAT and COCO do (read again by sources/coco.py):

    annotations/instances_{train,val,test,default}.json    images/{train,val,test,default}/<source>/<image>

`attributes` of each annotation hold the fields that COCO lacks: subject, session, hand, source_label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.samples import LANDMARK_COUNT
from static_gesture_classification.sources.exports.pictures import (
    ExportedHand,
    ExportedPicture,
    FormatSettings,
    UniqueNames,
    below,
    by_split,
)

COCO_DEFAULT_SPLIT = "default"
# MediaPipe's order and names; the bones between them, counted from 1 as COCO does.
COCO_JOINTS = {
    "thumb": ("cmc", "mcp", "ip", "tip"),
    **dict.fromkeys(("index", "middle", "ring", "pinky"), ("mcp", "pip", "dip", "tip")),
}
COCO_POINTS = ["wrist", *(f"{finger}_{joint}" for finger, joints in COCO_JOINTS.items() for joint in joints)]
COCO_BONES = [
    [1 if joint == 0 else base + joint - 1, base + joint] for base in (2, 6, 10, 14, 18) for joint in range(4)
]


class CocoFormat:
    """See `pictures.Format`."""

    lost = "Nothing is lost."
    way_back = ("sources=[coco]", "sources.coco.root={folder}")

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """See `pictures.Format.place`."""
        names = UniqueNames()
        return [
            replace(picture, target=names.new(below(picture, f"images/{picture.split or COCO_DEFAULT_SPLIT}")))
            for picture in pictures
        ]

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """See `pictures.Format.write`."""
        numbers = {gesture: number for number, gesture in enumerate(settings.gestures, start=1)}
        marked = any(hand.landmarks is not None for picture in pictures for hand in picture.hands)
        for split, chosen in by_split(pictures).items():
            name = split or COCO_DEFAULT_SPLIT
            write_json(
                folder / "annotations" / f"instances_{name}.json",
                {
                    "info": {"description": f"hands, {name}", "version": "1.0"},
                    "licenses": [],
                    "images": [image_entry(picture, number, name) for number, picture in enumerate(chosen, start=1)],
                    "annotations": annotation_entries(chosen, numbers, marked),
                    "categories": [category(gesture, number, marked) for gesture, number in numbers.items()],
                },
            )


def image_entry(picture: ExportedPicture, number: int, split: str) -> dict[str, Any]:
    """An entry of `images`; its name is relative to the split's folder, as in COCO."""
    name = PurePosixPath(picture.target).relative_to(f"images/{split}").as_posix()
    return {"id": number, "file_name": name, "width": picture.size[0], "height": picture.size[1]}


def annotation_entries(
    pictures: Sequence[ExportedPicture], categories: dict[str, int], marked: bool
) -> list[dict[str, Any]]:
    """The entries of `annotations`, in pixels of the written pictures; `marked`: with keypoints."""
    hands = [(number, picture, hand) for number, picture in enumerate(pictures, start=1) for hand in picture.hands]
    return [
        annotation(hand, picture.size, marked)
        | {"id": place, "image_id": number, "category_id": categories[hand.gesture]}
        for place, (number, picture, hand) in enumerate(hands, start=1)
    ]


def annotation(hand: ExportedHand, size: tuple[int, int], marked: bool) -> dict[str, Any]:
    """A hand's box, area, attributes and keypoints, which are all 0 without landmarks."""
    width, height = size
    x1, y1, x2, y2 = (round(value * (width, height)[axis % 2], 3) for axis, value in enumerate(hand.box))
    box = [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)]
    texts = {name: getattr(hand, name) for name in ("subject", "session", "hand", "source_label")}
    entry: dict[str, Any] = {
        "bbox": box,
        "area": round(box[2] * box[3], 3),
        "segmentation": [],
        "iscrowd": 0,
        "attributes": {name: text for name, text in texts.items() if text},
    }
    if marked:
        points = [] if hand.landmarks is None else hand.landmarks.tolist()
        entry["keypoints"] = [value for x, y in points for value in (round(x * width, 3), round(y * height, 3), 2)]
        entry["keypoints"] = entry["keypoints"] or [0] * 3 * LANDMARK_COUNT
        entry["num_keypoints"] = len(points)
    return entry


def category(gesture: str, number: int, marked: bool) -> dict[str, Any]:
    """An entry of `categories`."""
    points = {"keypoints": COCO_POINTS, "skeleton": COCO_BONES} if marked else {}
    return {"id": number, "name": gesture, "supercategory": "hand"} | points
