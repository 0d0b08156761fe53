"""From a clean clone to a gesture of one's own, recognised live, in a real browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import film, frames_of, opened
from tests.support.review_server import review_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOUR = (153, 34)  # first frame and number of frames of the video in which it is shown
OWN = "QUARTET"  # what the person calls it
# A clone whose gestures lack FOUR, so that somebody can add it.
WITHOUT_FOUR = """
gestures:
  names: [BACKGROUND, ONE, TWO, THREE, FIVE, THUMBS_UP, THUMBS_DOWN, OKAY, FIST]
"""
FIVE_MINUTES = 300.0
PATIENCE = 1_200_000  # ms, however busy the machine


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder without data or models."""
    (tmp_path / "conf" / "local").mkdir(parents=True)
    (tmp_path / "conf" / "local" / "default.yaml").write_text(WITHOUT_FOUR)
    return tmp_path


@pytest.mark.full
def test_from_nothing_to_a_gesture_of_ones_own(
    browser: Browser, camera_film: Path, clone: Path, photographs: Path, hand_landmarker: Path
) -> None:
    shots = frames_of(photographs / "videos" / "webcam.mp4", *FOUR)  # single shots: each is held for a second
    film(camera_film, [shot for shot in shots[::3] for _ in range(30)])
    with review_server(clone, [f"detector.model.path={hand_landmarker}"]) as address, opened(browser, address) as both:
        page, log = both
        page.set_default_timeout(PATIENCE)
        began = time.monotonic()
        page.get_by_role("button", name="Make a first model").click()
        wait_for_job(page)
        page.get_by_role("link", name="Start").click()
        page.get_by_role("button", name="Add a gesture").click()
        page.get_by_label("Name of the gesture").fill(OWN)
        page.get_by_role("button", name="Take 5 pictures").click()
        page.get_by_text("Taken.").wait_for()
        page.get_by_role("button", name="Learn it").click()
        wait_for_job(page)
        page.get_by_alt_text("Samples and fitted hands").wait_for()
        page.get_by_role("button", name="Try it live").click()
        page.get_by_role("button", name="Start the camera").click()
        page.get_by_text(OWN).first.wait_for()
        print(f"from an empty folder to {OWN} seen live: {time.monotonic() - began:.0f} s of {FIVE_MINUTES:.0f}")
        retrain_and_promote(page)
    log.check()
    assert OWN in (clone / "conf" / "local" / "default.yaml").read_text()
    assert (clone / "models" / "added.ckpt").is_file()


def retrain_and_promote(page: Page) -> None:
    """Train on what was recorded; two models of different gestures cannot be compared, so a person decides."""
    page.get_by_role("link", name="Retrain").click()
    page.get_by_role("button", name="Retrain quickly").click()
    wait_for_job(page)
    page.get_by_text(f"only models/quick/trained.ckpt tells {OWN} apart").first.wait_for()
    page.get_by_role("button", name="Promote it anyway").click()
    page.get_by_role("button", name="Promote it", exact=True).click()
    page.get_by_text("It is the best one now").wait_for()


def wait_for_job(page: Page) -> None:
    """Wait until the job that the page shows has finished."""
    page.wait_for_url("**/jobs/*")
    page.get_by_role("button", name="Start it again").wait_for()
    assert page.get_by_text("finished", exact=True).is_visible(), page.locator("#content").inner_text()
