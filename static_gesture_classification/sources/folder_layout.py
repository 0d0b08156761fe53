"""The layout of a folder of images: folders of splits above the labels, or an export for another source."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from static_gesture_classification.sources.source import files_in, folders_in

# Words for splits in names of folders and files, in tables and in formats.
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
ANNOTATION_FOLDERS = ("annotations", "labels", "images")
BEGINNING = 4096  # bytes at the beginning of a file that tell its format
LOOKED_AT = 20  # files of a kind in a folder


@dataclass(frozen=True)
class LabelFolder:
    """A folder of one label's images, relative to the root, and its official split, or ""."""

    label: str
    path: str
    split: str = ""


def split_of_word(name: str) -> str:
    """The split that a word or folder name means, or ""."""
    return SPLIT_WORDS.get(name.strip().casefold(), "")


def label_folders(root: Path, labels: Sequence[str]) -> list[LabelFolder]:
    """The folders of the first level, or of the second where the first names a split and holds folders.

    Args:
        root: of the images.
        labels: names that are labels even if they mean a split.
    """
    found = []
    for name in folders_in(root):
        split = "" if name in labels else split_of_word(name)
        below = folders_in(root / name) if split else []
        if below:
            found += [LabelFolder(label, f"{name}/{label}", split) for label in below]
        else:
            found.append(LabelFolder(name, name))
    return found


def foreign_export(root: Path) -> str | None:
    """A description of the tool's export in a folder, with the source that reads it; None for folders of images."""
    for place in places(root):
        for found in (_yolo(place), _coco(place), _voc(place), _other_layouts(place)):
            if found:
                return found
    return None


def places(root: Path) -> Iterator[Path]:
    """The folders that may hold an export's files: the root, its folders, and those below a split."""
    yield root
    for name in folders_in(root):
        yield root / name
        if split_of_word(name) or name.casefold() in ANNOTATION_FOLDERS:
            yield from (root / name / below for below in folders_in(root / name))


def _yolo(place: Path) -> str | None:
    words = "a YOLO export ({}); read it with sources=[yolo] and sources.yolo.root"
    names = files_in(place)
    if {"images", "labels"} <= {name.casefold() for name in folders_in(place)}:
        return words.format(f"images/ and labels/ in {place.name}/")
    for name in names:
        if name.endswith((".yaml", ".yml")) and b"names" in _beginning(place / name):
            return words.format(name)
    pairs = [name for name in _of_kind(names, ".txt") if _is_yolo(_beginning(place / name))]
    return words.format(f"boxes in {place.name}/{pairs[0]}") if pairs else None


def _coco(place: Path) -> str | None:
    for name in _of_kind(files_in(place), ".json"):
        content = _beginning(place / name)
        if b'"categories"' in content or (b'"images"' in content and b'"annotations"' in (place / name).read_bytes()):
            return f"a COCO export ({place.name}/{name}); read it with sources=[coco] and sources.coco.root"
        if b'"bboxes"' in content and b'"labels"' in content:
            return (
                f"HaGRID's annotations ({place.name}/{name}); read them with sources=[hagrid] and sources.hagrid.root"
            )
        if b'"rectanglelabels"' in content:
            return (
                f"a Label Studio export ({place.name}/{name}); read it with sources=[label_studio] and "
                "sources.label_studio.root"
            )
    return None


def _voc(place: Path) -> str | None:
    for name in _of_kind(files_in(place), ".xml"):
        content = _beginning(place / name)
        if b"<annotations>" in content:
            return f"a CVAT export ({place.name}/{name}); read it with sources=[cvat] and sources.cvat.root"
        if b"<annotation" in content:
            return f"a Pascal VOC export ({place.name}/{name}); read it with sources=[voc] and sources.voc.root"
    return None


def _other_layouts(place: Path) -> str | None:
    names = files_in(place)
    if "session.json" in names:
        return (
            f"a recorded session ({place.name}/session.json); read it with sources=[recorded] and sources.recorded.root"
        )
    table = f"{place.name}.txt"
    if table in names and _beginning(place / table).lstrip(codecs.BOM_UTF8).startswith(b"rgb"):
        return f"the HANDS dataset ({place.name}.txt); read it with sources=[hands] and sources.hands.root"
    return None


def _of_kind(names: Iterable[str], suffix: str) -> list[str]:
    return [name for name in names if name.lower().endswith(suffix)][:LOOKED_AT]


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING)
    except OSError:
        return b""


def _is_yolo(content: bytes) -> bool:
    """Whether the first line is a class number and four or more shares."""
    parts = content.split(b"\n", 1)[0].split()
    if len(parts) < 5 or not parts[0].isdigit():
        return False
    try:
        return all(0 <= float(part) <= 1 for part in parts[1:5])
    except ValueError:
        return False
