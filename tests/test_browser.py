"""The browser of the tests: what it sees is what pages do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.browser import film, opened
from tests.support.page_server import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POLICY = '<meta http-equiv="Content-Security-Policy" content="connect-src \'self\'">'
ASK = "<script>fetch('https://example.org/').catch(() => document.title = 'refused')</script>"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of `tmp_path`."""
    with served(tmp_path) as address:
        yield address


def test_a_request_to_another_host_is_logged_and_reaches_nobody(browser: Browser, address: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(ASK)
    with opened(browser, f"{address}/page.html") as (page, log):
        page.wait_for_function("document.title === 'refused'")
    assert log.elsewhere == ["https://example.org/"]
    with pytest.raises(AssertionError, match=r"example\.org"):
        log.check()


def test_what_a_policy_blocks_is_no_request(browser: Browser, address: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(POLICY + ASK)
    with opened(browser, f"{address}/page.html") as (page, log):
        page.wait_for_function("document.title === 'refused'")
    assert not log.elsewhere
    assert "example.org" in log.blocked[0]


def test_the_camera_shows_the_film(browser: Browser, address: str, tmp_path: Path, camera_film: Path) -> None:
    film(camera_film, [np.full((120, 160, 3), (200, 20, 20), np.uint8)] * 3)
    (tmp_path / "page.html").write_text("<video autoplay muted></video>")
    with opened(browser, f"{address}/page.html") as (page, _):
        red, green, blue = page.evaluate(
            """async () => {
                const video = document.querySelector("video");
                video.srcObject = await navigator.mediaDevices.getUserMedia({video: true});
                const nextFrame = () => new Promise(resolve => video.requestVideoFrameCallback(resolve));
                await nextFrame();  // which Chromium may show black
                await nextFrame();
                const canvas = new OffscreenCanvas(1, 1).getContext("2d");
                canvas.drawImage(video, 0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
            }"""
        )
    assert red > 150 > 80 > max(green, blue)
