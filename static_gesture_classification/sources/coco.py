"""COCO detection (https://cocodataset.org/#format-data), as COCO, Roboflow, CVAT and Label Studio write it.

    {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}, ...],
     "categories": [{"id": 1, "name": "like", "keypoints": ["wrist", ...]}, ...],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [x, y, width, height],
                      "keypoints": [x, y, v] * 21, "attributes": {"subject": "anna"}}, ...]}

Boxes are in pixels from the upper left corner. `keypoints` are the hand's landmarks if there are 21, all marked (v is
not 0); `area`, `iscrowd` and `segmentation` are ignored. Subject, session and hand come from `attributes` (as CVAT
writes them), or from fields of these names in the annotation or its image.

Any JSON below the root with images and categories is read: `annotations/instances_{train,val}2017.json`,
`{train,valid,test}/_annotations.coco.json` (Roboflow), `annotations/instances_default.json` (CVAT), `result.json`
(Label Studio). Its name or folder tells its split, unless the setting `annotations` does.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from static_gesture_classification.errors import DataError
from static_gesture_classification.places import RemotePath
from static_gesture_classification.samples import LANDMARK_COUNT, Rejected
from static_gesture_classification.sources.annotated import (
    Annotated,
    AnnotationFile,
    MarkedHand,
    PictureIndex,
    numbers,
    positive_size,
    split_in,
)
from static_gesture_classification.sources.parsing import read_any_json
from static_gesture_classification.sources.source import official_split

COCO_KEYS = (b'"images"', b'"annotations"', b'"categories"')
COCO_LISTS = ("images", "annotations", "categories")


@dataclass(kw_only=True)
class Coco(Annotated):
    """Reads COCO detection JSON.

    Args:
        annotations: file below the root -> its split (train, val, test or empty); None for all such files.
    """

    annotations: Mapping[str, str] | None = None
    layout = "COCO annotations (a .json with images, annotations and categories)"

    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """See `Annotated.files`; one piece per JSON."""
        if self.annotations is not None:
            return [self._file_with_split(name, split or "", pictures) for name, split in self.annotations.items()]
        found = [name for name in pictures.by_suffix(".json") if has_keys(self.folder / name)]
        return [[self._file(name, split_in(name))] for name in found]

    def _file_with_split(self, name: str, split: str, pictures: PictureIndex) -> list[AnnotationFile]:
        if name not in pictures.files:
            raise DataError(f"{self.root}/{name} is not there; mend sources.{self.name}.annotations")
        return [self._file(name, official_split(split, f"sources.{self.name}.annotations"))]

    def _file(self, name: str, split: str) -> AnnotationFile:
        rejected: list[Rejected] = []
        notes: list[str] = []
        return AnnotationFile(
            name, self._read_hands(name, rejected, notes), picture_folders(name), split, rejected, notes
        )

    def _read_hands(self, name: str, rejected: list[Rejected], notes: list[str]) -> Iterator[MarkedHand]:
        content = read_any_json(self.folder / name)
        if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in COCO_LISTS):
            notes.append(f"{name} is not COCO detection (it lacks images, annotations or categories) and is left out")
            return
        images = self._by_id(content["images"], name, "image", rejected)
        categories = self._by_id(content["categories"], name, "category", rejected)
        with_hands = set()
        for annotation in content["annotations"]:
            entry, problem = entry_of(annotation, images, categories)
            if problem:
                rejected.append(Rejected(self.name, name, entry, problem))
                continue
            with_hands.add(annotation["image_id"])
            yield make_hand(images[annotation["image_id"]], categories[annotation["category_id"]], annotation, entry)
        bare = len(images.keys() - with_hands)
        if bare:
            notes.append(f"{name}: {bare:,} of {len(images):,} images have no annotation")

    def _by_id(
        self, entries: list[Any], name: str, kind: str, rejected: list[Rejected]
    ) -> dict[int | str, dict[str, Any]]:
        needed = "file_name" if kind == "image" else "name"
        found: dict[int | str, dict[str, Any]] = {}
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), int | str) or needed not in entry:
                rejected.append(Rejected(self.name, name, f"{kind} {place}", f"the entry lacks id or {needed}"))
            elif entry["id"] in found and entry[needed] != found[entry["id"]][needed]:
                reason = f"its id is {found[entry['id']][needed]!r}'s too; the first is kept"
                rejected.append(Rejected(self.name, name, f"{kind} {entry['id']} ({entry[needed]})", reason))
            else:
                found.setdefault(entry["id"], entry)
        return found


def entry_of(
    annotation: Any, images: Mapping[Any, dict[str, Any]], categories: Mapping[Any, dict[str, Any]]
) -> tuple[str, str | None]:
    """The name of an annotation in reports, and why it is rejected, or None."""
    if not isinstance(annotation, dict):
        return repr(annotation)[:40], "the annotation is not an object"
    image, category = annotation.get("image_id"), annotation.get("category_id")
    entry = f"annotation {annotation.get('id', '?')}"
    if not isinstance(image, int | str) or image not in images:
        return entry, f"image_id {image!r} is in no entry of images"
    entry = f"{entry} of {images[image]['file_name']}"
    if not isinstance(category, int | str) or category not in categories:
        return entry, f"category_id {category!r} is in no entry of categories"
    return entry, None


def make_hand(image: dict[str, Any], category: dict[str, Any], annotation: dict[str, Any], entry: str) -> MarkedHand:
    """One annotation as a hand; a malformed box stays as it is and is rejected later."""
    box: object = annotation.get("bbox")
    four = numbers(box, 4)
    if four is not None:
        box = [four[0], four[1], four[0] + four[2], four[1] + four[3]]
    return MarkedHand(
        picture=str(image["file_name"]),
        label=str(category["name"]),
        box=box,
        size=positive_size(image.get("width"), image.get("height")),
        landmarks=keypoint_landmarks(annotation),
        attributes=coco_attributes(image) | coco_attributes(annotation),
        entry=entry,
    )


def coco_attributes(entry: dict[str, Any]) -> dict[str, str]:
    """The texts and numbers of `attributes`, else of the entry itself, as text."""
    extra = entry.get("attributes")
    together = entry | (extra if isinstance(extra, dict) else {})
    return {str(name): str(value) for name, value in together.items() if isinstance(value, str | int)}


def keypoint_landmarks(annotation: dict[str, Any]) -> list[float] | None:
    """x, y of 21 points in pixels; None unless there are 21, all marked."""
    points = numbers(annotation.get("keypoints"), 3 * LANDMARK_COUNT)
    if points is None or not all(points[2::3]):
        return None
    return [value for place, value in enumerate(points) if place % 3 != 2]


def picture_folders(name: str) -> list[str]:
    """Folders that may hold the pictures of an annotation file: beside it, or named by a word of its name.

    >>> picture_folders("annotations/instances_train2017.json")[-2:]
    ['train2017', 'images/train2017']
    """
    path = PurePosixPath(name)
    beside = "" if str(path.parent) == "." else str(path.parent)
    above = "" if str(path.parent.parent) == "." else str(path.parent.parent)
    named = path.stem.split("_")
    folders = [beside, f"{beside}/images", above, f"{above}/images"]
    folders += [f"{above}/{middle}{word}" for word in named for middle in ("", "images/")]
    return [folder.strip("/") for folder in folders]


def has_keys(path: Any) -> bool:
    """Whether the text of a file has COCO's keys; it is not parsed."""
    try:
        if isinstance(path, RemotePath):
            return _holds_keys(path.read_bytes())
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _holds_keys(content)
    except (OSError, ValueError):  # ValueError: it is empty
        return False


def _holds_keys(content: bytes | mmap.mmap) -> bool:
    return content.find(COCO_KEYS[0]) >= 0 and any(content.find(key) >= 0 for key in COCO_KEYS[1:])
