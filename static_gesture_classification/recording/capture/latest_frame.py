"""Capture in its own thread: the newest picture is kept, and the camera never waits for the recorder."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.capture.camera import Camera, CameraLostError, CameraSettings

OVER = 30  # number of pictures that it is measured over
BLACK = 10  # mean grey level (0..255) up to which a picture counts as black
CAMERA_RETRY_SECONDS = 0.5

RUNNING, STALLED, BLACK_PICTURE, RECONNECTING, ENDED, LOST = (
    "running",
    "stalled",
    "black",
    "reconnecting",
    "ended",
    "lost",
)


@dataclass(frozen=True)
class Captured:
    """A picture as it came: uint8 (height, width, 3) RGB, its number from 0, and when.

    `time` is in monotonic seconds: of its arrival, or its place in the video for a picture that waits.
    """

    image: np.ndarray
    number: int
    time: float


@dataclass(frozen=True)
class CameraStatus:
    """The camera's state: `state` is one of this module's names; `message` is for the user, "" while all is well."""

    state: str
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether no more pictures will come."""
        return self.state in (ENDED, LOST)


class LatestFrame:
    """Reads a camera in a thread and keeps its newest picture. Use it as a context manager.

    Args:
        camera: is closed with it.
        settings: limits for stalls and black pictures, and how long to wait for a lost camera.

    Attributes:
        dropped: pictures that were replaced by a newer one before they were taken.
        arrived: pictures that came.
    """

    def __init__(self, camera: Camera, settings: CameraSettings) -> None:
        self.camera = camera
        self.settings = settings
        self.dropped = 0
        self.arrived = 0
        self._newest: Captured | None = None
        self._condition = threading.Condition()
        self._stop = threading.Event()
        self._playing = True
        self._status = CameraStatus(RUNNING)
        self._failure: BaseException | None = None
        self._last = self._bright = time.monotonic()
        self._rate = Rate()
        self._size: tuple[int, ...] | None = None
        self.remark = ""  # the latest thing that happened to the pictures, such as a new size
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with self._condition:
            self._condition.notify_all()
        self._thread.join(timeout=2)  # a read that hangs in the driver must not hang the program
        if not self._thread.is_alive():
            self.camera.close()

    def take(self, timeout: float) -> Captured | None:
        """The newest picture that was not taken yet; None where none came within `timeout` seconds.

        Raises:
            UserError: the source cannot be read at all.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._newest is not None or self._status.over, timeout)
            newest, self._newest = self._newest, None
            self._condition.notify_all()
        if self._failure is not None:
            raise self._failure
        return newest

    @property
    def newest(self) -> Captured | None:
        """The picture that `take` would give now."""
        return self._newest

    def play(self, playing: bool) -> None:
        """Resume reading, or pause after the next picture; a paused source does not reach its end."""
        with self._condition:
            if playing and not self._playing:
                self._last = self._bright = time.monotonic()
            self._playing = playing
            self._condition.notify_all()

    @property
    def rate(self) -> float:
        """The camera's latest rate, pictures a second."""
        return self._rate.value

    @property
    def status(self) -> CameraStatus:
        """The camera's state now."""
        if self._status.state != RUNNING or self.camera.waits or not self._playing:
            return self._status
        now = time.monotonic()
        if now - self._last > self.settings.stall_seconds:
            return CameraStatus(
                STALLED,
                f"No picture for {now - self._last:.0f} s. Is {self.camera.name} still plugged in? Is another program "
                "using it? What is recorded is saved.",
            )
        if now - self._bright > self.settings.black_seconds:
            return CameraStatus(
                BLACK_PICTURE, "The picture is black. Is the lens covered, its shutter closed, the room dark?"
            )
        return self._status

    def _capture(self) -> None:
        try:
            while not self._stop.is_set():
                image = self._read()
                if image is None:
                    self._finish()
                    return
                self._keep(image)
                with self._condition:
                    self._condition.wait_for(lambda: self._playing or self._stop.is_set())
        except Exception as error:  # handed to the thread that asks for pictures
            self._failure = error
            self._end(CameraStatus(LOST, str(error)))

    def _finish(self) -> None:
        """Wait until the last picture is taken, then report the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is None or self._stop.is_set())
        if self._status.state != LOST:
            self._end(CameraStatus(ENDED, f"{self.camera.name} is at its end."))

    def _end(self, status: CameraStatus) -> None:
        with self._condition:
            self._status = status
            self._condition.notify_all()

    def _read(self) -> np.ndarray | None:
        try:
            return self.camera.read()
        except CameraLostError as error:
            return self._read_again(str(error))

    def _read_again(self, reason: str) -> np.ndarray | None:
        """The first picture after a lost camera came back; None if it did not."""
        until = time.monotonic() + self.settings.reconnect_seconds
        self._status = CameraStatus(RECONNECTING, f"{reason}. Trying to reach it again; what is recorded is saved.")
        while time.monotonic() < until and not self._stop.wait(CAMERA_RETRY_SECONDS):
            try:
                self.camera.reopen()
                image = self.camera.read()
            except (CameraLostError, UserError):
                continue
            self._status, self.remark = CameraStatus(RUNNING), f"{self.camera.name} is back"
            return image
        self._end(
            CameraStatus(
                LOST,
                f"{reason} and did not come back within {self.settings.reconnect_seconds:g} s. What is recorded is "
                "saved; plug it in and start again.",
            )
        )
        return None

    def _keep(self, image: np.ndarray) -> None:
        now = time.monotonic()
        if self._size is not None and image.shape != self._size:
            old, new = (f"{size[1]} x {size[0]}" for size in (self._size, image.shape))
            self.remark = f"the picture's size changed from {old} to {new}"
        self._size = image.shape
        if image[::16, ::16].mean() > BLACK:
            self._bright = now
        with self._condition:
            if self.camera.waits:
                self._condition.wait_for(lambda: self._newest is None or self._stop.is_set())
            elif self._newest is not None:
                self.dropped += 1
            moment = self.arrived * self.camera.seconds if self.camera.waits else now
            self._newest = Captured(image, self.arrived, moment)
            self.arrived += 1
            self._last = now
            self._rate.count()
            self._condition.notify_all()


class Rate:
    """Measures a rate over the latest pictures."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=OVER)

    def count(self) -> None:
        """Count a picture, now."""
        self._times.append(time.monotonic())

    @property
    def value(self) -> float:
        """Pictures a second; 0 before the second one."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
