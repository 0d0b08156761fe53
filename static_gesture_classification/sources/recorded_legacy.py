"""The folders of the older recorder: one box for all frames, set by hand before the recording.

record_N/meta.json                  {"bbox": [x1, y1, x2, y2], "gesture": "THUMBS_UP"}, the box in pixels
record_N/images/image_K.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from typing_extensions import TypedDict

from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.image_files import is_image
from static_gesture_classification.sources.image_size import frame_size, in_shares
from static_gesture_classification.sources.source import Hand, Hands, Piece, Source, files_in, folders_in


class Meta(TypedDict):
    """The content of meta.json; the box is checked with the images."""

    bbox: Any
    gesture: str


@dataclass(kw_only=True)
class RecordedLegacy(Source):
    """Reads older recordings, each of which is a session. The subject is unknown."""

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one per recording."""
        recordings = [name for name in folders_in(self.folder) if (self.folder / name / "meta.json").is_file()]
        if not recordings:
            raise DataError(
                f"source {self.name}: no record_N/meta.json in {self.root}; "
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        return [partial(self._read, recording) for recording in recordings]

    def _read(self, recording: str) -> list[Hands]:
        file = f"{recording}/meta.json"
        meta = read_json(self.folder / file, Meta, "mend it or delete its folder")
        session = f"{self.name}/{recording}"
        files = files_in(self.folder / recording / "images")
        images = [name for name in files if is_image(name)]
        rows = []
        for name in images:
            path = f"{recording}/images/{name}"
            box, problem = in_shares(meta["bbox"], frame_size(self.folder / path))
            rows.append(Hand(name, path, meta["gesture"], box, "", session, problem=problem))
        hands = Hands.of(file, rows, [] if images else [f"{recording}: no images"])
        hands.not_images = [f"{recording}/images/{name}" for name in files if not is_image(name)]
        return [hands]
