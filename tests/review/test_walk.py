"""The whole way in a real browser: see the worst pair, fix a label, record, retrain, see it shrink, promote.

Hands and camera are real: close-ups of 14 people, of whom one alone shows FOUR, and somebody who shows FOUR to the
camera.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.training.checkpoint import checkpoint_digest
from tests.support.browser import film, frames_of, opened
from tests.support.review_server import review_server
from tests.support.scarce_gesture import scarce_gesture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.full

FOUR = (153, 34)  # first frame and number of frames of the video in which it is shown
NAMES = ("ONE", "TWO", "THREE", "FOUR", "FIVE")
SETTINGS = """
gestures: {names: [ONE, TWO, THREE, FOUR, FIVE], background: null}
sources:
  hagrid:
    labels: {like: ignore, dislike: ignore, ok: ignore, fist: ignore, no_gesture: ignore, call: ignore, rock: ignore,
      grabbing: ignore, grip: ignore, point: ignore, little_finger: ignore, middle_finger: ignore, three_gun: ignore,
      thumb_index: ignore}
"""
STARTED_WITH = (
    "sources=[hagrid,recorded,in_use]", "split.test=0", "split.incomplete=warn", "recording.subject=anna",
    "recording.room=kitchen", "plan.per_error=12", "fix_labels.who=anna",
)  # fmt: skip
PATIENCE = 300_000  # ms, however busy the machine


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with settings and nothing else."""
    (tmp_path / "conf" / "local").mkdir(parents=True)
    (tmp_path / "conf" / "local" / "default.yaml").write_text(SETTINGS)
    return tmp_path


class Walk:
    """A page with a camera, and what lies below it."""

    def __init__(self, page: Page, address: str, folder: Path) -> None:
        self.page, self.address, self.folder = page, address, folder
        (folder / "shots").mkdir()

    def shoot(self, name: str) -> None:
        """Keep what is seen, for people to look at."""
        self.page.screenshot(path=self.folder / "shots" / f"{name}.png")

    def go(self, place: str) -> None:
        """Open a page by the navigation."""
        self.page.get_by_role("link", name=place, exact=True).click()

    def fixes(self) -> dict[str, str]:
        """What the table of label fixes says, by sample."""
        vocabulary = Vocabulary(NAMES, None)
        path = self.folder / "data" / "label_fixes.csv"
        return {fix.sample: fix.to for fix in read_label_fixes(path, vocabulary).fixes}

    def retrain(self) -> None:
        """Retrain quickly, and wait for the end of the job."""
        self.go("Retrain")
        assert self.page.get_by_role("combobox", name="What it learns from").input_value() == "Your data, as configured"
        self.page.get_by_role("button", name="Retrain quickly").click()
        self.page.wait_for_url("**/jobs/*")
        self.page.get_by_role("button", name="Start it again").wait_for()
        assert self.page.get_by_text("finished", exact=True).is_visible(), self.page.locator("#content").inner_text()

    def fix_the_wrong_label(self, image: str) -> None:
        """Look at the samples of the worst pair, correct a wrong label, take that back, and do it again."""
        self.go("Confusions")
        self.page.locator("button", has_text="at stake").first.click()
        self.page.get_by_role("heading", name="FOUR taken for FIVE: ").wait_for()
        self.shoot("2-worst-pair")
        self.page.locator(f".gallery button:has(img[src*='{self.sample_of(image)}'])").click()
        dialog = self.page.get_by_role("dialog")
        dialog.locator(".facts", has_text=image).wait_for()
        dialog.locator(".near").wait_for()
        self.shoot("3-wrong-label")
        self.decide("FIVE")
        assert list(self.fixes().values()) == ["FIVE"]
        self.page.keyboard.press("u")
        self.page.get_by_text("Taken back.").wait_for()
        assert self.fixes() == {}
        dialog.locator(".facts", has_text=image).wait_for()
        self.shoot("4-undone")
        self.decide("FIVE")
        self.page.keyboard.press("m")  # the next one is a FOUR indeed
        self.page.get_by_text("record more FOUR taken for FIVE: written").wait_for()
        self.shoot("5-more-wanted")
        self.page.keyboard.press("Escape")

    def decide(self, gesture: str) -> None:
        """Press the key of a gesture."""
        self.page.keyboard.press(str(NAMES.index(gesture) + 1))
        self.page.get_by_text(f"FOUR is {gesture}: written").wait_for()

    def sample_of(self, image: str) -> str:
        """The id of an image's sample."""
        table = pd.read_parquet(self.folder / "reports/quick/predictions/val.parquet")
        return str(table.loc[table["image"].str.endswith(image), "sample_id"].item())

    def record_what_is_wanted(self) -> None:
        """From the plan to the camera; everything that differs is kept."""
        self.go("Plan")
        self.shoot("6-plan")
        self.page.get_by_role("button", name="Record this now").click()
        self.page.get_by_role("button", name="Start the camera").click()
        self.page.get_by_text("Press Space to start").wait_for()
        self.shoot("7-before-the-camera")
        self.page.keyboard.press("Space")
        self.page.keyboard.press("h")
        self.page.locator(".gc-count").wait_for()
        self.shoot("8-recording")
        self.page.get_by_role("heading", name="Keep these as FOUR?").wait_for()
        self.shoot("9-sheet")
        self.page.keyboard.press("Enter")
        self.page.get_by_text(re.compile(r"pictures? saved$")).wait_for()
        self.page.keyboard.press("Enter")
        self.page.get_by_role("button", name="Retrain").wait_for()
        self.shoot("10-recorded")

    def see_the_pair_shrink(self) -> None:
        """Before and after of the last training."""
        row = self.page.locator("table.pairs tr", has_text="FOUR").filter(has_text="FIVE").first
        before, after = (int(cell) for cell in row.locator("td").all_inner_texts()[3:5])
        print(f"FOUR taken for FIVE: {before} before, {after} after")
        assert after < before
        assert "better" in row.inner_text()
        self.shoot("11-before-and-after")


def test_the_worst_pair_is_seen_looked_at_recorded_and_shrinks(
    browser: Browser, camera_film: Path, clone: Path, photographs: Path, hand_landmarker: Path
) -> None:
    image = scarce_gesture(photographs, clone / "data" / "raw" / "hagrid")
    shots = frames_of(photographs / "videos" / "webcam.mp4", *FOUR)
    film(camera_film, [shot for shot in shots for _ in range(10)])  # each held for a third of a second
    settings = [*STARTED_WITH, f"detector.model.path={hand_landmarker}"]
    with review_server(clone, settings) as address, opened(browser, f"{address}/retrain") as (page, log):
        page.set_default_timeout(PATIENCE)
        walk = Walk(page, address, clone)
        walk.retrain()
        walk.shoot("1-first-model")
        first = checkpoint_digest(clone / "models/quick/best.ckpt")
        walk.fix_the_wrong_label(image)
        walk.record_what_is_wanted()
        walk.retrain()
        walk.see_the_pair_shrink()
        promote(walk)
    log.check()
    (session,) = (clone / "data" / "recorded").glob("[!.]*")
    assert read_session(session).gesture == "FOUR"
    assert checkpoint_digest(clone / "models/quick/best.ckpt") != first


def promote(walk: Walk) -> None:
    """The comparison has promoted it; a person takes that back, and promotes it again."""
    page = walk.page
    page.get_by_text("It is the best one now").wait_for()
    walk.shoot("12-promoted")
    run = json.loads((walk.folder / "models/quick/best.json").read_text())["run"]
    walk.go("Checkpoints")
    page.get_by_role("button", name="Back to the one before").click()
    page.get_by_text("is in use again").wait_for()
    page.get_by_label(f"Promote epoch 0 of {run}", exact=True).click()
    page.get_by_text("Promoted. Weighted F1 on val").wait_for()
    page.get_by_text(re.compile(r"0\.\d{4} to [01]\.\d{4}")).first.wait_for()  # the interval of a kept checkpoint
    walk.shoot("13-checkpoints")
    walk.go("History")
    page.get_by_text(f"epoch 0 of {run} is in use by the quick loop").first.wait_for()
    walk.shoot("14-history")
