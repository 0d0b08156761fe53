"""The pages of runs, of one run, and of checkpoints, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from static_gesture_classification.tracking.run_folder import RunFolder
from tests.evaluation.conftest import SIZE, prepared, trained_run  # noqa: F401  (fixtures)
from tests.support.browser import NARROW, opened
from tests.support.review_server import review_server
from tests.support.reviewed_project import RUNS, write_project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def project(prepared: Path, trained_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """Two runs of the pipeline, one of the quick loop with the first one's id, and prepared data."""
    folder = tmp_path_factory.mktemp("reviewed")
    write_project(folder, prepared, trained_run)
    return folder


@pytest.fixture(scope="module")
def address(project: Path) -> Iterator[str]:
    with review_server(project, [f"crops.size={SIZE}", "trainer.threads=1", "compare.resamples=50"]) as served:
        yield served


def names_in(page: Page) -> list[str]:
    return page.locator(".runs tbody a").all_inner_texts()


def test_runs_are_found_chosen_and_compared_by_keyboard_alone(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/runs") as (page, log):
        page.get_by_text("3 runs").wait_for()
        assert sorted(names_in(page)) == ["first", "quick:first", "second"]
        page.keyboard.press("/")
        page.keyboard.type("tag_second")
        page.wait_for_function("document.querySelectorAll('.runs tbody a').length === 1")
        page.get_by_label("Search in all columns (/)").fill("")
        page.wait_for_function("document.querySelectorAll('.runs tbody a').length === 3")
        for count, name in enumerate(("second", "first"), 1):
            page.get_by_label(f"Choose {name}", exact=True).press("Space")
            page.get_by_text(f"Compare {count}").wait_for()
        page.get_by_role("button", name="Created").focus()
        page.keyboard.press("c")
        page.wait_for_url(re.compile(r"chosen="))
        page.get_by_text("train_hyperparams/lr", exact=True).wait_for()
        page.get_by_role("button", name="Give the verdict").press("Enter")
        page.get_by_text("Verdict: do not promote").wait_for()
        assert page.get_by_text(re.compile("95% interval of the difference")).count()
    log.check()


def test_the_slider_goes_through_the_epochs_and_a_cell_leads_to_its_samples(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/runs/first?tab=Val+Dataset+Metrics") as (page, log):
        slider = page.get_by_role("slider")
        for key, epoch in (("", 2), ("ArrowLeft", 1), ("Home", 0)):  # it begins at the best
            if key:
                slider.press(key)
            page.get_by_text(f"Epoch {epoch}: weighted F1").wait_for()
        cell = page.locator(".matrix td.right a").first
        gesture = cell.get_attribute("title").partition(" taken for")[0]  # type: ignore[union-attr]
        link = f"/confusions?run=first&epoch=0&gesture={gesture}&prediction={gesture}"
        assert cell.get_attribute("href") == link
    log.check()


@pytest.mark.parametrize("tab", ["Train Data Samples", "Gestures distribution in data"])
def test_pictures_come_by_run_and_field(browser: Browser, address: str, tab: str) -> None:
    with opened(browser, f"{address}/runs/quick:first?tab={tab}", size=NARROW, dark=True) as (page, log):
        page.locator(".pictures img").first.wait_for()
        page.wait_for_function("document.querySelector('.pictures img').naturalWidth > 0")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    log.check()


@pytest.mark.parametrize(
    "path",
    [
        "/runs/first/pictures/config",
        "/runs/first/pictures/..%2f..%2fdata%2fsplits%2fsamples",
        "/runs/..%2fruns%2ffirst/pictures/datasets/val_distribution",
        "/runs/nobody/pictures/datasets/val_distribution",
        "/runs/first/files/..%2f..%2fdata%2fsplits%2fsamples.parquet",
        "/runs/first/files/config.yaml",
        "/runs/nobody/files/checkpoints/last.ckpt",
        "/checkpoints/onnx/..%2f..%2f..%2fmodels%2fbest.ckpt",
    ],
)
def test_nothing_but_pictures_of_known_runs_is_served(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(address + path)
    assert error.value.code == 404


def test_a_run_that_is_not_there_is_said(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/runs/..%2F..%2Fdata") as (page, _):
        page.get_by_text("404").or_(page.get_by_text("there is no run")).first.wait_for()
    with opened(browser, f"{address}/runs/nobody") as (page, _):
        page.get_by_text("there is no run nobody").wait_for()


def test_a_refusal_is_read_overruled_and_taken_back(browser: Browser, address: str, project: Path) -> None:
    best = project / "models" / "best.json"
    scores = RunFolder(project / RUNS / "first").series("training/val_weighted_F1").set_index("step")["value"]
    kept = RunFolder(project / RUNS / "first").epoch_checkpoints()
    good, bad = scores[list(kept)].idxmax(), scores[list(kept)].idxmin()

    def promoted() -> int:
        return int(json.loads(best.read_text())["epoch"])

    with opened(browser, f"{address}/checkpoints?run=first") as (page, log):
        page.get_by_label(f"Promote epoch {good} of first", exact=True).click()
        page.get_by_text("In use by the pipeline").wait_for()
        assert promoted() == good
        page.get_by_label(f"Promote epoch {bad} of first", exact=True).click()
        page.get_by_text("Not promoted").wait_for()
        assert page.get_by_role("dialog").get_by_role("alert").inner_text().startswith("Weighted F1 on val")
        assert promoted() == good
        page.get_by_role("button", name="Promote anyway").click()
        page.get_by_role("button", name="Back to the one before").click()
        page.get_by_text("is in use again").wait_for()
        assert promoted() == good
    log.check()


def test_a_running_training_moves(browser: Browser, address: str, project: Path) -> None:
    run = RunFolder.create(project / RUNS, "moving", {"model": {"name": "small"}}, ["tag_moving"], project=project)
    try:
        with opened(browser, f"{address}/runs/moving") as (page, _), opened(browser, f"{address}/runs") as (runs, log):
            page.get_by_text("none yet").wait_for()
            runs.get_by_text("1 running").wait_for()
            run.log_series({"training/val_weighted_F1": 0.625, "training/train_loss": 1.0}, 0)
            page.get_by_text("0.6250 (epoch 0)").wait_for()
            runs.get_by_role("cell", name="0.6250").wait_for()
            run.set_status("finished")
            runs.get_by_text("4 runs", exact=True).wait_for()
        log.check()
    finally:
        shutil.rmtree(run.path)
