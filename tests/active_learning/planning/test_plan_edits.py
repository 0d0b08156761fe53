"""What a user changes in the plan is on the disk, and stays when the plan is made again."""

from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from static_gesture_classification.active_learning.planning.plan_edits import (
    edit_plan,
    keep_edits,
    move,
    put_back,
    set_count,
    switch,
)
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    read_plan,
    write_plan,
)
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session

ONE, TWO, FIST = ("ONE", "TWO"), ("TWO", None), ("FIST", None)


def line(pair: tuple[str, str | None], count: int = 10) -> PlannedRecording:
    return PlannedRecording(*pair, count, 3, 0.1, 0.01, "because")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    plan = tmp_path / "plan.json"
    write_plan(RecordingPlan(PLAN_VERSION, "best.ckpt", (line(ONE), line(TWO), line(FIST))), plan)
    return plan


def order(plan: RecordingPlan) -> list[tuple[str, str | None]]:
    return [each.pair for each in plan.recordings]


def test_order_numbers_and_what_is_off_are_on_the_disk(path: Path) -> None:
    edit_plan(path, lambda plan: move(plan, FIST, 0))
    edit_plan(path, lambda plan: set_count(plan, ONE, 25))
    edit_plan(path, lambda plan: switch(plan, TWO, off=True))
    plan = read_plan(path)
    assert order(plan) == [FIST, ONE, TWO]
    assert [each.pair for each in plan.wanted] == [FIST, ONE]
    assert plan.count == 35
    assert "| TWO |  | off |" in path.with_suffix(".md").read_text(encoding="utf-8")


def test_a_line_can_be_put_back_as_it_was(path: Path) -> None:
    before = read_plan(path)
    edit_plan(path, lambda plan: set_count(plan, ONE, 25))
    assert edit_plan(path, lambda plan: put_back(plan, before.recordings[0])) == before


def test_edits_stay_when_the_plan_is_made_again(path: Path, tmp_path: Path) -> None:
    for edit in (
        lambda plan: move(plan, FIST, 0),
        lambda plan: set_count(plan, ONE, 25),
        lambda plan: switch(plan, TWO, off=True),
    ):
        edit_plan(path, edit)
    new = ("FIVE", None)
    made = RecordingPlan(PLAN_VERSION, "newer.ckpt", (line(new), line(TWO, 7), line(FIST, 9)), taken_in=("a",))
    kept = keep_edits(made, path, tmp_path / "recorded")
    assert (kept.checkpoint, kept.taken_in) == ("newer.ckpt", ("a",))
    assert order(kept) == [FIST, ONE, TWO, new]
    assert {each.pair: (each.count, each.off) for each in kept.recordings} == {
        FIST: (9, False), ONE: (25, False), TWO: (7, True), new: (10, False),
    }  # fmt: skip


def test_what_was_asked_for_is_over_once_it_is_recorded(path: Path, tmp_path: Path) -> None:
    edit_plan(path, lambda plan: set_count(plan, FIST, 2))
    images = tuple(RecordedImage(f"{number}.jpg", (0, 0, 1, 1)) for number in range(2))
    folder = tmp_path / "recorded" / "one"
    folder.mkdir(parents=True)
    write_session(folder, Session("FIST", time="2026-11-27T10:00:00+00:00", images=images))
    made = RecordingPlan(PLAN_VERSION, "newer.ckpt", (line(TWO),))
    assert order(keep_edits(made, path, tmp_path / "recorded")) == [TWO]


def test_without_an_earlier_plan_or_with_a_damaged_one_the_new_one_counts(path: Path, tmp_path: Path) -> None:
    made = RecordingPlan(PLAN_VERSION, "newer.ckpt", (line(TWO),))
    assert keep_edits(made, tmp_path / "none.json", tmp_path) == made
    path.write_text("{", encoding="utf-8")
    assert keep_edits(made, path, tmp_path) == made


def test_plans_of_before_are_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in ("off", "by_user", "ordered"):
        assert f'"{name}": false' in text
        text = "\n".join(row for row in text.splitlines() if f'"{name}"' not in row)
    path.write_text(text.replace("],\n    }", "]\n    }").replace("],\n}", "]\n}"), encoding="utf-8")
    assert order(read_plan(path)) == [ONE, TWO, FIST]


@pytest.mark.parametrize("count", [0, -3, 100_000])
def test_a_number_that_cannot_be_recorded_is_refused(path: Path, count: int) -> None:
    with pytest.raises(UserError, match="choose 1 to 1000"):
        edit_plan(path, lambda plan: set_count(plan, ONE, count))
    assert read_plan(path).count == 30


def test_a_line_that_is_gone_meanwhile_and_a_missing_plan_say_what_to_do(path: Path) -> None:
    with pytest.raises(UserError, match="load the page again"):
        edit_plan(path, lambda plan: switch(plan, ("FOUR", None), off=True))
    path.unlink()
    with pytest.raises(DataError, match="gestures plan"):
        edit_plan(path, lambda plan: plan)


def test_two_tabs_lose_nothing_of_each_other(path: Path) -> None:
    def more() -> None:
        for _ in range(5):
            edit_plan(path, lambda plan: replace(plan, notes=(*plan.notes, "edit")))

    tabs = [Thread(target=more) for _ in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(read_plan(path).notes) == 10
