"""Cameras that misbehave, behind the camera's interface; what is measured is what the recorder sees of them."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.capture.camera import Camera, CameraLostError, CameraSettings
from static_gesture_classification.recording.capture.latest_frame import (
    BLACK_PICTURE,
    ENDED,
    LOST,
    RUNNING,
    STALLED,
    CameraStatus,
    LatestFrame,
)
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.concurrent
SETTINGS = CameraSettings(
    pace="real", size=(640, 480), rate=30, stall_seconds=60, black_seconds=60, reconnect_seconds=60
)
GREY = np.full((48, 64, 3), 128, np.uint8)


class Scripted(Camera):
    """Gives what a generator gives; a `CameraLostError` among it is raised."""

    def __init__(self, pictures: Callable[[], Iterator[object]], live: bool = True, waits: bool = False) -> None:
        self.name, self.live, self.waits = "camera 0", live, waits
        self.pictures, self.reopened, self.closed = pictures(), 0, False

    def read(self) -> np.ndarray | None:
        item = next(self.pictures, None)
        if isinstance(item, Exception):
            raise item
        return item  # type: ignore[return-value]

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed = True


def test_newest_picture_wins_and_the_others_are_counted() -> None:
    released = threading.Event()

    def pictures() -> Iterator[object]:
        for number in range(10):
            yield np.full_like(GREY, 20 * number)
        released.wait(PATIENCE)

    with LatestFrame(Scripted(pictures), SETTINGS) as frames:
        until(lambda: frames.arrived == 10)
        captured = frames.take(PATIENCE)
        released.set()
        assert captured is not None
        assert (captured.number, captured.image[0, 0, 0], frames.dropped) == (9, 180, 9)


def test_no_picture_of_a_file_that_waits_is_dropped() -> None:
    camera = Scripted(lambda: iter([GREY] * 50), live=False, waits=True)
    with LatestFrame(camera, SETTINGS) as frames:
        numbers = []
        while not frames.status.over:
            captured = frames.take(0.5)
            numbers += [] if captured is None else [captured.number]
    assert numbers == list(range(50))
    assert (frames.dropped, frames.status.state) == (0, ENDED)
    assert camera.closed


def test_video_that_is_held_waits_and_is_not_at_its_end_before_it_goes_on() -> None:
    camera = Scripted(lambda: iter([GREY] * 5), live=False)
    frames = LatestFrame(camera, SETTINGS.model_copy(update={"stall_seconds": 0.01, "black_seconds": 0.01}))
    frames.play(False)
    with frames:
        until(lambda: frames.take(0.01) is not None)
        time.sleep(0.05)
        assert (frames.arrived, frames.take(0.01), frames.status) == (1, None, CameraStatus(RUNNING))
        frames.play(True)
        until(lambda: frames.arrived == 5)
        assert not frames.status.over  # the last picture is still to be looked at
        frames.take(0.01)
        until(lambda: frames.status.state == ENDED)


def test_camera_that_stalls_is_told_of_and_recovers() -> None:
    go_on = threading.Event()

    def pictures() -> Iterator[object]:
        yield GREY
        go_on.wait(PATIENCE)
        while True:
            time.sleep(0.01)
            yield GREY

    with LatestFrame(Scripted(pictures), SETTINGS.model_copy(update={"stall_seconds": 0.1})) as frames:
        until(lambda: frames.status.state == STALLED)
        assert "Is camera 0 still plugged in?" in frames.status.message
        go_on.set()
        until(lambda: frames.status.state == RUNNING)


def test_black_pictures_are_told_of() -> None:
    def pictures() -> Iterator[object]:
        while True:
            time.sleep(0.01)
            yield np.full_like(GREY, 3)

    with LatestFrame(Scripted(pictures), SETTINGS.model_copy(update={"black_seconds": 0.1})) as frames:
        until(lambda: frames.status.state == BLACK_PICTURE)
        assert "lens covered" in frames.status.message


def test_camera_that_vanishes_and_comes_back_goes_on() -> None:
    def pictures() -> Iterator[object]:
        yield GREY
        yield CameraLostError("camera 0 stopped giving pictures")
        while True:
            time.sleep(0.01)
            yield GREY

    camera = Scripted(pictures)
    with LatestFrame(camera, SETTINGS) as frames:
        until(lambda: frames.remark == "camera 0 is back")
        until(lambda: frames.take(0.1) is not None)
        assert (camera.reopened, frames.status) == (1, CameraStatus(RUNNING))


def test_camera_that_stays_away_ends_the_recording_and_says_so() -> None:
    def pictures() -> Iterator[object]:
        yield GREY
        while True:
            yield CameraLostError("camera 0 stopped giving pictures")

    with LatestFrame(Scripted(pictures), SETTINGS.model_copy(update={"reconnect_seconds": 0.1})) as frames:
        assert frames.take(PATIENCE) is not None
        until(lambda: frames.status.state == LOST)
        assert "did not come back" in frames.status.message
        assert frames.take(0.01) is None


def test_change_of_size_is_remarked() -> None:
    camera = Scripted(lambda: iter([GREY, GREY[:24, :32]]), live=False, waits=True)
    with LatestFrame(camera, SETTINGS) as frames:
        sizes = [captured.image.shape[:2] for captured in iter(lambda: frames.take(0.5), None)]
    assert sizes == [(48, 64), (24, 32)]
    assert frames.remark == "the picture's size changed from 64 x 48 to 32 x 24"


def test_error_of_the_source_reaches_the_recorder() -> None:
    def pictures() -> Iterator[object]:
        yield UserError("clip.mp4 has no readable frame")

    with LatestFrame(Scripted(pictures), SETTINGS) as frames, pytest.raises(UserError, match="no readable frame"):
        frames.take(PATIENCE)
