"""Small pictures of samples, by address: /thumbnails/<sample id>.

Pages make samples known; no other picture can be asked for, and nothing from the browser becomes a path. A picture
comes from the crop store where it has the sample, else it is cut out of the image once and kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import simplejpeg
from fastapi import FastAPI, Response

from static_gesture_classification.active_learning.diagnosis.pictures import GREY, Pictures
from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.hand_drawing import draw_landmarks
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.review.tables import Tables
from static_gesture_classification.samples import BOX, image_path

ADDRESS = "/thumbnails"
SIZE, MARGIN = 128, 0.2  # pixels, and share of the hand's side, of pictures that are cut here
QUALITY = 88
COLUMNS = ("sample_id", "root", "image", *BOX)
END = b"\xff\xd9"  # of a whole JPEG file


@dataclass(frozen=True)
class Place:
    """Where a sample is.

    Args:
        sample: its id.
        root, image: its image.
        box: x1, y1, x2, y2, normalised.
    """

    sample: str
    root: str
    image: str
    box: tuple[float, float, float, float]

    @property
    def path(self) -> Path:
        """Its image."""
        return image_path(self.root, self.image)


class Places:
    """The places of the samples of a table, found by id at once: pandas takes a millisecond for each."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self.samples = samples
        self._columns = [samples[name].to_numpy(object) for name in COLUMNS]
        self._rows = {sample: row for row, sample in enumerate(self._columns[0])}

    def find(self, sample: str) -> Place | None:
        """The place of a sample; None where the table has none of this id."""
        row = self._rows.get(sample)
        if row is None:
            return None
        name, root, image, x1, y1, x2, y2 = (column[row] for column in self._columns)
        return Place(str(name), str(root), str(image), (float(x1), float(y1), float(x2), float(y2)))


class Thumbnails:
    """Pictures of the samples that pages show. Threads may share it.

    Args:
        crops: folder of the crops stage; its pictures are used where it has a sample.
        folder: of the pictures that are cut here.
        tables: the page's.
    """

    def __init__(self, crops: Path, folder: Path, tables: Tables) -> None:
        self.crops, self.folder, self.tables = crops, folder, tables
        self._known: dict[str, Places] = {}
        self._points: dict[str, Callable[[str], np.ndarray | None]] = {}
        self._lock = threading.Lock()

    def know(self, name: str, samples: pd.DataFrame) -> None:
        """Make samples known.

        Args:
            name: of the table; it replaces the earlier one of this name.
            samples: with the columns `COLUMNS`.
        """
        known = self._known.get(name)
        if known is None or known.samples is not samples:
            places = Places(samples)
            with self._lock:
                self._known[name] = places

    def know_points(self, name: str, find: Callable[[str], np.ndarray | None]) -> None:
        """Where hands that have no image get a drawing from: `find` gives a sample's landmarks (21, 2), or None."""
        with self._lock:
            self._points[name] = find

    def jpeg(self, sample: str) -> bytes | None:
        """A sample's picture; None for an unknown one, a drawing or grey where its image cannot be read."""
        place = self.find(sample)
        if place is None:
            return None
        pictures = self._pictures()
        if pictures is not None and (known := pictures.crop_of(sample)) is not None:
            return _encode(known)
        kept = self.folder / f"{_key(place)}.jpg"
        if (content := _read_kept(kept)) is not None:
            return content
        try:
            cut = crop_square(read_image(place.path), place.box, SIZE, MARGIN)
        except UnreadableImageError:
            drawing = self.drawing(place, SIZE)
            return _encode(np.full((SIZE, SIZE, 3), GREY, np.uint8) if drawing is None else drawing)
        encoded = _encode(cut)
        self._keep(encoded, kept)
        return encoded

    def drawing(self, place: Place, side: int) -> np.ndarray | None:
        """The hand of a sample that has no image, uint8 (side, side, 3); None where there is an image, or no hand."""
        if place.path.exists():
            return None
        with self._lock:
            finders = list(self._points.values())
        points = next((points for find in finders if (points := find(place.sample)) is not None), None)
        return None if points is None else draw_landmarks(points, side)

    def find(self, sample: str) -> Place | None:
        """Where a known sample is; None for an unknown one."""
        with self._lock:
            known = list(self._known.values())
        return next((place for table in known if (place := table.find(sample)) is not None), None)

    def _keep(self, encoded: bytes, path: Path) -> None:
        """Write a picture without waiting for the disk: one that a power cut has damaged is cut again."""
        partial = path.with_name(f".{path.name}.{threading.get_ident()}")  # two browsers may ask at once
        with explain_write_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(encoded)
            partial.replace(path)

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


def _read_kept(path: Path) -> bytes | None:
    """A kept picture; None where there is none, or no whole one."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if content.endswith(END) else None


def _key(place: Place) -> str:
    """The name of a kept picture: a hash of all that it depends on."""
    values = (place.sample, place.root, place.image, *map(str, place.box), str(SIZE), str(MARGIN))
    return hashlib.blake2b("\0".join(values).encode(), digest_size=16).hexdigest()
