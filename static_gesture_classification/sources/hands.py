"""HANDS (Nuzzi et al., doi:10.17632/ndrczc35bt): frames of five subjects, both hands, boxes in pixels.

One folder per subject with a CSV beside its images:

    SubjectN/SubjectN.txt               rgb, depth, then one column per gesture and hand
    SubjectN/SubjectN/<k>_color.png

A cell is `[x y w h]` in pixels of the frame, `[0 0 0 0]` if that hand does not show that gesture. The paths in the CSV
have backslashes and a folder `Color` that the archives lack: only their file names are used.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PureWindowsPath

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.image_size import NO_BOX, frame_size, in_shares
from static_gesture_classification.sources.source import Hand, Hands, Piece, Source, files_in, folders_in

ABSENT = (0, 0, 0, 0)
HANDEDNESS = {"R": "right", "L": "left"}  # last letter of a column's view: VFR, VFL, HBL, HFL, HBR, HFR


@dataclass(kw_only=True)
class HandsDataset(Source):
    """Reads HANDS. A subject's frames are one session."""

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one per subject."""
        tables = [(subject, f"{subject}/{subject}.txt") for subject in folders_in(self.folder)]
        tables = [(subject, file) for subject, file in tables if (self.folder / file).is_file()]
        if not tables:
            raise DataError(
                f"source {self.name}: no SubjectN/SubjectN.txt in {self.root}; "
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        return [partial(self._read, subject, file) for subject, file in tables]

    def _read(self, subject: str, file: str) -> list[Hands]:
        images = self._images(subject)
        if not images:
            return [Hands.of(file, [], [f"{subject}: no images in {subject}/{subject}, its annotations are left out"])]
        rows: list[Hand] = []
        with (self.folder / file).open(newline="", encoding="utf-8-sig", errors="replace") as table:
            reader = csv.DictReader(table, skipinitialspace=True)
            columns = [name for name in reader.fieldnames or () if name not in ("rgb", "depth")]
            if "rgb" not in (reader.fieldnames or ()) or not columns:
                raise DataError(
                    f"{self.root}/{file} has no header with rgb and the gestures; fetch it again ({self.how_to_get})"
                )
            for line in reader:
                name = PureWindowsPath(line["rgb"] or "").name
                rows += self._row(subject, name, images.get(name), {column: line[column] for column in columns})
        return [Hands.of(file, rows)]

    def _images(self, subject: str) -> dict[str, str]:
        """File name -> path relative to the root; the archives' folder first, then that of the CSV."""
        found: dict[str, str] = {}
        for folder in (f"{subject}/{subject}", f"{subject}/Color", subject):
            for name in files_in(self.folder / folder):
                if not name.endswith((".txt", ".csv")):
                    found.setdefault(name, f"{folder}/{name}")
        return found

    def _row(self, subject: str, name: str, image: str | None, cells: dict[str, str | None]) -> Iterator[Hand]:
        who = f"{self.name}/{subject}"
        shown = [(column, cell, parse_box(cell)) for column, cell in cells.items() if parse_box(cell) != ABSENT]
        size = frame_size(self.folder / image) if image and shown else "image not found"
        for number, (column, cell, box) in enumerate(shown):
            label, _, view = column.partition("_")
            problem: str | None
            if box is None:
                normalised, problem = NO_BOX, f"box is not four numbers: {cell!r}"
            else:
                x, y, width, height = box
                normalised, problem = in_shares((x, y, x + width, y + height), size)
            yield Hand(name, image, label, normalised, who, who, number, HANDEDNESS.get(view[-1:], ""), problem=problem)


def parse_box(cell: str | None) -> tuple[float, ...] | None:
    """The numbers of `[x y w h]`, or None unless there are four.

    >>> parse_box("[201 82 129 228]")
    (201.0, 82.0, 129.0, 228.0)
    """
    try:
        numbers = tuple(float(part) for part in (cell or "").strip().strip("[]").replace(",", " ").split())
    except ValueError:
        return None
    return numbers if len(numbers) == 4 else None
