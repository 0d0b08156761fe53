"""A folder per label, which is what most people have.

    <label>/<image>                  who it is, is not known, unless `subject_pattern` finds it in the name
    <label>/<subject>/.../<image>    the folder below the label names the subject, the innermost one the session
    boxes.csv                        image, x1, y1, x2, y2 [, label, subject, session, hand, split]; optional

The whole image is the box, unless boxes.csv lists it; an image listed twice has two hands. `image` is the path below
the root. Coordinates are pixels if any in the file is above 2, else shares of the width and height. With a `label`
column images may lie anywhere below the root; without, the first folder of their path is the label.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.image_size import file_problem, frame_size, in_shares
from static_gesture_classification.sources.source import (
    Hand,
    Hands,
    Piece,
    Source,
    folders_in,
    is_image,
    official_split,
)
from static_gesture_classification.sources.subjects import subject_regex, told_by_path

WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)
COORDINATES = ("x1", "y1", "x2", "y2")
OPTIONAL = ("label", "subject", "session", "hand", "split")
PIXELS_ABOVE = 2.0


@dataclass(kw_only=True)
class Folder(Source):
    """Reads folders of images and an optional CSV of boxes.

    An image of which neither folder nor CSV nor pattern tells the subject counts as a person of its own: nothing says
    which images belong together. Near-duplicates still stay on one side of the split.

    Args:
        boxes: name of the CSV in the root, or None.
        subject_pattern: regular expression on the path below the root; its first group is the subject, a group called
            `session`, where there is one, the session.
    """

    boxes: str | None = "boxes.csv"
    subject_pattern: str | None = None

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one for the CSV, then one per label's folder."""
        pattern = subject_regex(self.subject_pattern, self.name)
        lines = self._lines()
        listed = {image_of(line) for line in lines}
        found: list[Piece] = [partial(self._listed, lines, pattern)] if lines else []
        for label, folder in self.label_folders().items():
            images = [path for path in self._images(folder) if path not in listed]
            if images:
                found.append(partial(self._whole_images, label, images, pattern))
        if not found:
            raise DataError(
                f"source {self.name}: no <label>/<image> in {self.root}; "
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        return found

    def label_folders(self) -> dict[str, str]:
        """Label -> its folder below the root."""
        return {name: name for name in folders_in(self.folder)}

    def subject_of(self, path: str, pattern: re.Pattern[str] | None) -> tuple[str, str]:
        """Subject and session of an image by its path below the root."""
        parts = PurePosixPath(path).parts
        subject, session = told_by_path(path, pattern)
        if subject:
            return f"{self.name}/{subject}", f"{self.name}/{session or subject}"
        if len(parts) > 2:
            return f"{self.name}/{parts[1]}", f"{self.name}/{'/'.join(parts[1:-1])}"
        return self.unknown_subject(path)

    def _images(self, folder: str) -> list[str]:
        """Paths below the root of all images in a folder, sorted."""
        found = []
        for parent, folders, names in os.walk(self.folder / folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = PurePosixPath(os.path.relpath(parent, self.folder).replace(os.sep, "/"))
            found += [str(below / name) for name in names if is_image(name) and not name.startswith(".")]
        return sorted(found)

    def _whole_images(self, label: str, images: Sequence[str], pattern: re.Pattern[str] | None) -> list[Hands]:
        rows = []
        for path in images:
            subject, session = self.subject_of(path, pattern)
            problem = file_problem(self.folder / path)
            rows.append(Hand(path, path, label, WHOLE_IMAGE, subject, session, problem=problem))
        return [Hands.of(label, rows)]

    def _lines(self) -> list[dict[str, str]]:
        if self.boxes is None or not (self.folder / self.boxes).is_file():
            return []
        with (self.folder / self.boxes).open(newline="", encoding="utf-8-sig", errors="replace") as table:
            reader = csv.DictReader(table, restkey="", restval="", skipinitialspace=True)
            missing = [name for name in ("image", *COORDINATES) if name not in (reader.fieldnames or ())]
            if missing:
                lacks = ", ".join(missing)
                raise DataError(f"{self.root}/{self.boxes} lacks the columns {lacks}; its first line must name them")
            return list(reader)

    def _listed(self, lines: Sequence[dict[str, str]], pattern: re.Pattern[str] | None) -> list[Hands]:
        in_pixels = any(value > PIXELS_ABOVE for line in lines for value in box_in(line))
        seen: Counter[str] = Counter()
        rows = []
        for line in lines:
            image = image_of(line)
            rows.append(self._listed_hand(image, line, seen[image], in_pixels, pattern))
            seen[image] += 1
        return [Hands.of(str(self.boxes), rows)]

    def _listed_hand(
        self, image: str, line: Mapping[str, str], number: int, in_pixels: bool, pattern: re.Pattern[str] | None
    ) -> Hand:
        told = {name: line.get(name, "").strip() for name in OPTIONAL}
        subject, session = self.subject_of(image, pattern)
        if told["subject"]:
            subject = session = f"{self.name}/{told['subject']}"
        if told["session"]:
            session = f"{self.name}/{told['session']}"
        exists = bool(image) and (self.folder / image).is_file()
        size = frame_size(self.folder / image) if exists else (1, 1)
        box, problem = in_shares(box_in(line), size if in_pixels or isinstance(size, str) else (1, 1))
        return Hand(
            name=image,
            image=image if exists else None,
            label=told["label"] or image.partition("/")[0],
            box=box,
            subject=subject,
            session=session,
            number=number,
            hand=told["hand"] if told["hand"] in ("left", "right") else "",
            split=official_split(told["split"], f"{self.root}/{self.boxes}"),
            problem=problem if exists else None,
        )


def image_of(line: Mapping[str, str]) -> str:
    """The image that a line is about: its path below the root, with forward slashes."""
    return line["image"].strip().replace("\\", "/").removeprefix("./")


def box_in(line: Mapping[str, str]) -> tuple[float, ...]:
    """The coordinates of a line that are numbers; fewer than four where one is not."""
    numbers = []
    for name in COORDINATES:
        try:
            numbers.append(float(line[name]))
        except ValueError:
            continue
    return tuple(numbers)
