"""Small pictures of samples, by address: /thumbnails/<sample id>.

Pages make samples known; no other picture can be asked for, and nothing from the browser becomes a path. A picture
comes from the crop store where it has the sample, else it is cut out of the image once and kept.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import simplejpeg
from fastapi import FastAPI, Response

from static_gesture_classification.active_learning.diagnosis.pictures import Pictures
from static_gesture_classification.atomic_files import atomic_path, explain_write_errors
from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.review.tables import Tables
from static_gesture_classification.samples import BOX

ADDRESS = "/thumbnails"
SIZE, MARGIN = 128, 0.2  # pixels, and share of the hand's side, of pictures that are cut here
QUALITY = 88
COLUMNS = ("sample_id", "root", "image", *BOX)


class Thumbnails:
    """Pictures of the samples that pages show. Threads may share it.

    Args:
        crops: folder of the crops stage; its pictures are used where it has a sample.
        folder: of the pictures that are cut here.
        tables: the page's.
    """

    def __init__(self, crops: Path, folder: Path, tables: Tables) -> None:
        self.crops, self.folder, self.tables = crops, folder, tables
        self._known: dict[str, tuple[pd.Index, pd.DataFrame]] = {}
        self._lock = threading.Lock()

    def know(self, name: str, samples: pd.DataFrame) -> None:
        """Make samples known.

        Args:
            name: of the table; it replaces the earlier one of this name.
            samples: with the columns `COLUMNS`.
        """
        known = self._known.get(name)
        if known is None or known[1] is not samples:
            with self._lock:
                self._known[name] = (pd.Index(samples["sample_id"]), samples)

    def jpeg(self, sample: str) -> bytes | None:
        """A sample's picture; None for an unknown one, grey where its image cannot be read."""
        row = self.find(sample)
        if row is None:
            return None
        pictures = self._pictures()
        if pictures is not None and (known := pictures.crop_of(sample)) is not None:
            return _encode(known)
        kept = self.folder / f"{_key(row)}.jpg"
        if kept.is_file():
            return kept.read_bytes()
        cut = Pictures(None, SIZE, MARGIN)
        encoded = _encode(cut.of(row)[0])
        if not cut.unreadable:
            with explain_write_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(kept) as partial:
                partial.write_bytes(encoded)
        return encoded

    def find(self, sample: str) -> pd.DataFrame | None:
        """A known sample's row, a frame of one; None for an unknown one."""
        with self._lock:
            known = list(self._known.values())
        for index, table in known:
            place = index.get_indexer(pd.Index([sample]))[0]
            if place >= 0:
                return table.iloc[[place]]
        return None

    def _pictures(self) -> Pictures | None:
        files = [self.crops / SAMPLES, self.crops / CROPS_FILE]
        if not all(path.is_file() for path in files):
            return None
        try:
            return self.tables.of(files, Pictures, self.crops, SIZE, MARGIN)
        except UserError:  # damaged; the images themselves are still there
            return None


def address_of(sample: str) -> str:
    """The address of a sample's picture."""
    return f"{ADDRESS}/{quote(sample, safe='')}"


def serve(thumbnails: Thumbnails, app: FastAPI) -> None:
    """Answer requests for pictures."""

    @app.get(ADDRESS + "/{sample}")
    def thumbnail(sample: str) -> Response:
        jpeg = thumbnails.jpeg(sample)
        if jpeg is None:
            return Response(status_code=404)
        # Crops can change under an id (another margin), so browsers ask again after a while.
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=300"})


def _encode(pixels: np.ndarray) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY, colorspace="RGB")
    return encoded


def _key(row: pd.DataFrame) -> str:
    """The name of a kept picture: a hash of all that it depends on."""
    values = [str(row.iloc[0][column]) for column in COLUMNS]
    return hashlib.blake2b("\0".join([*values, str(SIZE), str(MARGIN)]).encode(), digest_size=16).hexdigest()
