"""A real browser for the tests: Debian's chromium, driven by Playwright, with a camera that shows a film.

    def test_the_page_says_hello(browser: Browser, served: str) -> None:
        with opened(browser, served, dark=True) as (page, log):
            assert page.get_by_role("heading").inner_text() == "Hello"
        log.check()

It resolves no names and reaches no host but this machine's, whatever a page asks for. `log` holds what pages tried:
requests to other hosts, errors on the console, and what the page's policy (CSP) blocked.

One browser serves a file of tests, and not the whole session: Playwright keeps an event loop running in the thread of
the tests, beside which `asyncio.run` of other tests fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest

from static_gesture_classification.opencv import cv2
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDE, NARROW = (1280, 800), (390, 844)  # a laptop's window and a phone's, pixels
POLICY = "Content Security Policy"  # what the console says of a request that it blocked
CHATTER = "INFO: "  # WebAssembly's standard error goes to the console as errors
OWN = ("127.0.0.1", "localhost", "")  # "": data: and blob: addresses have no host


@dataclass
class Log:
    """What pages did: addresses on other hosts that they asked for, errors, and what their policy blocked."""

    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Fail if a page asked another host for something, or had an error."""
        assert not self.elsewhere, f"requests to other hosts: {self.elsewhere}"
        assert not self.errors, f"errors in the browser: {self.errors}"

    def watch(self, context: BrowserContext) -> None:
        """Log what all pages of a context do."""
        context.on("request", lambda request: self._request(request.url))
        context.on("console", lambda message: self._message(message.type, message.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._request(socket.url)))

    def _request(self, url: str) -> None:
        if (urlsplit(url).hostname or "") not in OWN:
            self.elsewhere.append(url)

    def _message(self, kind: str, text: str) -> None:
        if POLICY in text:
            self.blocked.append(text)
        elif kind == "error" and not text.startswith(CHATTER):
            self.errors.append(text)


@pytest.fixture(scope="session")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film that the browser's camera shows, again and again, from when a page opens the camera; see `film`."""
    return tmp_path_factory.mktemp("camera") / "film.mjpeg"


@pytest.fixture(scope="module")
def browser(camera_film: Path) -> Iterator[Browser]:
    """Chromium without a window; camera and microphone are allowed, and the camera shows `camera_film`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make setup)")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("there is no chromium (apt-get install chromium; or name one: CHROMIUM=/path/to/chromium)")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    camera += [f"--use-file-for-fake-video-capture={camera_film}"]
    nobody = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=executable, args=[*camera, nobody])


@contextmanager
def opened(
    browser: Browser, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False
) -> Iterator[tuple[Page, Log]]:
    """A page in a context of its own (no cookies, no cache), and the log of what it does.

    Args:
        browser: the fixture.
        address: of the page.
        size: of its window, pixels; see `WIDE` and `NARROW`.
        dark: whether the user prefers dark colours.
    """
    log = Log()
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    context.set_default_timeout(1000 * PATIENCE)
    log.watch(context)
    try:
        page = context.new_page()
        page.goto(address)
        yield page, log
    finally:
        context.close()


def film(path: Path, frames: Sequence[np.ndarray]) -> None:
    """Write a film for the camera: RGB uint8 images of one size, 30 a second, as Motion JPEG."""
    pictures = (cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1] for frame in frames)
    path.write_bytes(b"".join(picture.tobytes() for picture in pictures))


def frames_of(video: Path, first: int, count: int) -> list[np.ndarray]:
    """Consecutive frames of a video, uint8 (height, width, 3), RGB."""
    capture = cv2.VideoCapture(str(video))
    capture.set(cv2.CAP_PROP_POS_FRAMES, first)
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(count)]
    capture.release()
    return frames
