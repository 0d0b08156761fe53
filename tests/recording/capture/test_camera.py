import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.errors import UserError
from static_gesture_classification.opencv import cv2
from static_gesture_classification.recording.capture import camera as camera_module
from static_gesture_classification.recording.capture.camera import (
    Camera,
    CameraSettings,
    FileCamera,
    LiveCamera,
    check_device,
    open_camera,
)

SETTINGS = CameraSettings(
    pace="all", size=(640, 480), rate=30, stall_seconds=60, black_seconds=60, reconnect_seconds=60
)


def pictures(camera: Camera) -> list[np.ndarray]:
    found = []
    while (image := camera.read()) is not None:
        found.append(image)
    return found


def test_folder_gives_each_image_once_and_names_what_it_cannot_read(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (64, 48), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    camera = open_camera(str(tmp_path), SETTINGS)
    assert isinstance(camera, FileCamera)
    assert camera.waits
    assert [image[0, 0, 0] for image in pictures(camera)] == [0, 80, 160]
    assert len(camera.remarks) == 1
    assert camera.remarks[0].startswith("broken.jpg")


def test_truncated_video_gives_what_it_has_and_says_so(tmp_path: Path, clip: Callable[..., Path]) -> None:
    whole = clip(tmp_path / "clip.avi", 40)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    camera = open_camera(str(cut), SETTINGS)
    assert isinstance(camera, FileCamera)
    count = len(pictures(camera))
    assert 0 < count < 40
    assert "could be read" in camera.remarks[0]


def test_video_plays_at_its_own_rate_unless_each_picture_is_wanted(tmp_path: Path, clip: Callable[..., Path]) -> None:
    path = clip(tmp_path / "clip.avi", 3)
    real = open_camera(str(path), SETTINGS.model_copy(update={"pace": "real"}))
    assert (real.waits, open_camera(str(path), SETTINGS).waits) == (False, True)
    assert real.seconds == pytest.approx(1 / 15)
    assert len(pictures(real)) == 3


def test_video_that_cannot_be_decoded_is_refused_before_the_recording(cases: Path) -> None:
    with pytest.raises(UserError, match=r"av1\.mp4 opens as a video but has no readable frame: it is in AV1"):
        open_camera(str(cases / "videos/av1.mp4"), SETTINGS)


@pytest.mark.skipif(not Path("/dev").is_dir(), reason="cameras are not files here")
def test_missing_camera_says_what_there_is_and_what_to_try() -> None:
    with pytest.raises(UserError, match=r"no camera 97: /dev/video97 does not exist.*source=FILE"):
        open_camera(97, SETTINGS)


def test_missing_permission_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video0").touch()
    monkeypatch.setattr(camera_module, "DEVICES", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"no permission to use .*video0: .*usermod -aG"):
        check_device(0)


def test_device_that_gives_no_pictures_is_probably_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video97").touch()
    monkeypatch.setattr(camera_module, "DEVICES", tmp_path)
    with pytest.raises(UserError, match=r"camera 97 does not open.*close other programs"):
        open_camera(97, SETTINGS)


def test_stream_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(UserError, match="does not answer") as caught:
        open_camera("http://anna:secret@127.0.0.1:9/stream?token=abc", SETTINGS)
    assert "http://127.0.0.1:9/stream " in str(caught.value)
    assert not re.search("secret|abc", str(caught.value))


@pytest.mark.parametrize("name", ["2024_11_05", "20241105", "007"])
def test_folder_called_like_a_number_is_a_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    Image.new("RGB", (9, 6)).save(tmp_path / name / "a.png")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_camera(name, SETTINGS), FileCamera)


def test_source_that_is_nothing_says_what_it_could_be() -> None:
    with pytest.raises(UserError, match=r"source is 'no-such-file'"):
        open_camera("no-such-file", SETTINGS)


def test_pictures_are_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 100, 0)).save(tmp_path / "0.png")
    image = open_camera(str(tmp_path), SETTINGS).read()
    assert image is not None
    assert np.array_equal(image[0, 0], (200, 100, 0))


def test_pictures_of_a_live_camera_are_rgb(tmp_path: Path) -> None:
    """A film behind an address in place of a camera: OpenCV gives its pictures in the same way, blue first."""
    film = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(3):
        film.write(np.full((48, 64, 3), (10, 90, 220), np.uint8))  # blue, green, red
    film.release()
    camera = open_camera(f"file://{tmp_path / 'red.avi'}", SETTINGS)
    assert isinstance(camera, LiveCamera)
    image = camera.read()
    camera.close()
    assert image is not None
    assert image[24, 32].astype(int) == pytest.approx((220, 90, 10), abs=12)
