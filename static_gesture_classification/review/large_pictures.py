"""A sample's large picture, by address: /pictures/<sample id>. As with thumbnails, only known samples have one."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import simplejpeg
from fastapi import FastAPI, Response
from PIL import Image

from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.geometry import Square, hand_square
from static_gesture_classification.review.thumbnails import Thumbnails

ADDRESS, WHOLE_ADDRESS = "/pictures", "/images"
SIZE, MARGIN = 512, 0.4  # pixels, and share of the hand's side around it
WHOLE_SIZE = 900  # pixels of the longer side of a whole image
QUALITY = 90


def shown_square(width: int, height: int, box: tuple[float, float, float, float]) -> Square:
    """The part of an image, in pixels, that a large picture shows."""
    return hand_square(width, height, box, MARGIN)


def address_of(sample: str) -> str:
    """The address of the hand with its surroundings."""
    return f"{ADDRESS}/{quote(sample, safe='')}"


def whole_address_of(sample: str) -> str:
    """The address of the whole image."""
    return f"{WHOLE_ADDRESS}/{quote(sample, safe='')}"


def serve(thumbnails: Thumbnails, app: FastAPI) -> None:
    """Answer requests for large pictures of samples that `thumbnails` knows."""

    @app.get(ADDRESS + "/{sample}")
    def picture(sample: str) -> Response:
        return _answer(thumbnails, sample, whole=False)

    @app.get(WHOLE_ADDRESS + "/{sample}")
    def image(sample: str) -> Response:
        return _answer(thumbnails, sample, whole=True)


def _answer(thumbnails: Thumbnails, sample: str, whole: bool) -> Response:
    place = thumbnails.find(sample)
    if place is None:
        return Response(status_code=404)
    try:
        pixels = read_image(place.path)
        shown = _shrink(pixels) if whole else _cut(pixels, place.box)
    except UnreadableImageError as error:
        drawing = thumbnails.drawing(place, SIZE)
        if drawing is None:
            return Response(str(error), status_code=404, media_type="text/plain")
        shown = drawing
    encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(shown), quality=QUALITY, colorspace="RGB")
    return Response(encoded, media_type="image/jpeg", headers={"cache-control": "private, max-age=300"})


def _cut(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = pixels.shape[:2]
    square = shown_square(width, height, box)
    corners = (square.left, square.top, square.left + square.side, square.top + square.side)
    # What lies outside the image is black: the repeated border of a crop looks like a part of the picture.
    part = Image.fromarray(pixels).crop(tuple(round(corner) for corner in corners))  # type: ignore[arg-type]
    return np.asarray(part.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _shrink(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.thumbnail((WHOLE_SIZE, WHOLE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image)
