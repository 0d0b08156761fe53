"""The pictures of a pool: image files, and frames of videos, which are called `<video>#<frame number>`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from static_gesture_classification.errors import DataError
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.inference.frames import frames

FRAME = "#"
POOL_DIGITS = 6


def frame_name(video: str, index: int) -> str:
    """The name of frame `index` (from 0) of a video: `walk.mp4#000012`."""
    return f"{video}{FRAME}{index:0{POOL_DIGITS}}"


def file_and_frame(path: Path) -> tuple[Path, int | None]:
    """The file of a picture, and its frame; None for an image. An image may have a # in its name."""
    name, separator, index = path.name.rpartition(FRAME)
    if separator and len(index) == POOL_DIGITS and index.isdecimal() and not path.is_file():
        return path.with_name(name), int(index)
    return path, None


def read_pictures(paths: Iterable[Path]) -> Iterator[tuple[Path, np.ndarray | UnreadableImageError]]:
    """Each distinct picture with its pixels, uint8 (height, width, 3) RGB, or why it cannot be read.

    Images come in the order given, then the frames of each video, which is read once from its beginning.
    """
    videos: dict[Path, dict[int, Path]] = defaultdict(dict)
    for path in dict.fromkeys(paths):
        file, index = file_and_frame(path)
        if index is not None:
            videos[file][index] = path
            continue
        try:
            yield path, read_image(path)
        except UnreadableImageError as error:
            yield path, error
    for file, wanted in videos.items():
        yield from _frames_of(file, wanted)


def _frames_of(file: Path, wanted: dict[int, Path]) -> Iterator[tuple[Path, np.ndarray | UnreadableImageError]]:
    missing = dict(wanted)
    reason = "the video ends before this frame"
    try:
        if not file.is_file():
            raise DataError("the file is missing")
        for frame in frames(file):
            if frame.index in missing:
                yield missing.pop(frame.index), frame.image
            if not missing:
                return
    except DataError as error:
        reason = str(error)
    for path in missing.values():
        yield path, UnreadableImageError(reason)
