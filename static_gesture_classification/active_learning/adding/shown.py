"""Pictures of a new gesture that somebody shows to the page: each is read, and kept as a JPEG in a folder."""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.active_learning.adding.samples import MOST_SAMPLES
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import UnreadableImageError, decode, read_header
from static_gesture_classification.opencv import cv2
from static_gesture_classification.preparation.hand_pictures import write_jpeg

QUALITY = 92
LONGEST_KEPT_SIDE = 1280  # pixels; a phone's picture has more than a hand needs


def keep_picture(data: bytes, folder: Path) -> Path:
    """Keep a picture beside those that are in the folder already; it is on the disk when this returns.

    Args:
        data: an encoded image, of any kind that the sources read.
        folder: of this gesture's pictures; created with the first.

    Raises:
        UserError: it is no readable image, or there are enough.
        OutputError: the folder cannot be written.
    """
    there = sorted(folder.glob("*.jpg"))
    if len(there) >= MOST_SAMPLES:
        raise UserError(f"{MOST_SAMPLES} pictures are enough; record more of it once it is learned")
    try:
        image = decode(data, read_header(data))
    except UnreadableImageError as error:
        raise UserError(f"this is no picture that can be read: {error}") from error
    longest = max(image.shape[:2])
    if longest > LONGEST_KEPT_SIDE:
        height, width = (round(side * LONGEST_KEPT_SIDE / longest) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    path = folder / f"{int(there[-1].stem) + 1 if there else 0:03d}.jpg"
    write_jpeg(path, jpeg.tobytes())
    return path
