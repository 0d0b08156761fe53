"""HaGRID, versions 1 and 2, and other datasets in their layout, such as the synthetic hands.

Annotations are one JSON per gesture and split: image name without suffix -> entry
(https://github.com/hukenovs/hagrid, "Annotations"):

    {"<uuid>": {"bboxes": [[x, y, w, h], ...], "labels": ["like", "no_gesture"], "user_id": "...",
                "hand_landmarks": [[[x, y] * 21], ...] or null}}

all normalised to the image. Version 1 calls the landmarks `landmarks`, may leave them empty, and adds `leading_hand`,
the hand that shows the gesture. Annotations lie in `annotations/{train,val,test}` (version 2) or in `ann_train_val`,
`ann_test`, `ann_subsample`, with or without `annotations/` before them (version 1). Images lie in one folder per
gesture, at most three levels down, as the archives unpack: `like/`, `train_val_like/`, `train_val/like/`,
`hagridv2_512/like/`, ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from static_gesture_classification.arrays import Doubles, Singles
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_names import is_text
from static_gesture_classification.image_files import NOT_UTF8, is_hidden, is_image
from static_gesture_classification.places import names_in
from static_gesture_classification.samples import LANDMARK_COUNT, Rejected
from static_gesture_classification.sources.parsing import read_any_json
from static_gesture_classification.sources.source import Hands, Piece, Source, files_in, folders_in

# Folder of annotations -> official split. Version 1 has no val; its subsample has no split at all.
SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "test": "test",
    "ann_train_val": "train",
    "ann_test": "test",
    "ann_subsample": "",
}
HAGRID_ANNOTATIONS = ("annotations", "hagrid_annotations", "")
IMAGE_FOLDER_PREFIXES = ("train_val_", "train_", "val_", "test_")
IMAGE_DEPTH = 3
FREE_HAND = "no_gesture"  # the label of a second hand that shows none
BOX_MARGIN = 0.1  # of a box's side: annotators' boxes cut off fingertips
SURELY_INSIDE = 0.9  # share of a set's points in a box, from which the set belongs to it
MOSTLY_INSIDE = 0.5
OWN_PLACE_BONUS = 0.01
OTHER_HAND = {"left": "right", "right": "left"}

# With two processes, all of HaGRID v2 takes about 1.2 GB of memory. Reading a small set takes less time than starting a
# process.
WORKERS = 2
BYTES_IN_PARALLEL = 100_000_000  # bytes of annotations

HagridEntry = dict[str, Any]


@dataclass(frozen=True)
class GestureFiles:
    """A gesture's annotation files, (official split, file), and image folders, relative to the root."""

    name: str
    files: list[tuple[str, str]]
    folders: list[str]


@dataclass(kw_only=True)
class Hagrid(Source):
    """Reads HaGRID's annotations, one file at a time.

    A gesture without an image folder is left out with a note: most users download only a few gestures. The subject is
    HaGRID's user id, because versions 1 and 2 share subjects.

    Args:
        require_images: false keeps hands without an image too, for training on landmarks alone.
    """

    require_images: bool = True

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one per gesture, so that its images are listed once."""
        return [partial(self._gesture_hands, gesture) for gesture in self._gestures()]

    def workers(self, pieces: Sequence[Piece]) -> int:
        """Two processes for a large set, each with one file at a time."""
        size = sum((self.folder / file).stat().st_size for _, _, file in self._annotation_files())
        return min(WORKERS, os.cpu_count() or 1) if size > BYTES_IN_PARALLEL else 1

    def paths_to_watch(self) -> Iterator[str]:
        """The annotations and the folders of images: a folder's time changes when an image comes or goes."""
        for gesture in self._gestures():
            yield from (str(self.folder / place) for place in (*(file for _, file in gesture.files), *gesture.folders))

    def _gesture_hands(self, gesture: GestureFiles) -> Iterator[Hands]:
        if self.require_images and not gesture.folders:
            note = f"{gesture.name}: no folder of images, its annotations are left out"
            yield Hands.of(gesture.files[0][1], [], [note])
            return
        images, beside = self._images(gesture)
        if beside.passed_over or beside.not_images:
            yield beside
        for split, file in gesture.files:
            yield self._read(gesture.name, split, file, images)

    def _gestures(self) -> list[GestureFiles]:
        annotations = self._annotation_files()
        folders = self._image_folders({gesture for gesture, _, _ in annotations})
        return [
            GestureFiles(gesture, [(split, file) for _, split, file in files], folders.get(gesture, []))
            for gesture, files in groupby(annotations, key=itemgetter(0))
        ]

    def _annotation_files(self) -> list[tuple[str, str, str]]:
        found = []
        for base in HAGRID_ANNOTATIONS:
            for folder, split in SPLIT_FOLDERS.items():
                place = f"{base}/{folder}" if base else folder
                names = (name for name in files_in(self.folder / place) if name.endswith(".json"))
                found += [(name.removesuffix(".json"), split, f"{place}/{name}") for name in names]
        if not found:
            raise DataError(
                f"source {self.name}: no HaGRID annotations in "
                f"{self.root}/annotations/{{train,val,test}}/<gesture>.json; "
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        order = list(SPLIT_FOLDERS.values())
        return sorted(found, key=lambda entry: (entry[0], order.index(entry[1]), entry[2]))

    def _image_folders(self, gestures: set[str]) -> dict[str, list[str]]:
        """Gesture -> its image folders, relative to the root."""
        found: dict[str, list[str]] = {}
        level = [""]
        for _ in range(IMAGE_DEPTH):
            below = []
            for parent in level:
                for name in folders_in(self.folder / parent):
                    path = f"{parent}/{name}" if parent else name
                    gesture = gesture_of_folder(name, gestures)
                    if gesture is not None:
                        found.setdefault(gesture, []).append(path)
                    elif name not in HAGRID_ANNOTATIONS:
                        below.append(path)
            level = below
        return found

    def _images(self, gesture: GestureFiles) -> tuple[dict[str, str], Hands]:
        """Image name without suffix -> path relative to the root (the first folder wins), and all other files."""
        images: dict[str, str] = {}
        beside = Hands.of(gesture.name, [])
        for folder in gesture.folders:
            for name in sorted(names_in(self.folder / folder)):
                path = f"{folder}/{name}"
                if not is_text(name):
                    beside.passed_over.append(Rejected(self.name, path, path, NOT_UTF8))
                elif is_image(name):
                    images.setdefault(name.rpartition(".")[0], path)
                elif "." in name and not is_hidden(name):
                    beside.not_images.append(path)
        return images, beside

    def _read(self, gesture: str, split: str, file: str, images: dict[str, str]) -> Hands:
        entries = self._parse(file)
        rejected: list[Rejected] = []
        problems: dict[int, str] = {}
        try:
            counts, labels, box = boxes_of(entries)
        except (TypeError, ValueError, KeyError):
            entries, rejected, problems = self._without_malformed(entries, file)
            counts, labels, box = boxes_of(entries)
        row_entry = np.repeat(np.arange(len(entries)), counts)
        names = list(entries)
        found: list[str | None] = [images.get(name) for name in names]
        if not self.require_images:
            found = [image or f"{gesture}/{name}.jpg" for image, name in zip(found, names, strict=True)]
        users = [str(entry.get("user_id") or "") for entry in entries.values()]
        subjects = [users[index] for index in row_entry]
        landmarks, astray = landmarks_of(entries, counts, box)
        note = f"{file}: {astray:,} sets of landmarks lie in none of their image's boxes and are left out"
        sessions = [user or f"{self.name}/{names[index]}" for user, index in zip(subjects, row_entry, strict=True)]
        return Hands(
            file=file,
            name=[names[index] for index in row_entry],
            image=[found[index] for index in row_entry],
            number=(np.arange(len(row_entry)) - np.repeat(np.cumsum(counts) - counts, counts)).tolist(),
            label=labels,
            box=box,
            subject=subjects,
            session=sessions,
            hand=leading_hands(entries, labels, row_entry),
            split=[split] * len(row_entry),
            landmarks=landmarks,
            problems=problems,
            rejected=rejected,
            notes=[note] if astray else [],
        )

    def _parse(self, file: str) -> dict[str, HagridEntry]:
        way_out = f"fetch it again ({self.how_to_get}) or delete it"
        entries = read_any_json(self.folder / file, way_out)
        if not isinstance(entries, dict):
            raise DataError(f"{self.folder / file} does not map image names to hands; {way_out}")
        return entries

    def _without_malformed(
        self, entries: dict[str, HagridEntry], file: str
    ) -> tuple[dict[str, HagridEntry], list[Rejected], dict[int, str]]:
        """The usable entries of a file with malformed ones, the rejected entries, and problems of single hands."""
        kept: dict[str, HagridEntry] = {}
        rejected: list[Rejected] = []
        problems: dict[int, str] = {}
        rows = 0
        for name, entry in entries.items():
            problem = entry_problem(entry)
            if problem:
                rejected.append(Rejected(self.name, file, name, problem))
                continue
            boxes = []
            for number, box in enumerate(entry["bboxes"]):
                usable = is_box(box)
                boxes.append(box if usable else [np.nan] * 4)
                if not usable:
                    problems[rows + number] = f"box is not made of four numbers: {box!r}"
            kept[name] = entry | {"bboxes": boxes}
            rows += len(boxes)
        return kept, rejected, problems


def gesture_of_folder(name: str, gestures: set[str]) -> str | None:
    """The gesture whose images a folder of this name holds, or None."""
    plain = name.replace(" ", "_")
    candidates = [plain, *(plain.removeprefix(prefix) for prefix in IMAGE_FOLDER_PREFIXES)]
    return next((candidate for candidate in candidates if candidate in gestures), None)


def boxes_of(entries: dict[str, HagridEntry]) -> tuple[npt.NDArray[np.intp], list[str], Doubles]:
    """Hands per entry, all labels, all boxes as (n, 4) x1, y1, x2, y2.

    Raises:
        TypeError, ValueError, KeyError: any entry is malformed.
    """
    boxes = [entry["bboxes"] for entry in entries.values()]
    labels = [entry["labels"] for entry in entries.values()]
    counts = np.fromiter(map(len, boxes), np.intp, len(boxes))
    all_labels = list(chain.from_iterable(labels))
    if counts.tolist() != list(map(len, labels)) or not all(type(label) is str for label in all_labels):
        raise ValueError("labels and boxes do not match")
    if set(map(type, labels)) - {list} or set(map(len, chain.from_iterable(boxes))) - {4}:
        raise ValueError("a box does not have four numbers")
    numbers = list(chain.from_iterable(chain.from_iterable(boxes)))
    if set(map(type, numbers)) - {float, int}:
        raise ValueError("a box is not made of numbers")
    x, y, width, height = np.array(numbers, np.float64).reshape(-1, 4).T
    return counts, all_labels, np.stack([x, y, x + width, y + height], axis=1)


def landmarks_of(
    entries: dict[str, HagridEntry], counts: npt.NDArray[np.intp], box: Doubles
) -> tuple[Singles | None, int]:
    """Landmarks of all hands, each set assigned to the box around its points.

    The files list boxes and sets independently: if a set is missing, the next ones move up.

    Args:
        entries: of a file, in its order.
        counts: boxes per entry.
        box: (n, 4) all boxes, x1, y1, x2, y2 normalised.

    Returns:
        (n, 42) float32, NaN for hands without 21 landmarks, or None where no entry has any; and the number of sets
        without a box of their own.
    """
    marks = [entry.get("hand_landmarks") or entry.get("landmarks") or () for entry in entries.values()]
    if not any(marks):
        return None, 0
    total, starts = int(counts.sum()), np.cumsum(counts) - counts
    in_order: list[Any] = [None] * total
    for start, count, points in zip(starts.tolist(), counts.tolist(), marks, strict=True):
        in_order[start : start + min(count, len(points))] = points[:count]
    result = _sets(in_order)
    astray = np.isfinite(result[:, 0]) & (share_inside(result, box) < SURELY_INSIDE)
    row_entry = np.repeat(np.arange(len(counts)), counts)
    doubtful = set(row_entry[astray].tolist())
    doubtful |= {index for index, (count, points) in enumerate(zip(counts, marks, strict=True)) if len(points) > count}
    left_out = 0
    for index in sorted(doubtful):
        rows = slice(int(starts[index]), int(starts[index] + counts[index]))
        found = _sets(list(marks[index]))
        result[rows] = match_to_boxes(found, box[rows])
        left_out += int(np.isfinite(found[:, 0]).sum() - np.isfinite(result[rows, 0]).sum())
    return result, left_out


def _sets(hands: list[Any]) -> Singles:
    """(n, 42) from n sets of points, NaN for sets other than 21 points of two numbers."""
    rows = [row for row, points in enumerate(hands) if points]
    result = np.full((len(hands), 2 * LANDMARK_COUNT), np.nan, np.float32)
    try:
        result[rows] = flatten_points([hands[row] for row in rows])
    except (TypeError, ValueError):
        for row in rows:
            try:
                result[row] = flatten_points([hands[row]])[0]
            except (TypeError, ValueError):
                continue  # no usable landmarks; the hand itself is fine
    return result


def share_inside(sets: Singles, box: Doubles) -> Doubles:
    """Share of each set's points in its box, which is enlarged a little.

    Args:
        sets: (..., 42) normalised; NaN is inside nothing.
        box: (..., 4) x1, y1, x2, y2.

    Returns:
        (...) 0..1.
    """
    points = sets.reshape(*sets.shape[:-1], LANDMARK_COUNT, 2)
    low, high = box[..., None, :2], box[..., None, 2:]
    margin = BOX_MARGIN * (high - low)
    inside = np.asarray(((points >= low - margin) & (points <= high + margin)).all(axis=-1))
    return inside.mean(axis=-1)


def match_to_boxes(sets: Singles, box: Doubles) -> Singles:
    """The sets of one image in the order of its boxes: (boxes, 42), NaN for a box without a set.

    A set belongs to the box that holds at least half of its points and covers it best; each box has one set. Between
    equal boxes, the set's position in the list decides.
    """
    result = np.full((len(box), 2 * LANDMARK_COUNT), np.nan, np.float32)
    share = share_inside(sets[:, None], box[None])
    fit = np.where(share >= MOSTLY_INSIDE, share + set_overlap(sets, box), 0.0)
    own_place = np.arange(len(sets))[:, None] == np.arange(len(box))[None]
    for row, column in zip(
        *linear_sum_assignment(fit + OWN_PLACE_BONUS * (own_place & (fit > 0)), maximize=True), strict=True
    ):
        if fit[row, column] > 0:
            result[column] = sets[row]
    return result


def set_overlap(sets: Singles, box: Doubles) -> Doubles:
    """(sets, boxes) intersection over union of the sets' bounds and the boxes; 0 for a missing set."""
    points = sets.reshape(len(sets), 1, LANDMARK_COUNT, 2)
    low, high = points.min(axis=2), points.max(axis=2)
    shared = np.clip(np.minimum(high, box[None, :, 2:]) - np.maximum(low, box[None, :, :2]), 0, None).prod(axis=-1)
    areas = (high - low).prod(axis=-1) + (box[None, :, 2:] - box[None, :, :2]).prod(axis=-1)
    return np.nan_to_num(shared / np.maximum(areas - shared, 1e-9))


def flatten_points(hands: list[list[list[float]]]) -> Singles:
    """(n, 42) from n hands of 21 points. Raises `ValueError` or `TypeError` for another shape."""
    if set(map(len, hands)) - {LANDMARK_COUNT} or set(map(len, chain.from_iterable(hands))) - {2}:
        raise ValueError("a hand does not have 21 points of two coordinates")
    numbers = chain.from_iterable(chain.from_iterable(hands))
    return np.fromiter(numbers, np.float32, len(hands) * 2 * LANDMARK_COUNT).reshape(-1, 2 * LANDMARK_COUNT)


def leading_hands(entries: dict[str, HagridEntry], labels: list[str], row_entry: npt.NDArray[np.intp]) -> list[str]:
    """Handedness ("left", "right" or "") of each hand, from version 1's `leading_hand`, the one with the gesture."""
    leading = [entry.get("leading_hand") for entry in entries.values()]
    if not any(leading):
        return [""] * len(labels)
    known = [hand if hand in OTHER_HAND else "" for hand in leading]
    return [
        OTHER_HAND.get(known[index], "") if label == FREE_HAND else known[index]
        for index, label in zip(row_entry.tolist(), labels, strict=True)
    ]


def entry_problem(entry: object) -> str | None:
    """Why an annotation entry is unusable, or None."""
    if not isinstance(entry, dict):
        return "entry is not an object"
    boxes, labels = entry.get("bboxes"), entry.get("labels")
    if not isinstance(boxes, list) or not isinstance(labels, list):
        return "entry lacks bboxes or labels"
    if len(boxes) != len(labels):
        return f"{len(boxes)} boxes but {len(labels)} labels"
    if not all(isinstance(label, str) for label in labels):
        return f"a label is not text: {labels!r}"
    return None


def is_box(box: object) -> bool:
    """Whether `box` is a list of four numbers (NaN is one)."""
    return isinstance(box, list) and len(box) == 4 and all(type(value) in (int, float) for value in box)
