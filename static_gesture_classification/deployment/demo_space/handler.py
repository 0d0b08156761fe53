"""For a hosted inference endpoint: a picture in, its hands with their gestures out.

    curl URL --data-binary @photo.jpg --header 'Content-Type: image/jpeg' --header 'Authorization: Bearer TOKEN'

The class and its arguments are those of https://huggingface.co/docs/inference-endpoints/guides/custom_handler; the
answer has the form of that platform's object detection, with a probability for each gesture besides.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from static_gesture_classification.images import UnreadableImageError, decode, read_header
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.inference.recogniser_folder import load_recogniser

LARGEST_PICTURE = 20_000_000  # bytes of a picture


class EndpointHandler:
    """Recognises the gestures in pictures.

    Args:
        path: the folder with the model's files; "" for that of this file.
    """

    def __init__(self, path: str = "") -> None:
        self.predictor = load_recogniser(Path(path) if path else Path(__file__).resolve().parent)

    def __call__(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Find the hands of a picture.

        Args:
            data: `inputs` is the picture: an image of Pillow, the bytes of an image file, or these in base64, as a
                text, a data URL or under the key `image`.

        Returns:
            for each hand, from left to right: label (its gesture), score (0..1), box (xmin, ymin, xmax, ymax in
            pixels), probabilities (of each gesture).

        Raises:
            ValueError: there is no picture, or it cannot be read; says why.
        """
        image = input_picture(data.get("inputs"))
        names = self.predictor.vocabulary.names
        return [as_detection(hand, image, names) for hand in self.predictor.predict(image)]


def as_detection(hand: RecognisedHand, image: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """A hand as plain values."""
    height, width = image.shape[:2]
    corners = (round(share * side) for share, side in zip(hand.hand.box, (width, height) * 2, strict=True))
    return {
        "label": hand.gesture,
        "score": hand.score,
        "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)),
        "probabilities": dict(zip(names, hand.probabilities.tolist(), strict=True)),
    }


def input_picture(given: Any) -> np.ndarray:
    """The pixels of an input, uint8 (height, width, 3) RGB, upright. Raises `ValueError`, see `EndpointHandler`."""
    if isinstance(given, Mapping):
        given = given.get("image")
    if isinstance(given, Image.Image):
        return np.asarray(ImageOps.exif_transpose(given).convert("RGB"))
    if isinstance(given, str):
        given = decode_base64(given)
    if not isinstance(given, bytes | bytearray) or not given:
        raise ValueError("there is no picture in the request: send {'inputs': IMAGE}, its bytes in base64")
    if len(given) > LARGEST_PICTURE:
        raise ValueError(f"the picture has {len(given):,} bytes; at most {LARGEST_PICTURE:,} are read")
    try:
        return decode(bytes(given), read_header(bytes(given)))
    except UnreadableImageError as error:
        raise ValueError(f"the picture cannot be read: {error}") from None


def decode_base64(text: str) -> bytes:
    """The bytes of a text in base64, which may be a data URL."""
    try:
        return base64.b64decode(text.rpartition("base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("`inputs` is a text, but no base64; send the picture's bytes in base64") from None
