import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording import camera as camera_module
from static_gesture_classification.recording.camera import Camera, FileCamera, check_device, open_camera
from static_gesture_classification.recording.settings import CameraSettings

SETTINGS = CameraSettings("all", (640, 480), 30, 60, 60, 60)


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
    real = open_camera(str(path), CameraSettings("real", (640, 480), 30, 60, 60, 60))
    assert (real.waits, open_camera(str(path), SETTINGS).waits) == (False, True)
    assert real.seconds == pytest.approx(1 / 15)
    assert len(pictures(real)) == 3


@pytest.mark.skipif(not Path("/dev").is_dir(), reason="cameras are not files here")
def test_missing_camera_says_what_there_is_and_what_to_try() -> None:
    with pytest.raises(UserError, match=r"no camera 97: /dev/video97 does not exist.*recording\.source=FILE"):
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
    with pytest.raises(UserError, match=r"recording\.source is 'no-such-file'"):
        open_camera("no-such-file", SETTINGS)


def test_pictures_are_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 100, 0)).save(tmp_path / "0.png")
    image = open_camera(str(tmp_path), SETTINGS).read()
    assert image is not None
    assert np.array_equal(image[0, 0], (200, 100, 0))
