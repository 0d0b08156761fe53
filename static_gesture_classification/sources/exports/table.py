"""A table of boxes and its pictures (read again by sources/folder.py): boxes.csv, images/<source>/<image>."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.sources.exports.pictures import ExportedPicture, FormatSettings, UniqueNames, below

TABLE_COLUMNS = ("image", "x1", "y1", "x2", "y2", "label", "subject", "session", "hand", "split")


class TableFormat:
    """See `pictures.Format`."""

    lost = "Lost: landmarks, the labels as published."
    way_back = ("sources=[folder]", "sources.folder.root={folder}")

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """See `pictures.Format.place`."""
        names = UniqueNames()
        return [replace(picture, target=names.new(below(picture, "images"))) for picture in pictures]

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """See `pictures.Format.write`."""
        with atomic_path(folder / "boxes.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(TABLE_COLUMNS)
            for picture in pictures:
                for hand in picture.hands:
                    box = (f"{value:.9g}" for value in hand.box)
                    texts = (hand.gesture, hand.subject, hand.session, hand.hand, picture.split)
                    table.writerow([picture.target, *box, *texts])
