"""Every page in a real browser: it opens without an error, asks no other host, and keeps nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from static_gesture_classification.review.pages import PAGES
from tests.support.browser import NARROW, WIDE, opened
from tests.support.review_server import review_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ADDRESSES = [page.address for page in PAGES if "{" not in page.address]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page in a folder in which there is nothing yet."""
    with review_server(tmp_path_factory.mktemp("empty")) as address:
        yield address


@pytest.mark.parametrize("place", ADDRESSES)
def test_a_page_without_data_opens_and_keeps_nobody_out(browser: Browser, empty: str, place: str) -> None:
    with opened(browser, empty + place) as (page, log):
        page.locator("#content").wait_for()
        found = obstacles(page)
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        page.emulate_media(color_scheme="dark")
        found += obstacles(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
    log.check()
    assert not found
    assert wide <= NARROW[0], "it has to be scrolled sideways on a phone"


def obstacles(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results: dict[str, Any] = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{found['id']}: {found['help']}: {node['html'][:200]}"
        for found in results["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def test_the_navigation_is_reached_by_keyboard_alone(browser: Browser, empty: str) -> None:
    with opened(browser, empty, size=WIDE) as (page, log):
        page.locator("#content").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        reached = set()
        for _ in range(len(PAGES) + 4):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
        listed = {each.address for each in PAGES if each.listed}
    log.check()
    assert listed <= reached
