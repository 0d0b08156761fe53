"""Cameras: a device, a stream, a video file or a folder of images, behind one interface."""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from static_gesture_classification.errors import UserError
from static_gesture_classification.file_names import printable
from static_gesture_classification.inference.frames import Frames, VideoFrames, frames
from static_gesture_classification.settings import Settings

STREAM = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
DEVICES = Path("/dev")
CAMERA = re.compile(r"\d|[1-9]\d")  # 007 and 20241105 are folders
FOLDER_INTERVAL = 3600.0  # seconds between a folder's pictures, so that they count as unrelated
STREAM_TIMEOUT_MS = 10_000
OTHER_SOURCES = "another camera (source=1), a video or a folder of images (source=FILE), or a stream (source=URL)"


class CameraSettings(Settings):
    """How pictures come in; see conf/recording/default.yaml."""

    pace: Literal["real", "all"]
    size: tuple[int, int]
    rate: float = Field(ge=0, strict=True)
    stall_seconds: float = Field(ge=0, strict=True)
    black_seconds: float = Field(ge=0, strict=True)
    reconnect_seconds: float = Field(ge=0, strict=True)


class CameraLostError(Exception):
    """A live camera gives no more pictures; it may come back. The message tells the user why."""


class Camera(ABC):
    """Gives pictures one after the other. Only one thread reads it."""

    name: str  # for people and for session.json; never holds a password
    live: bool  # whether it may come back after it was lost; its pictures do not wait
    seconds: float = 0.0  # from one picture to the next, if pictures wait
    waits: bool = False  # whether each picture waits until it is taken (a video or folder, frame by frame)

    @property
    def remarks(self) -> list[str]:
        """Notes on unreadable pictures, once the end is reached."""
        return []

    @abstractmethod
    def read(self) -> np.ndarray | None:
        """The next picture, uint8 (height, width, 3) RGB; None after the last one. Waits for it as long as it takes.

        Raises:
            CameraLostError: a live camera that stopped giving pictures.
        """

    @abstractmethod
    def reopen(self) -> None:
        """Reconnect. Raises `UserError` where that fails."""

    @abstractmethod
    def close(self) -> None:
        """Release the device or file. It may be called more than once."""


class LiveCamera(Camera):
    """A camera of this machine, or a stream, by OpenCV.

    Args:
        source: index of a camera, path of its device, or a stream's address.
        settings: `size` and `rate` are requested; a camera may give others.

    Raises:
        UserError: there is no such camera, no permission, it is busy, or the stream does not answer.
    """

    live = True

    def __init__(self, source: int | str, settings: CameraSettings) -> None:
        self.source = source
        self.settings = settings
        self.name = _public_name(source)
        self._capture: Any = None
        self.reopen()

    def read(self) -> np.ndarray | None:
        """See `Camera.read`."""
        from static_gesture_classification.opencv import cv2

        read, pixels = self._capture.read()
        if not read or pixels is None:
            raise CameraLostError(f"{self.name} stopped giving pictures")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    def reopen(self) -> None:
        """See `Camera.reopen`."""
        from static_gesture_classification.opencv import cv2

        self.close()
        if isinstance(self.source, int) or str(self.source).startswith(str(DEVICES)):
            self._capture = self._open_device(cv2)
        else:
            timeouts = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
            ]
            self._capture = cv2.VideoCapture(str(self.source), cv2.CAP_FFMPEG, timeouts)
            if not self._capture.isOpened():
                raise UserError(
                    f"the stream {self.name} does not answer: check the address, the network and the password, or open "
                    f"it in a video player; else try {OTHER_SOURCES}"
                )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def close(self) -> None:
        """See `Camera.close`."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _open_device(self, cv2: Any) -> Any:
        check_device(self.source)
        capture = cv2.VideoCapture(self.source)
        if not capture.isOpened():
            raise UserError(
                f"{self.name} does not open. It is probably in use: close other programs that show it (a browser, a "
                f"meeting, another recorder), or unplug it and plug it in again; else try {OTHER_SOURCES}"
            )
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))  # raw pictures come at 10 a second by USB 2
        width, height = self.settings.size
        for key, value in ((cv2.CAP_PROP_FRAME_WIDTH, width), (cv2.CAP_PROP_FRAME_HEIGHT, height)):
            capture.set(key, value)
        capture.set(cv2.CAP_PROP_FPS, self.settings.rate)
        return capture


class FileCamera(Camera):
    """A video file or a folder of images in place of a camera.

    Args:
        path: the file or folder.
        settings: with `pace` "real" a video plays at its own rate, like a camera; with "all" each picture waits until
            it is taken. A folder's pictures always wait.

    Raises:
        UserError: there is no such file or folder, or nothing in it can be read.
    """

    live = False

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        self.path = path
        self.settings = settings
        self.name = printable(path.name)
        self._frames: Frames = frames(path)
        self._iterator = iter(self._frames)
        self.waits = settings.pace == "all" or not self._frames.is_video
        rate = self._frames.rate if isinstance(self._frames, VideoFrames) else 1 / FOLDER_INTERVAL
        self.seconds = 1 / (rate or settings.rate or 30)
        self._due: float | None = None

    def read(self) -> np.ndarray | None:
        """See `Camera.read`."""
        frame = next(self._iterator, None)
        if frame is None:
            return None
        if not self.waits:
            now = time.monotonic()
            self._due = max(self._due + self.seconds, now - self.seconds) if self._due is not None else now
            time.sleep(max(0.0, self._due - now))
        return frame.image

    def reopen(self) -> None:
        """Start again from the beginning."""
        self._iterator, self._due = iter(self._frames), None

    def close(self) -> None:
        """See `Camera.close`."""
        self._iterator = iter(())

    @property
    def remarks(self) -> list[str]:
        """See `Camera.remarks`."""
        return [*(f"{skipped.name}: {skipped.reason}" for skipped in self._frames.skipped), *self._frames.notes]


def open_camera(source: int | str, settings: CameraSettings) -> Camera:
    """Open a source: an index, a device, a stream's address, a video, or a folder of images.

    Raises:
        UserError: it cannot be opened.
    """
    text = str(source).strip()
    if CAMERA.fullmatch(text):
        return LiveCamera(int(text), settings)
    if STREAM.match(text) or text.startswith(f"{DEVICES}/"):
        return LiveCamera(text, settings)
    path = Path(text).expanduser()
    if not path.exists():
        raise UserError(f"source is {text!r}, which is no file or folder here; name {OTHER_SOURCES}")
    return FileCamera(path, settings)


def check_device(source: int | str) -> None:
    """Check on Linux, where a camera is a file, that it exists and this user may use it.

    Raises:
        UserError: it does not exist, or the user has no permission.
    """
    if not DEVICES.is_dir() or os.uname().sysname != "Linux":
        return
    device = DEVICES / f"video{source}" if isinstance(source, int) else Path(source)
    if not device.exists():
        present = sorted(path.name.removeprefix("video") for path in DEVICES.glob("video[0-9]*"))
        others = f"; cameras here: {', '.join(present)}" if present else "; no camera is connected to this machine"
        raise UserError(f"no camera {source}: {device} does not exist{others}. Plug one in, or try {OTHER_SOURCES}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise UserError(
            f"no permission to use {device}: add yourself to the group that owns it "
            f'(sudo usermod -aG {_group_of(device)} "$USER", then log out and in again), or try {OTHER_SOURCES}'
        )


def _group_of(device: Path) -> str:
    try:
        return device.group()
    except (KeyError, OSError):
        return "video"


def _public_name(source: int | str) -> str:
    if isinstance(source, int):
        return f"camera {source}"
    return re.sub(r"^([a-z0-9+.-]+://)[^/@]*@", r"\1", str(source), flags=re.IGNORECASE).split("?")[0]
