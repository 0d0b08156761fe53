"""Frames to recognise gestures in: an image, a folder of images with all that is below it, or a video."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_names import printable
from static_gesture_classification.image_files import (
    IMAGE_SUFFIXES,
    describe_animated,
    describe_others,
    files_below,
    is_image,
    is_video,
)
from static_gesture_classification.images import UnreadableImageError, image_header, read_with_header

SHOWN_REFUSED = 3  # refused files in a message
A_VIDEO = "a video in a folder of images; name it by itself"
# FOURCC in small letters -> what people call the codec (https://www.iana.org/assignments/video-codec; MP4 registry).
CODECS = {
    **dict.fromkeys(("av01", "av1"), "AV1"),
    **dict.fromkeys(("hev1", "hvc1", "hevc", "h265", "x265"), "H.265 (HEVC)"),
    **dict.fromkeys(("vvc1", "vvi1", "h266"), "H.266 (VVC)"),
    **dict.fromkeys(("avc1", "avc3", "h264", "x264"), "H.264"),
    **dict.fromkeys(("mp4v", "fmp4", "xvid", "divx", "dx50"), "MPEG-4"),
    **dict.fromkeys(("mjpg", "jpeg"), "Motion JPEG"),
    **dict.fromkeys(("apch", "apcn", "apcs", "apco", "ap4h", "ap4x"), "ProRes"),
    **{"vp80": "VP8", "vp8": "VP8", "vp90": "VP9", "vp9": "VP9", "vp09": "VP9", "dvh1": "Dolby Vision"},
}
DECODED = ("H.264", "MPEG-4", "Motion JPEG", "VP8", "VP9", "H.265 (HEVC)")  # by OpenCV's wheel, where the file is whole


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
        total: expected number of frames; for a video the file's own number, which may be an estimate or 0 (unknown).
        skipped: files that gave no frame; complete once the iteration has ended.
        animated: images whose first frame or page alone was taken; complete likewise.
        others: names of files that are neither images nor videos.
        is_video: whether the frames belong to one video.
    """

    total: int
    is_video: bool

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.animated: list[str] = []
        self.others: list[str] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    @property
    def notes(self) -> list[str]:
        """Lines about other files and animations; complete once the iteration has ended."""
        return [*describe_others(self.others), *describe_animated(self.animated)]


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
    """All images in a folder and below; unreadable files are skipped and listed."""

    is_video = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        files = files_below(folder)
        self.images, self.videos, self.others = files.images, files.videos, files.others
        self.refused = [Skipped(name, reason) for name, reason in files.refused]
        self.refused += [Skipped(name, A_VIDEO) for name in self.videos]
        self.total = len(self.images)
        if not self.images:
            raise UserError(f"no image ({', '.join(IMAGE_SUFFIXES)}) in {folder} or below it{self._there_is()}")

    def __iter__(self) -> Iterator[Frame]:
        self.skipped, self.animated = list(self.refused), []
        for index, name in enumerate(self.images):
            try:
                image, header = read_with_header(self.folder / name)
            except UnreadableImageError as error:
                self.skipped.append(Skipped(name, str(error)))
                continue
            if header.more_frames:
                self.animated.append(name)
            yield Frame(image, name, index)

    def _there_is(self) -> str:
        """What the folder holds instead of images."""
        videos = [f"of its {len(self.videos)} videos, name one"] if self.videos else []
        refused = [f"{each.name}: {each.reason}" for each in self.refused if each.reason != A_VIDEO]
        return "".join(f"; {line}" for line in (*videos, *describe_others(self.others), *refused[:SHOWN_REFUSED]))


class ImageFrames(Frames):
    """A single image."""

    is_video = False
    total = 1

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __iter__(self) -> Iterator[Frame]:
        name = printable(self.path.name)
        try:
            image, header = read_with_header(self.path)
        except UnreadableImageError as error:
            raise DataError(f"cannot read {self.path}: {error}") from None
        self.animated = [name] if header.more_frames else []
        yield Frame(image, name, 0)


class VideoFrames(Frames):
    """The upright frames of a video, by OpenCV. A file that ends early is listed in `skipped`.

    If the size changes, OpenCV scales all frames to the size of the first.

    Raises:
        DataError: it cannot be opened, or not one frame of it can be decoded.
    """

    is_video = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        from static_gesture_classification.opencv import cv2

        self.path = path
        self._opened: OpenedVideo | None = open_video(path)
        capture = self._opened.capture
        self.total = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = float(capture.get(cv2.CAP_PROP_FPS)) or 0.0  # frames a second; 0 where the file does not say

    def __iter__(self) -> Iterator[Frame]:
        from static_gesture_classification.opencv import cv2

        self.skipped, name = [], printable(self.path.name)
        opened, self._opened = self._opened or open_video(self.path), None
        capture, pixels, index = opened.capture, opened.first, 0
        try:
            while pixels is not None:
                time = index / self.rate if self.rate else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                yield Frame(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), name, index, time)
                index += 1
                pixels = capture.read()[1]
        finally:
            capture.release()
        if index < self.total:
            self.skipped.append(Skipped(name, _ends_early(index, self.total)))


@dataclass(frozen=True)
class OpenedVideo:
    """A video that can be decoded: OpenCV's capture, and its first frame, BGR."""

    capture: Any
    first: np.ndarray


def open_video(path: Path) -> OpenedVideo:
    """Open a video and decode its first frame.

    Raises:
        DataError: it is empty, cannot be opened, or not one frame of it can be decoded; names the codec.
    """
    from static_gesture_classification.opencv import cv2

    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (zero bytes)")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(
            f"{path} cannot be opened, neither as an image nor as a video; it is damaged, cut off (a recorder that was "
            "killed leaves such files), or in a format that OpenCV does not read"
        )
    read, pixels = capture.read()
    if not read or pixels is None:
        fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").strip("\0 ")
        capture.release()
        raise DataError(_undecodable(path, fourcc))
    return OpenedVideo(capture, pixels)


def _undecodable(path: Path, fourcc: str) -> str:
    codec = CODECS.get(fourcc.lower())
    called = f"{codec} ({fourcc})" if codec else fourcc if fourcc.isprintable() and fourcc else "an unknown codec"
    target = path.with_name(f"{path.stem}.h264.mp4")
    way_out = shlex.join(["ffmpeg", "-i", str(path), "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", str(target)])
    if codec in DECODED:
        return (
            f"{path} opens as a video but has no readable frame: it is in {called}, and damaged or cut off. This may "
            f"save the rest: {way_out}"
        )
    return (
        f"{path} opens as a video but has no readable frame: it is in {called}, which the OpenCV that is installed "
        f"here cannot decode, or it is damaged. Re-encode it, and name the new file: {way_out}"
    )


def _is_image(path: Path) -> bool:
    """Whether a file is an image: by its name, else by its first bytes."""
    if is_image(path.name) or is_video(path.name):
        return is_image(path.name)
    try:
        image_header(path)
    except UnreadableImageError:
        return False
    return True


def _ends_early(read: int, announced: int) -> str:
    return (
        f"it announces {announced:,} frames, {read:,} could be read; the rest is damaged or cut off, or the "
        "announcement is an estimate"
    )
