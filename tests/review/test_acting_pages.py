"""Pages with data in them, in a real browser: nobody is kept out, and what is done there reaches the disk."""

from __future__ import annotations

import json
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from PIL import Image

from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    read_plan,
    write_plan,
)
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.evaluation.promote import best_record
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.review.decisions import DecidedSample, Decisions, DecisionSettings
from static_gesture_classification.review.job_process import ENDED, JOB, VERSION, JobEnd, JobRecord
from static_gesture_classification.review.sharing import CERTIFICATE, TOKEN, own_addresses
from static_gesture_classification.tracking.run_folder import RunFolder
from tests.evaluation.conftest import SIZE, prepared, trained_run  # noqa: F401  (fixtures)
from tests.review.conftest import EASY
from tests.support.browser import opened
from tests.support.obstacles import check_nobody_is_kept_out, obstacles
from tests.support.one_answer import write_model
from tests.support.review_server import review_server
from tests.support.reviewed_project import RUNS, evaluate_project, write_project
from tests.support.seeded_predictions import VOCABULARY
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.full

SAMPLE = f"{0:024x}"
TABS = (
    "Configuration",
    "Gestures distribution in data",
    "Train progression",
    "Train Data Samples",
    "Val Data Samples",
    "Val Dataset Metrics",
    "Errors",
    "Monitoring",
    "Files",
)
PLACES = (
    *(
        "/",
        "/record",
        "/add",
        "/live",
        "/retrain",
        "/runs",
        "/runs?chosen=first&chosen=second",
        "/label-issues",
        "/map",
    ),
    *(
        "/confusions?only_errors=1",
        "/confusions?split=train",
        f"/samples/{SAMPLE}",
        "/plan",
        "/checkpoints",
        "/history",
    ),
    *(f"/runs/first?tab={tab.replace(' ', '+')}" for tab in TABS),
)
PATIENCE_MS = 120_000
# A file that is dropped or pasted, as a browser hands it over.
FILE = """(content) => {
  const bytes = Uint8Array.from(atob(content), each => each.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "hand.png", {type: "image/png"}));
  return data;
}"""


@pytest.fixture(scope="module")
def project(prepared: Path, trained_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """Runs, checkpoints, predictions, labels in doubt, and one decision of each kind."""
    folder = tmp_path_factory.mktemp("acted")
    write_project(folder, prepared, trained_run)
    evaluate_project(folder, epoch=0)
    files = {"fixes": "data/label_fixes.csv", "plan": "none.json", "samples": "none"}
    places = {name: folder / path for name, path in {**files, "journal": "data/review/journal.jsonl"}.items()}
    decisions = Decisions(DecisionSettings(**places, per_wish=5, who="ann"), VOCABULARY)
    for action in ("drop", "right", "later"):
        decisions.decide(action, DecidedSample(SAMPLE, "BACKGROUND"))  # type: ignore[arg-type]
    decisions.note_promotion("epoch 1 of first", "the pipeline")
    return folder


@pytest.fixture(scope="module")
def address(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = write_model(tmp_path_factory.mktemp("models") / "one.ckpt")  # it sees ONE in everything
    own = [f"crops.size={SIZE}", "trainer.threads=1", "compare.resamples=50", f"live.checkpoint={model}"]
    with review_server(project, [*EASY, *own, "recording.onnx=false"]) as served:
        yield served


@pytest.mark.parametrize("place", PLACES)
def test_a_page_with_data_keeps_nobody_out(browser: Browser, address: str, place: str) -> None:
    with opened(browser, address + place) as (page, log):
        page.wait_for_load_state("networkidle")
        check_nobody_is_kept_out(page)
    log.check()


def test_a_sample_in_its_dialog_keeps_nobody_out(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/confusions", dark=True) as (page, log):
        page.locator(".gallery button").first.click()
        page.get_by_role("dialog").locator(".near").wait_for()
        assert not obstacles(page)
    log.check()


def test_a_plan_is_made_once_though_two_tabs_ask_for_it(browser: Browser, address: str, project: Path) -> None:
    with opened(browser, f"{address}/plan") as (first, log), opened(browser, f"{address}/plan") as (second, _):
        for page in (first, second):
            page.get_by_role("button", name="Make a new plan").focus()
        for page in (first, second):
            page.keyboard.press("Enter")
        first.wait_for_url("**/jobs/*")
        second.get_by_role("alert").get_by_text(re.compile("is running already|is being started")).wait_for()
        first.get_by_text("finished", exact=True).wait_for(timeout=PATIENCE_MS)
        first.get_by_role("link", name="Plan").click()
        first.get_by_text("pictures to record").wait_for()
        assert first.get_by_role("button", name="Record this now").count()
    log.check()
    assert read_plan(project / "reports" / "plan.json").recordings
    assert len(list((project / "data" / "review" / "jobs").glob("*-plan-*"))) == 1


def test_the_lines_of_a_plan_are_changed_and_changed_back(browser: Browser, address: str, project: Path) -> None:
    path = project / "reports" / "plan.json"
    lines = [PlannedRecording(name, "FIST", 7, 2, 0.1, 0.1, "confused") for name in ("ONE", "TWO")]
    write_plan(RecordingPlan(PLAN_VERSION, "", tuple(lines)), path)

    def planned() -> list[tuple[str, int, bool]]:
        return [(line.gesture, line.count, line.off) for line in read_plan(path).recordings]

    with opened(browser, f"{address}/plan") as (page, log):
        page.get_by_label("pictures of ONE taken for FIST").fill("12")
        until(lambda: planned() == [("ONE", 12, False), ("TWO", 7, False)])
        page.get_by_text("Saved: 12 pictures of ONE.").wait_for()
        page.get_by_role("button", name="Undo").click()
        until(lambda: planned() == [("ONE", 7, False), ("TWO", 7, False)])
        until(lambda: page.get_by_label("pictures of ONE taken for FIST").input_value() == "7")  # drawn anew
        page.get_by_role("button", name="Move TWO taken for FIST up").press("Enter")
        until(lambda: planned() == [("TWO", 7, False), ("ONE", 7, False)])
        page.get_by_text("Saved: TWO taken for FIST is number 1.").wait_for()
        page.get_by_label("record TWO taken for FIST").press("Space")
        until(lambda: planned() == [("TWO", 7, True), ("ONE", 7, False)])
        page.get_by_text("is off.").wait_for()
        page.get_by_role("button", name="Record this now").first.press("Enter")
        page.wait_for_url("**/record?gesture=TWO&mistaken_for=FIST")
        page.get_by_text("which the model takes for FIST").wait_for()
    log.check()
    path.unlink()


def test_labels_in_doubt_are_decided_by_keys_alone(browser: Browser, address: str, project: Path) -> None:
    def fixed() -> list[str]:
        return [fix.to for fix in read_label_fixes(project / "data" / "label_fixes.csv", VOCABULARY).fixes]

    before = fixed()
    with opened(browser, f"{address}/label-issues") as (page, log):
        page.get_by_text("2 of 2: labelled").wait_for()  # the first one is decided
        for key, verdict in (("y", "FIST"), ("d", "drop")):
            page.keyboard.press(key)
            until(lambda verdict=verdict: verdict in fixed())  # type: ignore[misc]
            page.keyboard.press("u")
            until(lambda: fixed() == before)
        page.keyboard.press("ArrowLeft")
        page.get_by_text("1 of 2: labelled").wait_for()
    log.check()


def test_what_the_model_gets_wrong_in_train_is_seen_too(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/confusions") as (page, log):
        page.get_by_role("heading", name="all samples: 60").wait_for()
        page.get_by_role("combobox", name="Split").click()
        page.get_by_role("option", name="train").click()
        page.get_by_role("heading", name="all samples: 120").wait_for(timeout=PATIENCE_MS)
        page.locator(".matrix td.right button:enabled").first.click()
        page.wait_for_url("**split=train**gesture=**")
        page.reload()
        page.get_by_role("heading", name=", recognised: ").wait_for()
    log.check()


def test_a_lasso_by_mouse_opens_what_lies_within_it(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/map") as (page, log):
        box = map_of(page).bounding_box()
        assert box is not None
        corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in
                   ((0.01, 0.02), (0.88, 0.02), (0.88, 0.98), (0.01, 0.98), (0.01, 0.04))]  # fmt: skip
        page.mouse.move(*corners[0])
        page.mouse.down()
        for corner in corners[1:]:
            page.mouse.move(*corner, steps=8)
        page.mouse.up()
        heading = page.get_by_role("heading", name="Within the lasso: ")
        heading.wait_for()
        count = int(heading.inner_text().rpartition(" ")[2])
        assert page.locator(".gallery button").count() == min(count, 60) > 0
        page.get_by_role("button", name="Clear").click()
        heading.wait_for(state="hidden")
    log.check()


def test_the_map_is_used_by_keys_alone(browser: Browser, address: str) -> None:
    def chosen(how: str) -> int:
        heading = page.get_by_role("heading", name=f"{how}: ")
        heading.wait_for()
        return int(heading.inner_text().rpartition(" ")[2])

    with opened(browser, f"{address}/map") as (page, log):
        samples = map_of(page)
        tab_to(page, samples)
        page.keyboard.press("a")
        all_of_them = chosen("All that is shown")
        page.keyboard.press("ArrowRight")
        page.get_by_role("status").filter(has_text=re.compile("unknown person| of ")).first.wait_for()
        for _ in range(8):
            page.keyboard.press("+")
        page.keyboard.press("a")
        until(lambda: chosen("All that is shown") < all_of_them)
        page.keyboard.press("0")
        page.keyboard.press(" ")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press(" ")
        assert 2 <= chosen("Within the rectangle") < all_of_them
        page.keyboard.press("n")
        assert chosen("Nearest to the ring") == min(30, all_of_them)
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Sample").get_by_text(re.compile("^1 of ")).wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog", name="Sample").wait_for(state="hidden")
        kind = page.locator(".sc-legend button").first
        kind.focus()
        page.keyboard.press(" ")
        tab_to(page, samples)
        page.keyboard.press("a")
        until(lambda: chosen("All that is shown") < all_of_them)
    log.check()


def test_the_values_of_a_curve_are_read_by_keys_alone(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/runs/first") as (page, log):
        tab_to(page, page.get_by_role("button", name="Values of loss"))
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Values of loss")
        dialog.get_by_role("row").nth(1).wait_for()
        assert not obstacles(page)
        texts = dialog.get_by_role("cell").all_inner_texts()
        assert texts
        assert all(float(text) >= 0 for text in texts)
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    log.check()


def test_a_picture_is_opened_by_keys_alone(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/live") as (page, log), page.expect_file_chooser():
        tab_to(page, page.get_by_role("button", name="Choose a picture or a video"))
        page.keyboard.press("Enter")
    log.check()


def map_of(page: Page) -> Locator:
    """The map, once what is alike lies together."""
    page.set_default_timeout(PATIENCE_MS)
    page.get_by_text("lie together").wait_for()
    return page.get_by_role("application", name="Map of samples")


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus."""
    wanted.wait_for()
    for _ in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("it => it === document.activeElement"):
            return
    pytest.fail("Tab does not reach it")


def test_two_tabs_that_promote_at_once_leave_one_whole_checkpoint(
    browser: Browser, address: str, project: Path
) -> None:
    kept = list(RunFolder(project / RUNS / "second").epoch_checkpoints())
    place = f"{address}/checkpoints?run=second"
    with opened(browser, place) as (first, _), opened(browser, place) as (second, _):
        for page, epoch in ((first, kept[0]), (second, kept[-1])):
            page.get_by_role("cell", name=re.compile(r"\d to \d")).first.wait_for()  # drawn anew with the intervals
            page.get_by_label(f"Promote epoch {epoch} of second", exact=True).focus()
        for page in (first, second):
            page.keyboard.press("Enter")
        for page in (first, second):
            ended = page.get_by_text("Promoted.").or_(page.get_by_text("Not promoted"))
            ended.or_(page.get_by_text("This did not work")).first.wait_for(timeout=PATIENCE_MS)
    record = best_record(project / "models")
    assert record is not None, "the record is that of the checkpoint"
    assert record["epoch"] in (kept[0], kept[-1])
    assert json.loads((project / "models" / "best.json").read_text())["sha256"] == record["sha256"]


def test_a_full_training_says_what_it_came_to_and_its_refusal_is_overruled(
    browser: Browser, address: str, project: Path
) -> None:
    run = RunFolder(project / RUNS / "first")
    (project / "models" / "trained.json").write_text(
        json.dumps({"run": "first", "epoch": max(run.epoch_checkpoints())})
    )
    job = project / "data" / "review" / "jobs" / "20261127-120000-repro-0001"
    job.mkdir(parents=True)
    about = {"stages": [], "then": [["See the run", "/runs"]]}
    write_json(job / JOB, JobRecord(version=VERSION, title="Full", kind="repro", command=[], created=1.0, about=about))
    write_json(job / ENDED, JobEnd(code=0, ended=2.0, cancelled=False))
    with opened(browser, f"{address}/jobs/{job.name}") as (page, log):
        page.set_default_timeout(PATIENCE_MS)
        page.get_by_text("It was not promoted").wait_for()
        page.get_by_role("button", name="Promote", exact=True).press("Enter")
        anyway, done = page.get_by_role("button", name="Promote anyway"), page.get_by_text("It is the best one now")
        anyway.or_(done).first.wait_for()
        if anyway.count():
            anyway.press("Enter")
        done.wait_for()
        check_nobody_is_kept_out(page)
    log.check()


def test_an_onnx_file_is_made_read_about_and_downloaded(browser: Browser, address: str, tmp_path: Path) -> None:
    with opened(browser, f"{address}/checkpoints?run=first") as (page, log):
        page.set_default_timeout(600_000)
        page.get_by_label("ONNX file and model card of epoch 2 of first", exact=True).click()
        page.get_by_role("button", name="Make it").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download", exact=True).click()
        assert page.locator(".model-card h1").count()
        name = download.value.suggested_filename
        download.value.save_as(tmp_path / name)
    log.check()
    assert name.startswith("first-epoch-2-")
    onnx.checker.check_model(onnx.load(tmp_path / name))


def test_a_file_of_a_run_is_downloaded(browser: Browser, address: str, project: Path, tmp_path: Path) -> None:
    with opened(browser, f"{address}/runs/first?tab=Files") as (page, log):
        with page.expect_download() as download:
            page.locator("a[download]", has_text="ckpt").first.click()
        download.value.save_as(tmp_path / "file")
    log.check()
    kept = {path.name: path for path in RunFolder(project / RUNS / "first").checkpoints()}
    assert (tmp_path / "file").read_bytes() == kept[download.value.suggested_filename].read_bytes()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(browser: Browser, address: str, tmp_path: Path, how: str) -> None:
    import base64

    Image.effect_noise((160, 120), 60).convert("RGB").save(tmp_path / "hand.png")
    content = base64.b64encode((tmp_path / "hand.png").read_bytes()).decode()
    with opened(browser, f"{address}/live") as (page, log):
        page.set_default_timeout(PATIENCE_MS)
        page.locator(".gc-drop").wait_for()
        give(page, how, content)
        page.locator(".gc-one .gc-title", has_text="ONE").wait_for()
    log.check()


def give(page: Page, how: str, content: str) -> None:
    """Drop a file on its place, or paste it anywhere."""
    data = page.evaluate_handle(FILE, content)
    if how == "drop":
        page.dispatch_event(".gc-drop", "drop", {"dataTransfer": data})
    else:
        page.evaluate("data => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))", data)


def test_other_machines_come_in_by_https_with_the_token_alone(tmp_path: Path) -> None:
    """Over this machine's address in its network, which is not loopback."""
    (own,) = own_addresses()[:1]
    if own.startswith("127."):
        pytest.skip("this machine has no address in a network")
    with socket.socket() as free:
        free.bind((own, 0))
        port = free.getsockname()[1]
    with review_server(tmp_path, ["review.share_on_lan=true", f"review.lan_port={port}"]) as local:
        kept = tmp_path / "data" / "review"
        until(lambda: (kept / CERTIFICATE).is_file() and answers(f"https://{own}:{port}/", kept, {}) is not None)
        token = (kept / TOKEN).read_text().strip()
        assert answers(f"https://{own}:{port}/record", kept, {}) == 401
        assert answers(f"https://{own}:{port}/record?token=guessed", kept, {}) == 401
        assert answers(f"https://{own}:{port}/record", kept, {"Cookie": f"gestures_token={token}"}) == 200
        assert answers(f"https://{own}:{port}/", kept, {"Cookie": f"gestures_token={token}", "Host": "evil"}) == 421
        with urllib.request.urlopen(f"{local}/record") as answer:
            assert answer.status == 200
        with pytest.raises(OSError, match=r"refused|reset|timed out"):
            urllib.request.urlopen(local.replace("127.0.0.1", own), timeout=5)


def answers(address: str, kept: Path, headers: dict[str, str]) -> int | None:
    """The status of an answer by https, whose certificate must be this machine's own; None while nobody listens."""
    trusts = ssl.create_default_context(cafile=str(kept / CERTIFICATE))
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), context=trusts) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None
