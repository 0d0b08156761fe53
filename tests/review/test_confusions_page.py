"""See what is confused, look at it, fix a label, take it back: in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from PIL import Image

from static_gesture_classification.evaluation.predictions import Predictions, write_predictions
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from tests.support.browser import NARROW, opened
from tests.support.review_server import review_server
from tests.support.seeded_predictions import VOCABULARY, seeded_predictions
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with predictions on val, some of them wrong, and their pictures."""
    folder = tmp_path_factory.mktemp("page")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(COUNT):
        Image.new("RGB", (64, 48), (4 * number, 100, 200)).save(pictures / f"image_{number}.jpg")
    predictions = seeded_predictions(COUNT, right=0.6)
    at = predictions.table.schema.get_field_index("root")
    table = predictions.table.set_column(at, "root", pa.array([str(pictures)] * COUNT, pa.string()))
    write_predictions(
        Predictions(table, predictions.gestures, predictions.embeddings), folder / "reports/predictions/val.parquet"
    )
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    """The page's address."""
    with review_server(folder, ["fix_labels.who=ann"]) as address:
        yield address


def fixes(folder: Path) -> dict[str, str]:
    return {fix.sample: fix.to for fix in read_label_fixes(folder / "data/label_fixes.csv", VOCABULARY).fixes}


def test_the_worst_pair_opens_and_a_label_is_fixed_and_restored_by_keys_alone(
    browser: Browser, served: str, folder: Path
) -> None:
    with opened(browser, f"{served}/confusions") as (page, log):
        page.get_by_text("Worst pairs").wait_for()
        worst = page.locator("button", has_text="at stake").first
        gesture = worst.inner_text().split(" taken for ")[0].strip()
        worst.press("Enter")
        page.get_by_text(f"shows {gesture}").wait_for()
        page.locator(".gallery button").first.press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("1 of ").wait_for()
        other = next(name for name in VOCABULARY if name != gesture)
        page.keyboard.press(str((VOCABULARY.index(other) + 1) % 10))
        until(lambda: list(fixes(folder).values()) == [other])
        page.keyboard.press("u")
        until(lambda: not fixes(folder))
        page.keyboard.press("d")
        until(lambda: list(fixes(folder).values()) == ["drop"])
        page.goto(f"{served}/history")
        page.get_by_role("button", name="Take back:").first.press("Enter")
        until(lambda: not fixes(folder))
        page.get_by_text("taken back").first.wait_for()
    log.check()


def test_cells_rows_and_chips_narrow_and_widen_on_a_phone_in_the_dark(browser: Browser, served: str) -> None:
    with opened(browser, f"{served}/confusions?gesture=FIVE&only_errors=1", size=NARROW, dark=True) as (page, log):
        page.get_by_role("heading", name="all FIVE: ").wait_for()
        page.get_by_label("Remove: only errors").locator(".q-chip__icon--remove").click()
        page.get_by_label("Remove: only errors").wait_for(state="detached")
        page.get_by_role("button", name="ONE: all predicted so").click()
        page.get_by_role("heading", name="all taken for ONE: ").wait_for()
        pictures = page.locator(".gallery img")
        assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 128
    log.check()


def test_names_that_a_browser_makes_up_open_nothing(browser: Browser, served: str) -> None:
    with opened(browser, f"{served}/confusions?gesture=%3Cscript%3E&prediction=../x&subject=nobody") as (page, _):
        page.get_by_role("heading", name=f"all samples: {COUNT}").wait_for()
        page.goto(f"{served}/confusions?run=../../etc&epoch=x")
        page.get_by_text("there is no run ../../etc").wait_for()
        page.goto(f"{served}/samples/..%5Cnobody")
        page.get_by_text("No such sample").wait_for()
        assert page.request.get(f"{served}/pictures/nobody").status == 404
