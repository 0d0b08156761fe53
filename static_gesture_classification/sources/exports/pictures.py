"""The pictures of an export: their hands, their targets, and how to write them upright.

A picture with an EXIF orientation is saved anew and upright, so that its boxes fit in tools that ignore EXIF. All
others are copied byte by byte, or linked.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from pydantic import Field

from static_gesture_classification.arrays import Singles
from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.images import UnreadableImageError, decode, read_bytes, read_header
from static_gesture_classification.samples import LANDMARK_COUNT, Rejected, subject_name
from static_gesture_classification.settings import Settings

EXPORT_QUALITY = 95
LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')  # in file names of some systems


@dataclass(frozen=True)
class ExportedHand:
    """One hand: `box` is x1, y1, x2, y2 normalised, `landmarks` (21, 2) normalised or None; unknown texts are ""."""

    gesture: str
    box: tuple[float, float, float, float]
    subject: str
    session: str
    hand: str
    source_label: str
    landmarks: Singles | None


@dataclass(frozen=True)
class ExportedPicture:
    """A picture and its hands.

    Args:
        path: of the picture.
        source, image: the source's name, and the path below its root.
        split: train, val, test or empty.
        hands: at least one.
        target: path relative to the export; a format sets it.
        size: width and height of the written picture, in pixels.
        cut: whether to cut the one hand out, with `margin` around it.
    """

    path: Path
    source: str
    image: str
    split: str
    hands: tuple[ExportedHand, ...]
    target: str = ""
    size: tuple[int, int] = (0, 0)
    cut: bool = False
    margin: float = 0.0


class FormatSettings(Settings):
    """Settings of a format's files.

    Args:
        gestures: the vocabulary, in class order.
        cut: for formats of one hand per picture: cut hands out instead of copying whole pictures.
        margin: around a cut hand, as a share of its box's longer side, on each side.
        landmarks: whether to write them.
    """

    gestures: tuple[str, ...]
    cut: bool = True
    margin: float = Field(0.0, ge=0)
    landmarks: bool = True


class Format(Protocol):
    """A format to export to: places pictures, then writes what belongs to them."""

    @property
    def lost(self) -> str:
        """A sentence about the fields that the format lacks."""

    @property
    def way_back(self) -> Sequence[str]:
        """Overrides to read it again; `{folder}` is the export."""

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """The pictures with unique `target`s; a picture with two hands may become two."""

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """Write all files but the pictures, which are in `folder` already."""


class UniqueNames:
    """Unique names for any file system, also for those that ignore case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """The name `wanted`, with its forward slashes, and with a number if it is taken."""
        plain = "/".join(clean_part(part) for part in wanted.split("/") if part not in ("", ".", ".."))
        stem, suffix = os.path.splitext(plain)  # noqa: PTH122  a path's text, not a file
        name, number = plain, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._taken.add(name.casefold())
        return name


def clean_part(part: str) -> str:
    """A part of a path without forbidden characters, at most 120 long."""
    plain = FORBIDDEN.sub("_", part).strip(" ").rstrip(".") or "_"
    stem, suffix = os.path.splitext(plain)  # noqa: PTH122
    return stem[: 120 - len(suffix)] + suffix


def group_by_picture(samples: pd.DataFrame, landmarks: bool = True) -> list[ExportedPicture]:
    """The pictures of a sample table, in its order; a picture with hands in two splits becomes two."""
    groups: dict[tuple[str, str, str, str], list[ExportedHand]] = {}
    for row in samples.to_dict("records"):
        points = row["landmarks"] if landmarks else None
        hand = ExportedHand(
            gesture=row["gesture"],
            box=(float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"])),
            subject=subject_name(row["source"], row["subject"]),
            session=subject_name(row["source"], row["session"]),
            hand=row["hand"],
            source_label=row["source_label"],
            landmarks=None if points is None else np.asarray(points, np.float32).reshape(LANDMARK_COUNT, 2),
        )
        groups.setdefault((row["root"], row["image"], row["source"], row["split"]), []).append(hand)
    return [
        ExportedPicture(Path(root).expanduser() / image, source, image, split, tuple(hands))
        for (root, image, source, split), hands in groups.items()
    ]


def below(picture: ExportedPicture, folder: str) -> str:
    """The target of a picture in formats that keep folders: its source's name and path, below `folder`."""
    return "/".join(part for part in (folder, picture.source, picture.image) if part)


def flat(picture: ExportedPicture) -> str:
    """A file name with the picture's source and folders in it."""
    return f"{picture.source}_{picture.image}".replace("/", "_")


def put(
    pictures: Sequence[ExportedPicture], folder: Path, link: bool, rejected: list[Rejected]
) -> Iterator[ExportedPicture | None]:
    """Write each picture below `folder` and yield it with its final name and size, or None if it is unreadable."""
    for picture in pictures:
        try:
            yield _put(picture, folder, link)
        except UnreadableImageError as error:
            rejected.append(Rejected(picture.source, str(picture.path), picture.image, str(error)))
            yield None


def _put(picture: ExportedPicture, folder: Path, link: bool) -> ExportedPicture:
    data = read_bytes(picture.path)
    header = read_header(data)
    target = folder / picture.target
    with explain_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not picture.cut and header.orientation == 1:
            _copy(picture.path, data, target, link)
            return replace(picture, size=(header.width, header.height))
        pixels = decode(data, header)
        if picture.cut:
            pixels = cut_with_margin(pixels, picture.hands[0].box, picture.margin)
        return replace(picture, target=_save(pixels, picture.target, folder), size=pixels.shape[1::-1])


def _copy(source: Path, data: bytes, target: Path, link: bool) -> None:
    if link:
        try:
            os.link(source.resolve(), target)
            return
        except OSError:  # another file system, or one without links
            pass
    target.write_bytes(data)
    shutil.copystat(source, target)


def _save(pixels: npt.NDArray[np.uint8], target: str, folder: Path) -> str:
    """Save pixels as JPEG or PNG; returns the name with its suffix."""
    suffix = PurePosixPath(target).suffix.lower()
    name = target
    if suffix not in (".jpg", ".jpeg", ".png"):
        name += ".png" if suffix in LOSSLESS else ".jpg"
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if name.lower().endswith(".png"):
        image.save(folder / name)
    else:
        image.save(folder / name, format="JPEG", quality=EXPORT_QUALITY, subsampling=0)
    return name


def cut_with_margin(pixels: npt.NDArray[np.uint8], box: Sequence[float], margin: float) -> npt.NDArray[np.uint8]:
    """A hand's box with a margin (a share of its longer side) around it, cut at the picture's border."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (value * (width, height)[axis % 2] for axis, value in enumerate(box))
    around = margin * max(x2 - x1, y2 - y1)
    left, top = max(0, round(x1 - around)), max(0, round(y1 - around))
    right, bottom = min(width, round(x2 + around)), min(height, round(y2 + around))
    return pixels[min(top, height - 1) : max(bottom, top + 1), min(left, width - 1) : max(right, left + 1)]


def by_split(pictures: Sequence[ExportedPicture]) -> Mapping[str, list[ExportedPicture]]:
    """Split -> its pictures, in the order train, val, test, none."""
    found: dict[str, list[ExportedPicture]] = {}
    for split in ("train", "val", "test", ""):
        chosen = [picture for picture in pictures if picture.split == split]
        if chosen:
            found[split] = chosen
    return found
