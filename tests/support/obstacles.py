"""What keeps people out of a page, by axe-core (https://github.com/dequelabs/axe-core)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser import NARROW

if TYPE_CHECKING:
    from playwright.sync_api import Page

SERIOUS = ("serious", "critical")


def obstacles(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.evaluate("Promise.allSettled(document.getAnimations().map(each => each.finished)).then(() => null)")
    looked = {"exclude": [[".q-loading-bar"]]}  # the thin line of Quasar's while a page loads
    results: dict[str, Any] = axe.Axe().run(page, looked, {"resultTypes": ["violations"]}).response
    return [
        f"{found['id']}: {found['help']}: {node['html'][:200]}"
        for found in results["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def check_nobody_is_kept_out(page: Page) -> None:
    """Check the page as it is and, narrow and dark, as on a phone, where it is not scrolled sideways either."""
    found = obstacles(page)
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    page.emulate_media(color_scheme="dark")
    page.locator("body.body--dark").wait_for()
    found += obstacles(page)
    assert not found
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= NARROW[0], "it has to be scrolled sideways on a phone"
