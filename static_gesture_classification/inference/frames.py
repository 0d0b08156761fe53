"""Frames to recognise gestures in: an image, a folder of images with all that is below it, or a video."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.images import UnreadableImageError, read_bytes, read_header, read_image
from static_gesture_classification.sources.source import IMAGE_SUFFIXES

PICTURES = (*IMAGE_SUFFIXES, ".gif", ".tif", ".tiff")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mjpeg", ".mjpg", ".wmv", ".ts")


@dataclass(frozen=True)
class Frame:
    """One picture.

    Args:
        image: uint8 (height, width, 3), RGB, upright.
        name: the image's path below the input folder, with forward slashes; the file's name for an image or a video.
        index: the frame's number in its video, from 0; the image's number in its folder.
        time: seconds since the video's beginning; None for an image.
    """

    image: np.ndarray
    name: str
    index: int
    time: float | None = None


@dataclass(frozen=True)
class Skipped:
    """A file, or a part of a video, that gave no frame, and why."""

    name: str
    reason: str


class Frames(ABC):
    """The frames of an input, decoded one by one while iterating.

    Attributes:
        total: how many frames to expect; for a video, what its file says, which may be an estimate or 0 (unknown).
        skipped: what gave no frame; complete once the iteration has ended.
        is_video: whether the frames belong to one video.
    """

    total: int
    is_video: bool

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...


def frames(source: Path) -> Frames:
    """The frames of an image, a folder (recursively, in the order of names) or a video.

    Raises:
        UserError: there is no such file or folder, or no image in the folder.
        DataError: the file is neither a readable image nor a readable video.
    """
    if source.is_dir():
        return FolderFrames(source)
    if not source.exists():
        raise UserError(f"input {source} does not exist; name an image, a folder of images, or a video: input=PATH")
    return ImageFrames(source) if _is_image(source) else VideoFrames(source)


class FolderFrames(Frames):
    """All images in a folder and below; what cannot be read is skipped and counted."""

    is_video = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        files = sorted(
            path for path in folder.rglob("*") if not _is_hidden(path.relative_to(folder)) and path.is_file()
        )
        self.images = [path for path in files if path.suffix.lower() in PICTURES]
        self.videos = [path for path in files if path.suffix.lower() in VIDEOS]
        self.total = len(self.images)
        if not self.images:
            videos = f"; of its {len(self.videos)} videos, name one" if self.videos else ""
            raise UserError(f"no image ({', '.join(PICTURES)}) in {folder} or below it{videos}")

    def __iter__(self) -> Iterator[Frame]:
        reason = "a video in a folder of images; name it by itself: input=PATH"
        self.skipped = [Skipped(self._name(path), reason) for path in self.videos]
        for index, path in enumerate(self.images):
            try:
                image = read_image(path)
            except UnreadableImageError as error:
                self.skipped.append(Skipped(self._name(path), str(error)))
            else:
                yield Frame(image, self._name(path), index)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


class ImageFrames(Frames):
    """A single image."""

    is_video = False
    total = 1

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __iter__(self) -> Iterator[Frame]:
        try:
            image = read_image(self.path)
        except UnreadableImageError as error:
            raise DataError(f"cannot read {self.path}: {error}") from None
        yield Frame(image, self.path.name, 0)


class VideoFrames(Frames):
    """The frames of a video, by OpenCV. A file that ends early is said to.

    Where the size changes on the way, OpenCV scales all frames to that of the first.
    """

    is_video = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        from static_gesture_classification.opencv import cv2

        self.path = path
        self._capture = _open_video(path)
        self.total = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or 0.0  # frames a second; 0 where the file does not say

    def __iter__(self) -> Iterator[Frame]:
        from static_gesture_classification.opencv import cv2

        self.skipped, index, capture = [], 0, self._take_capture()
        try:
            while True:
                read, pixels = capture.read()
                if not read:
                    break
                time = index / self.rate if self.rate else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                yield Frame(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), self.path.name, index, time)
                index += 1
        finally:
            capture.release()
        if index == 0:
            raise DataError(f"{self.path} opens as a video but has no readable frame; it is damaged or cut off")
        if index < self.total:
            self.skipped.append(Skipped(self.path.name, _ends_early(index, self.total)))

    def _take_capture(self) -> Any:
        """The capture that was opened first, for the first iteration; a new one for each other."""
        capture, self._capture = self._capture, None
        return capture or _open_video(self.path)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_image(path: Path) -> bool:
    """By its name, and by its first bytes where the name says neither image nor video."""
    suffix = path.suffix.lower()
    if suffix in PICTURES or suffix in VIDEOS:
        return suffix in PICTURES
    try:
        read_header(read_bytes(path))
    except UnreadableImageError:
        return False
    return True


def _open_video(path: Path) -> Any:
    from static_gesture_classification.opencv import cv2

    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (zero bytes)")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is wrong with a file is said below
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(
            f"{path} cannot be opened, neither as an image nor as a video; it is damaged, cut off (a recorder that was "
            "killed leaves such files), or in a format that OpenCV does not read"
        )
    return capture


def _ends_early(read: int, announced: int) -> str:
    return (
        f"it announces {announced:,} frames, {read:,} could be read; the rest is damaged or cut off, or the "
        "announcement is an estimate"
    )
