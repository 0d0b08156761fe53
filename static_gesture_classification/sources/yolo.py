"""YOLO, as Ultralytics (https://docs.ultralytics.com/datasets/detect/), Roboflow and Label Studio write it.

    data.yaml                 names: [like, fist]  or  {0: like, 1: fist}
                              path: .   train: images/train   val: images/val   test: [a folder, a list.txt, ...]
                              kpt_shape: [21, 3]
    images/train/a.jpg        labels/train/a.txt             Ultralytics
    train/images/a.jpg        train/labels/a.txt             Roboflow, whose data.yaml says `../train/images`
    images/a.jpg  labels/a.txt  classes.txt                  Label Studio, without splits
    obj.data  obj.names  train.txt  obj_train_data/a.{jpg,txt}    Darknet, CVAT's "YOLO 1.1"

A line of a label file is a box, `class cx cy width height`, or a polygon, `class x1 y1 x2 y2 x3 y3 ...`, which becomes
the box around it, or with `kpt_shape` a box and then `x y [v]` of each point. All are shares of the upright picture's
width and height. 21 points, all marked, are the hand's landmarks. The path of a label file is its picture's, with
`labels` for the last `images`; else it lies beside the picture. Only the picture's path can hold the subject: set
`subject_pattern`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from static_gesture_classification.errors import DataError
from static_gesture_classification.samples import LANDMARK_COUNT, Rejected
from static_gesture_classification.sources.annotated import (
    IMAGE_NOT_FOUND,
    IN_SHARES,
    Annotated,
    AnnotationFile,
    LeftOut,
    MarkedHand,
    PictureIndex,
    around,
)
from static_gesture_classification.sources.source import is_image

DESCRIPTIONS = ("data.yaml", "data.yml", "dataset.yaml")
CLASS_LISTS = ("classes.txt", "obj.names")
DARKNET = "obj.data"
SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
BOX_COLUMNS = 5


@dataclass(frozen=True)
class Description:
    """The content of data.yaml: class names by number, places of each split's pictures, points per hand."""

    file: str
    names: Mapping[int, str]
    splits: Mapping[str, Sequence[str]]
    base: str = ""
    points: tuple[int, int] = (0, 0)  # number of points, and numbers per point


@dataclass
class LabelLine:
    """One line of a label file, or its `problem`."""

    label: int = -1
    box: tuple[float, ...] = ()
    landmarks: list[float] | None = None
    problem: str | None = None


@dataclass(kw_only=True)
class Yolo(Annotated):
    """Reads YOLO's label files.

    Args:
        data: the description below the root; None for `data.yaml`, else the only .yaml there, else `classes.txt`.
    """

    data: str | None = None
    layout = "YOLO description (data.yaml, or classes.txt beside images/ and labels/)"

    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """See `Annotated.files`; a piece for each split."""
        description = self._description(pictures)
        if description is None:
            return []
        found: dict[str, list[str]] = {}
        missing = []
        for split, places in description.splits.items():
            for place in places:
                images = self._images(place, description, pictures)
                if images is None:
                    missing.append(f"{split}: {place}")
                else:
                    found.setdefault(split, []).extend(images)
        if not found:
            raise DataError(
                f"{self.root}/{description.file}: no pictures where it says they are ({', '.join(missing)}); mend it"
            )
        first = LeftOut(
            rejected=self._without_picture({image for images in found.values() for image in images}, pictures),
            notes=[f"{description.file}: {place} is not there and is left out" for place in missing],
        )
        counted = [first, *(LeftOut() for _ in range(len(found) - 1))]
        return [
            [self._split(split, sorted(set(images)), description, pictures, count)]
            for (split, images), count in zip(found.items(), counted, strict=True)
        ]

    def _description(self, pictures: PictureIndex) -> Description | None:
        here = [path for path in pictures.by_suffix(".yaml", ".yml") if "/" not in path]
        usual = [name for name in DESCRIPTIONS if name in here]
        chosen = [self.data] if self.data is not None else usual[:1] or here
        if len(chosen) > 1:
            raise DataError(
                f"source {self.name}: {self.root} has {', '.join(chosen)}; say which with sources.{self.name}.data"
            )
        if chosen:
            return self._read_description(chosen[0])
        for name in CLASS_LISTS:
            if name in pictures.files:
                lines = (self.folder / name).read_text(encoding="utf-8-sig", errors="replace").splitlines()
                names = dict(enumerate(line.strip() for line in lines if line.strip()))
                whole = {"": ["images" if (self.folder / "images").is_dir() else "."]}
                return Description(name, names, self._darknet_splits(pictures) or whole)
        return None

    def _darknet_splits(self, pictures: PictureIndex) -> dict[str, list[str]]:
        """Split -> lists, from the lines `train = data/train.txt` of Darknet's obj.data; none without it."""
        if DARKNET not in pictures.files:
            return {}
        text = (self.folder / DARKNET).read_text(encoding="utf-8-sig", errors="replace")
        pairs = (line.partition("=") for line in text.splitlines())
        return splits_in({key.strip(): place.strip() for key, _, place in pairs}, {})

    def _read_description(self, file: str) -> Description:
        where = f"{self.root}/{file}"
        try:
            content = yaml.safe_load((self.folder / file).read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise DataError(f"{where} is not there; mend sources.{self.name}.data") from None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DataError(f"{where} is not readable YAML ({' '.join(str(error).split())}); mend it") from error
        if not isinstance(content, dict) or "names" not in content:
            raise DataError(f"{where} has no names of classes; add them: names: [like, fist]")
        return Description(
            file,
            class_names(content["names"], where),
            splits_in(content, {"": ["images"]}),
            str(content.get("path") or ""),
            keypoint_shape(content.get("kpt_shape"), where),
        )

    def _images(self, place: str, description: Description, pictures: PictureIndex) -> list[str] | None:
        """Pictures of a folder or a list, as paths below the root; None if it is missing."""
        path = self._resolve(place, description)
        if path is None:
            return None
        if path.is_dir():
            folder = self._below_root(path, place, description)
            inside = f"{folder}/" if folder else ""
            return [found for found in pictures.files.values() if found.startswith(inside) and is_image(found)]
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        beside = self._below_root(path.parent, place, description)
        named = [line.strip().replace("\\", "/") for line in lines if line.strip()]
        # Ultralytics: `./` is the folder of the list. Missing pictures are reported later.
        return [pictures.find(name, (beside,))[0] or name.removeprefix("./") for name in named]

    def _resolve(self, place: str, description: Description) -> Path | None:
        """Find a folder or list of data.yaml, by Ultralytics' rules.

        `path` is relative to data.yaml; `../` is Roboflow's `./`; the first folders of another machine's path
        (/content/hands/train/images) are dropped.
        """
        here = self.folder / PurePosixPath(description.file).parent
        place = place.replace("\\", "/")
        for base in (here / description.base, here):
            for name in (place, place.removeprefix("../")):
                if (base / name).exists():
                    return base / name
        parts = [part for part in PurePosixPath(place).parts if part not in ("..", "/")]
        tails = (here.joinpath(*parts[start:]) for start in range(1, len(parts)))
        return next((tail for tail in tails if tail.exists()), None)

    def _below_root(self, path: Path, place: str, description: Description) -> str:
        try:
            below = path.resolve().relative_to(self.folder.resolve()).as_posix()
        except ValueError:
            raise DataError(
                f"{self.root}/{description.file}: {place} leads out of {self.root}; set sources.{self.name}.root to a "
                f"folder that holds both, and sources.{self.name}.data to the file's path below it"
            ) from None
        return "" if below == "." else below

    def _without_picture(self, images: set[str], pictures: PictureIndex) -> list[Rejected]:
        """Label files in `labels` without a picture."""
        expected = {label_file(image) for image in images}
        folders = {path.rpartition("/")[0] for path in expected if "labels" in path.split("/")}
        alone = [
            path
            for path in pictures.by_suffix(".txt")
            if path.rpartition("/")[0] in folders and path not in expected and not path.endswith(CLASS_LISTS)
        ]
        return [Rejected(self.name, path, "the whole file", "image not found") for path in alone]

    def _split(
        self, split: str, images: Sequence[str], description: Description, pictures: PictureIndex, count: LeftOut
    ) -> AnnotationFile:
        hands = self._read_hands(images, description, pictures, count)
        return AnnotationFile(description.file, hands, split=split, rejected=count.rejected, notes=count.notes)

    def _read_hands(
        self, images: Sequence[str], description: Description, pictures: PictureIndex, count: LeftOut
    ) -> Iterator[MarkedHand]:
        without = 0
        for image in images:
            labels = label_file(image)
            if image not in pictures.paths:
                count.rejected.append(Rejected(self.name, description.file, image, IMAGE_NOT_FOUND))
            elif labels in pictures.paths:
                yield from self._hands(image, labels, description, count)
            else:
                without += 1
        if without:
            count.notes.append(f"{without:,} of {len(images):,} images have no label file: no hands in them")

    def _hands(self, image: str, labels: str, description: Description, count: LeftOut) -> Iterator[MarkedHand]:
        text = (self.folder / labels).read_text(encoding="utf-8-sig", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            row = parse_line(line, description.points)
            entry = f"{labels} line {number}"
            if row.problem is None and row.label not in description.names:
                row.problem = f"class {row.label} is not in names (0 to {max(description.names, default=0)})"
            if row.problem is not None:
                count.rejected.append(Rejected(self.name, labels, f"line {number}", row.problem))
                continue
            yield MarkedHand(
                image, description.names[row.label], row.box, IN_SHARES, landmarks=row.landmarks, entry=entry
            )


def label_file(image: str) -> str:
    """The label file of a picture: its path with `labels` for the last `images`, else beside it.

    >>> label_file("train/images/a.jpg"), label_file("images/anna/images/a.jpg"), label_file("a.b.png")
    ('train/labels/a.txt', 'images/anna/labels/a.txt', 'a.b.txt')
    """
    return "/labels/".join(f"/{image}".rsplit("/images/", 1)).lstrip("/").rpartition(".")[0] + ".txt"


def parse_line(line: str, points: tuple[int, int]) -> LabelLine:
    """Parse a line of a label file; `points`: number of points of the description, and numbers per point."""
    parts = line.split()
    try:
        numbers = [float(part) for part in parts]
        label = int(numbers[0])
    except (ValueError, OverflowError):
        return LabelLine(problem=f"it is not made of numbers: {line.strip()[:60]!r}")
    if label != numbers[0] or label < 0:
        return LabelLine(problem=f"its class is {parts[0]!r}; classes are counted 0, 1, 2, ...")
    count, each = points
    if len(numbers) == BOX_COLUMNS:
        return LabelLine(label, box_corners(numbers[1:]))
    if count and len(numbers) == BOX_COLUMNS + count * each:
        return LabelLine(label, box_corners(numbers[1:BOX_COLUMNS]), line_landmarks(numbers[BOX_COLUMNS:], count, each))
    if len(numbers) >= 7 and len(numbers) % 2:
        return LabelLine(label, around(list(zip(numbers[1::2], numbers[2::2], strict=True))))
    kinds = f"a box has {BOX_COLUMNS}, a polygon 7 or more, an odd number"
    if count:
        kinds += f", a hand with the points of kpt_shape {BOX_COLUMNS + count * each}"
    return LabelLine(problem=f"it has {len(numbers)} numbers; {kinds}")


def box_corners(box: Sequence[float]) -> tuple[float, ...]:
    """x1, y1, x2, y2 of centre and size."""
    x, y, width, height = box
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def line_landmarks(numbers: Sequence[float], count: int, each: int) -> list[float] | None:
    """x, y of 21 points; None for another number, or if one is not marked (v is 0; without v: both are 0)."""
    points = [numbers[start : start + each] for start in range(0, len(numbers), each)]
    marked = all(point[2] > 0 if each == 3 else any(point) for point in points)
    return [value for point in points for value in point[:2]] if count == LANDMARK_COUNT and marked else None


def class_names(names: Any, where: str) -> dict[int, str]:
    """Class names by number, from a list or a mapping. Raises `DataError` for a name that is no text or number."""
    try:
        pairs = dict(enumerate(names)) if isinstance(names, list) else {int(key): name for key, name in names.items()}
    except (AttributeError, TypeError, ValueError):
        raise DataError(f"{where}: names is neither a list nor number: name; mend it") from None
    for number, name in pairs.items():
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            raise DataError(f"{where}: the name of class {number} reads as {name!r}; put it in quotes")
    return {number: str(name) for number, name in pairs.items()}


def splits_in(content: Mapping[str, Any], usual: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Split -> folders and lists in the description; `usual` if there are none."""
    found: dict[str, list[str]] = {}
    for key, split in SPLIT_KEYS.items():
        places = content.get(key)
        if places:
            found.setdefault(split, []).extend(map(str, places) if isinstance(places, list) else [str(places)])
    return found or dict(usual)


def keypoint_shape(shape: Any, where: str) -> tuple[int, int]:
    """`kpt_shape`: points per hand, and 2 or 3 numbers per point; 0, 0 without."""
    if shape is None:
        return 0, 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape) and shape[1] in (2, 3)):
        raise DataError(f"{where}: kpt_shape is {shape!r}; it must be [points, 2] or [points, 3]")
    return shape[0], shape[1]
