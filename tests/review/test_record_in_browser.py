"""Recording in a real browser, by the keyboard alone, from a camera that shows a film."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from static_gesture_classification.sources.recorded import read_session
from tests.review.conftest import EASY
from tests.support.browser import NARROW, film, opened
from tests.support.review_server import review_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.full
PATIENCE_MS = 60_000
COUNT = 5  # two rows of the contact sheet on a phone


@pytest.fixture
def address(tmp_path: Path, camera_film: Path) -> Iterator[str]:
    random = np.random.default_rng(0)
    film(camera_film, [random.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(20)])
    with review_server(tmp_path, [*EASY, f"recording.count={COUNT}"]) as started:
        yield started


def test_a_gesture_is_recorded_by_the_keyboard_alone(browser: "Browser", address: str, tmp_path: Path) -> None:
    with opened(browser, f"{address}/record?gesture=FIST") as (page, log):
        page.set_default_timeout(PATIENCE_MS)
        page.get_by_role("button", name="Start the camera").focus()
        page.keyboard.press("Enter")
        page.get_by_text("Press Space to start").wait_for()
        assert page.get_by_role("heading", name="FIST").is_visible()
        page.keyboard.press("Space")
        page.get_by_role("heading", name="Keep these as FIST?").wait_for()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        page.get_by_role("button", name="picture 2, FIST, dropped").wait_for()
        page.keyboard.press("u")
        page.get_by_text(f"{COUNT} kept, 0 dropped").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text(f"{COUNT} pictures saved").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Retrain").wait_for()
        log.check()
    (folder,) = (tmp_path / "data" / "recorded").glob("[!.]*")
    assert len(read_session(folder).images) == COUNT


def test_arrows_go_by_the_rows_that_are_seen(browser: "Browser", address: str) -> None:
    with opened(browser, f"{address}/record?gesture=FIST", size=NARROW) as (page, log):
        page.set_default_timeout(PATIENCE_MS)
        page.get_by_role("button", name="Start the camera").click()
        page.get_by_text("Press Space to start").wait_for()
        page.keyboard.press("Space")
        page.get_by_role("heading", name="Keep these as FIST?").wait_for()
        for key, picture in (("ArrowDown", 4), ("ArrowDown", 4), ("ArrowUp", 1), ("ArrowRight", 2), ("ArrowDown", 5)):
            page.keyboard.press(key)
            page.locator(f"button.gc-here[aria-label^='picture {picture},']").wait_for()
        log.check()


def test_a_second_tab_is_told_and_the_first_goes_on(browser: "Browser", address: str) -> None:
    with opened(browser, f"{address}/record?gesture=FIST") as (first, _):
        first.set_default_timeout(PATIENCE_MS)
        first.get_by_role("button", name="Start the camera").click()
        first.get_by_text("Press Space to start").wait_for()
        with opened(browser, f"{address}/record?gesture=ONE") as (second, _):
            second.set_default_timeout(PATIENCE_MS)
            second.get_by_role("button", name="Start the camera").click()
            second.get_by_role("alert").get_by_text("Another page").wait_for()
        first.keyboard.press("Space")
        first.get_by_role("heading", name="Keep these as FIST?").wait_for()
