"""The older recorder's folders: one box, moved by hand before the recording, for all frames of it.

record_N/meta.json                  {"bbox": [x1, y1, x2, y2], "gesture": "THUMBS_UP"}, the box in pixels
record_N/images/image_K.png
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.image_size import frame_size, in_shares
from static_gesture_classification.sources.source import Hand, Hands, Piece, Source, files_in, folders_in, is_image


@dataclass(kw_only=True)
class RecordedLegacy(Source):
    """Reads older recordings. Who was recorded is not written down; each recording is a session."""

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
        meta = self._meta(file)
        session = f"{self.name}/{recording}"
        images = [name for name in files_in(self.folder / recording / "images") if is_image(name)]
        rows = []
        for name in images:
            path = f"{recording}/images/{name}"
            box, problem = in_shares(meta["bbox"], frame_size(self.folder / path))
            rows.append(Hand(name, path, meta["gesture"], box, "", session, problem=problem))
        return [Hands.of(file, rows, [] if images else [f"{recording}: no images"])]

    def _meta(self, file: str) -> dict[str, Any]:
        try:
            meta = json.loads((self.folder / file).read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{self.root}/{file} is not whole JSON ({error}); mend it or delete its folder") from error
        if not isinstance(meta, dict) or not isinstance(meta.get("gesture"), str) or "bbox" not in meta:
            raise DataError(f"{self.root}/{file} lacks bbox or gesture; mend it or delete its folder")
        return meta
