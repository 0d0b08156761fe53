"""Label Studio's exports (https://labelstud.io/guide/export): JSON and JSON-MIN, with the pictures below the root.

    [{"id": 1, "data": {"image": "/data/upload/1/abcd1234-a.jpg", "subject": "anna"},
      "annotations": [{"was_cancelled": false, "ground_truth": false, "updated_at": "...", "result": [
        {"id": "x1", "from_name": "label", "type": "rectanglelabels", "original_width": 600, "original_height": 400,
         "image_rotation": 0,
         "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["like"]}},
        {"id": "x1", "from_name": "hand", "type": "choices", "value": {"choices": ["left"]}},
        {"id": "x2", "from_name": "choice", "type": "choices", "value": {"choices": ["like"]}}]}]}, ...]

    [{"id": 1, "image": "/data/upload/1/abcd1234-a.jpg", "label": [{"x": 10, ..., "rectanglelabels": ["like"]}],
      "choice": "like", "annotator": 1, "annotation_id": 5, "updated_at": "..."}, ...]                   JSON-MIN

Boxes are in percent of the picture; `rotation` turns a box clockwise about its upper left corner. A turned box or a
polygon becomes the box around it. `image_rotation` is only the view of the annotator; versions before 1.0 turned the
boxes too, and exchanged width and height. Without a shape, a choice labels the whole picture. Subject, session and hand
come from a region's choice or a field of `data` with the name `subject`, `session` or `hand`. Of several annotations of
a task the ground truth counts, else the latest one.

A picture's path is the text after `?d=`, `/data/` or the server's name. It is also tried without the eight characters
that uploads get before their names.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from static_gesture_classification.samples import Rejected
from static_gesture_classification.sources.annotated import (
    IN_PERCENT,
    Annotated,
    AnnotationFile,
    LeftOut,
    MarkedHand,
    PictureIndex,
    around,
    numbers,
    positive_size,
    same_shape,
    split_in,
)
from static_gesture_classification.sources.image_size import frame_size
from static_gesture_classification.sources.parsing import read_any_json
from static_gesture_classification.sources.source import is_image

STUDIO_SHAPES = ("rectanglelabels", "polygonlabels")
OTHER_STUDIO_SHAPES = ("brushlabels", "ellipselabels", "keypointlabels", "vectorlabels", "bitmasklabels")
WHOLE_PICTURE = [0.0, 0.0, 100.0, 100.0]
UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
SIDEWAYS = (90, 270)
START = 65_536  # bytes


@dataclass
class Task:
    """One picture with its results (shapes and choices) in the form of the JSON export."""

    entry: str
    data: Mapping[str, Any]
    results: list[dict[str, Any]]
    updated: str = ""


@dataclass(kw_only=True)
class LabelStudio(Annotated):
    """Reads Label Studio's JSON and JSON-MIN.

    Args:
        image: the field of a task's data with the picture; None for `image`, else the first with a picture.
        choice: the choice that labels a whole picture; None for any that is no attribute.
    """

    image: str | None = None
    choice: str | None = None
    layout = "Label Studio export (a .json with a list of tasks)"

    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """See `Annotated.files`; one piece per JSON."""
        return [[self._file(name, pictures)] for name in pictures.by_suffix(".json") if is_list(self.folder / name)]

    def _file(self, name: str, pictures: PictureIndex) -> AnnotationFile:
        counted = LeftOut()
        beside = name.rpartition("/")[0]
        near = (beside, f"{beside}/images".lstrip("/"))
        hands = self._read_hands(name, near, pictures, counted)
        return AnnotationFile(name, hands, near, split_in(name), rejected=counted.rejected, notes=counted.notes)

    def _read_hands(
        self, name: str, near: Sequence[str], pictures: PictureIndex, counted: LeftOut
    ) -> Iterator[MarkedHand]:
        content = read_any_json(self.folder / name)
        entries = content if isinstance(content, list) else [content]
        for task in self._tasks(entries, name, counted):
            named = self._picture(task)
            if named is None:
                counted.rejected.append(Rejected(self.name, name, task.entry, "its data names no picture"))
                continue
            names = picture_names(named)
            paths = (pictures.find(name, near)[0] for name in names)
            yield from self._hands(task, next((path for path in paths if path is not None), names[0]), counted)
        counted.notes += [f"{name}: {count:,} {what}" for what, count in counted.counts.items()]

    def _tasks(self, entries: Sequence[Any], name: str, counted: LeftOut) -> Iterator[Task]:
        latest: dict[str, Task] = {}
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict):
                counted.rejected.append(Rejected(self.name, name, f"entry {place}", "it is not a task"))
                continue
            task = f"task {entry.get('id', place)}"
            if "annotations" in entry or "completions" in entry:
                yield from full_task(task, entry, counted)
            else:
                short = self._short_task(task, entry)
                if task in latest:
                    counted.counts["annotations of tasks that have a later one are left out"] += 1
                if task not in latest or short.updated >= latest[task].updated:
                    latest[task] = short
        yield from latest.values()

    def _short_task(self, entry: str, content: dict[str, Any]) -> Task:
        """A task of JSON-MIN, with its fields as results."""
        results = []
        for key, value in content.items():
            drawn = value if isinstance(value, list) else [value]
            for number, shape in enumerate(drawn):
                if isinstance(shape, dict):
                    results.append(shape_result(key, f"{key} {number}", shape))
            if isinstance(value, str) and self._is_choice(key, value):
                results.append({"from_name": key, "type": "choices", "value": {"choices": [value]}})
        return Task(entry, content, results, str(content.get("updated_at") or ""))

    def _is_choice(self, key: str, value: str) -> bool:
        """Whether a text of JSON-MIN is a choice, not data, by the configured name or those of the templates."""
        return key == self.choice if self.choice else key in ("choice", "choices", "label", "gesture")

    def _picture(self, task: Task) -> str | None:
        fields = [self.image] if self.image else ["image", *task.data]
        candidates = (task.data.get(name) for name in fields if name)
        return next((text for text in candidates if isinstance(text, str) and names_picture(text)), None)

    def _hands(self, task: Task, picture: str, counted: LeftOut) -> Iterator[MarkedHand]:
        regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for place, result in enumerate(task.results):
            if isinstance(result, dict) and isinstance(result.get("value"), dict):
                regions[str(result.get("id") or place)].append(result)
        attributes = {key: str(value) for key, value in task.data.items() if isinstance(value, str | int)}
        shapes = {
            key for key, results in regions.items() if any(shape_kind(result) in STUDIO_SHAPES for result in results)
        }
        for key in regions.keys() - shapes:
            attributes |= choices_in(regions[key])
        for number, key in enumerate(key for key in regions if key in shapes):
            entry = f"{task.entry} region {number}"
            for result in (result for result in regions[key] if shape_kind(result) in STUDIO_SHAPES):
                marked = read_drawn_hand(result, picture, attributes | choices_in(regions[key]), entry)
                yield self._undo_turn(marked, result.get("image_rotation"))
        if not shapes:
            yield from self._whole(task, picture, regions, attributes, counted)
        others = sum(shape_kind(result) in OTHER_STUDIO_SHAPES for results in regions.values() for result in results)
        if others:
            counted.counts["regions that are neither boxes nor polygons are left out"] += others

    def _undo_turn(self, marked: MarkedHand, rotation: object) -> MarkedHand:
        """Turn a box back that a version before 1.0 turned with the annotator's view."""
        if rotation not in SIDEWAYS or marked.size is None or marked.box is None:
            return marked
        actual = frame_size(self.folder / marked.picture)
        if isinstance(actual, str) or same_shape(marked.size, actual) or not same_shape(marked.size[::-1], actual):
            return marked
        return replace(marked, box=turn_back(marked.box, rotation), size=marked.size[::-1])

    def _whole(
        self,
        task: Task,
        picture: str,
        regions: Mapping[str, list[dict[str, Any]]],
        attributes: Mapping[str, str],
        counted: LeftOut,
    ) -> Iterator[MarkedHand]:
        """The hand of a picture without shapes, labelled by its choice."""
        labels = {name: label for results in regions.values() for name, label in choices_in(results).items()}
        wanted = [
            label
            for name, label in labels.items()
            if (name == self.choice if self.choice else name not in self.attributes.values())
        ]
        if not wanted:
            counted.counts["tasks have neither a box nor a choice and are left out"] += 1
        for label in wanted[:1]:
            problem = f"several labels were chosen for it: {', '.join(wanted)}" if len(wanted) > 1 else None
            yield MarkedHand(
                picture, label, WHOLE_PICTURE, IN_PERCENT, attributes=attributes, entry=task.entry, problem=problem
            )


def full_task(entry: str, content: dict[str, Any], counted: LeftOut) -> Iterator[Task]:
    """A task of JSON with the annotation that counts; versions before 1.0 have `completions`."""
    given = content.get("annotations") or content.get("completions") or []
    usable = [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
    if not usable:
        counted.counts["tasks have no annotation and are left out"] += 1
        return
    if len(usable) > 1:
        counted.counts["tasks were annotated more than once; the ground truth or else the latest counts"] += 1
    best = max(usable, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")))
    data = content.get("data")
    yield Task(entry, data if isinstance(data, dict) else {}, list(best.get("result") or []))


def shape_result(name: str, number: str, shape: dict[str, Any]) -> dict[str, Any]:
    """A region of JSON-MIN as a result of JSON."""
    kind = next((kind for kind in (*STUDIO_SHAPES, *OTHER_STUDIO_SHAPES, "choices") if kind in shape), "")
    sizes = {key: shape.get(key) for key in ("original_width", "original_height", "image_rotation")}
    return {"id": f"{name} {number}", "from_name": name, "type": kind, "value": shape, **sizes}


def shape_kind(result: Mapping[str, Any]) -> str:
    """`rectanglelabels`, `choices`, ...: a key of the value, since `type` may be a control's name."""
    kinds = (*STUDIO_SHAPES, *OTHER_STUDIO_SHAPES)
    return next((kind for kind in kinds if kind in result["value"]), str(result.get("type") or "").lower())


def choices_in(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The choices and texts of a region: name of the control -> text."""
    found: dict[str, str] = {}
    for result in results:
        texts = result["value"].get("choices") or result["value"].get("text")
        texts = [texts] if isinstance(texts, str) else texts
        if isinstance(texts, list) and texts:
            found[str(result.get("from_name"))] = ", ".join(map(str, texts))
    return found


def read_drawn_hand(result: Mapping[str, Any], picture: str, attributes: Mapping[str, str], entry: str) -> MarkedHand:
    """A rectangle or polygon as a hand."""
    kind, value = shape_kind(result), result["value"]
    labels = value.get(kind)
    labels = [str(label) for label in labels] if isinstance(labels, list) else []
    size = positive_size(result.get("original_width"), result.get("original_height"))
    points = rectangle_corners(value, size) if kind == "rectanglelabels" else polygon(value)
    problem = None
    if len(labels) > 1:
        problem = f"it has {len(labels)} labels: {', '.join(labels)}"
    elif points is None:
        problem = f"its {kind.removesuffix('labels')} is not made of numbers: {str(value)[:80]}"
    box = list(around(points)) if points else None
    return MarkedHand(picture, labels[0] if labels else "", box, IN_PERCENT, size, None, attributes, entry, problem)


def rectangle_corners(value: Mapping[str, Any], size: tuple[float, float] | None) -> list[tuple[float, float]] | None:
    """The corners in percent of a rectangle that is turned about its upper left one; None where it has no numbers."""
    box = numbers([value.get(name) for name in ("x", "y", "width", "height")])
    turn = value.get("rotation") or 0
    if box is None or not isinstance(turn, int | float):
        return None
    x, y, width, height = box
    wide, high = size or (1.0, 1.0)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    offsets = [(dx * width * wide, dy * height * high) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]  # in pixels
    return [(x + (dx * cos - dy * sin) / wide, y + (dx * sin + dy * cos) / high) for dx, dy in offsets]


def polygon(value: Mapping[str, Any]) -> list[tuple[float, float]] | None:
    """The points of a polygon in percent; None unless they are pairs of numbers."""
    points = value.get("points")
    pairs = [numbers(point, 2) for point in points] if isinstance(points, list) else []
    known = [(pair[0], pair[1]) for pair in pairs if pair is not None]
    return known if known and len(known) == len(pairs) else None


def turn_back(box: Any, rotation: object) -> list[float]:
    """A box in percent of the picture, from one of the picture turned clockwise by 90 or 270 degrees."""
    x1, y1, x2, y2 = box
    return [y1, 100 - x2, y2, 100 - x1] if rotation == 90 else [100 - y2, x1, 100 - y1, x2]


def names_picture(text: str) -> bool:
    """Whether a text of a task's data is a picture's path or address."""
    return is_image(picture_names(text)[0])


def picture_names(text: str) -> list[str]:
    """Possible names of a picture on disk, the likeliest first.

    >>> picture_names("/data/upload/1/0a1b2c3d-my_hand.jpg")
    ['upload/1/0a1b2c3d-my_hand.jpg', '0a1b2c3d-my_hand.jpg', 'my_hand.jpg']
    >>> picture_names("/data/local-files/?d=hands%2Flike/1.jpg")
    ['hands/like/1.jpg', '1.jpg']
    """
    address = urlsplit(text.replace("\\", "/"))
    local = parse_qs(address.query).get("d")
    path = local[0] if local else unquote(address.path)
    path = path.lstrip("/").removeprefix("data/")
    name = path.rpartition("/")[2]
    return list(dict.fromkeys([path, name, UPLOAD.sub("", name)]))


def is_list(path: Path) -> bool:
    """Whether a JSON file begins as a list of objects, or as one task with its annotations."""
    try:
        with path.open("rb") as file:
            start = file.read(START).removeprefix(b"\xef\xbb\xbf").split()
    except OSError:
        return False
    return b"".join(start[:2]).startswith((b"[{", b"[]")) or b'"data":' in b"".join(start)
