"""A server that is killed while a page records loses no picture that the page was shown as kept."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from websockets.sync.client import connect

from static_gesture_classification.images import read_image
from static_gesture_classification.sources.recorded import read_session
from tests.review.conftest import EASY
from tests.support.review_server import PROJECT

SHOWN = 5


@pytest.mark.full
@pytest.mark.concurrent
def test_what_the_page_showed_as_kept_is_on_the_disk_after_a_kill(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "static_gesture_classification.app",
        "review.port=0",
        "review.browser=false",
    ]
    server = subprocess.Popen(
        [*command, *EASY, "recording.count=500"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0].replace("http", "ws")
        with connect(f"{address}record/camera?gesture=FIST") as socket:
            shown, began = -1, False
            for number in itertools.count():
                noise = np.random.default_rng(number).integers(0, 255, (120, 160, 3), np.uint8)
                socket.send(number.to_bytes(4, "big") + simplejpeg.encode_jpeg(noise, colorspace="RGB"))
                state = json.loads(socket.recv(60))["state"]
                if state["screen"] == "ready" and not began:
                    socket.send(json.dumps({"keys": ["space"]}))  # once: a second one would pause
                    began = True
                shown = state.get("kept", shown)
                if shown >= SHOWN:
                    break
            server.send_signal(signal.SIGKILL)
            server.wait(20)
    finally:
        server.kill()
        server.wait()
    (folder,) = (tmp_path / "data" / "recorded").glob("[!.]*")
    session = read_session(folder)
    assert len(session.images) >= shown
    assert all(read_image(folder / image.file).size for image in session.images)
