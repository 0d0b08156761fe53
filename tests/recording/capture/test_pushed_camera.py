"""A camera whose pictures are handed in."""

import threading

import numpy as np
import pytest
import simplejpeg

from static_gesture_classification.recording.capture.pushed_camera import PushedCamera


def jpeg(grey: int, size: int = 32) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(np.full((size, size, 3), grey, np.uint8), colorspace="RGB")
    return encoded


def test_the_newest_picture_wins_and_is_known_by_its_senders_number() -> None:
    camera = PushedCamera("a browser")
    for number in range(3):
        camera.give(number, jpeg(60 * number))
    image = camera.read()
    assert image is not None
    assert image.mean() == pytest.approx(120, abs=3)
    assert camera.sent_as(0) == 2
    camera.give(7, jpeg(200))
    camera.read()
    assert (camera.sent_as(0), camera.sent_as(1), camera.sent_as(2)) == (2, 7, -1)


@pytest.mark.parametrize("data", [b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b""])
def test_what_is_no_jpeg_is_passed_over(data: bytes) -> None:
    camera = PushedCamera("a browser")
    camera.give(0, data)
    camera.end()
    assert camera.read() is None


def test_the_end_ends_a_read_that_waits() -> None:
    camera = PushedCamera("a browser")
    reading = threading.Thread(target=camera.read)
    reading.start()
    camera.end()
    reading.join(5)
    assert not reading.is_alive()
