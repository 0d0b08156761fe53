"""Samples that are asked for while looking at errors."""

from dataclasses import replace
from pathlib import Path

from static_gesture_classification.active_learning.planning.plan_edits import keep_edits
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    read_plan,
    write_plan,
)
from static_gesture_classification.active_learning.planning.wishes import Wish, add_wish, remove_wish


def wish(sample: str, mistaken_for: str | None = "THREE") -> Wish:
    return Wish("TWO", mistaken_for, 5, Example(sample, f"{sample}.jpg", "data", (0.0, 0.0, 1.0, 1.0)))


def test_wishes_begin_a_plan_and_those_of_one_pair_share_a_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for each in (wish("a"), wish("b"), wish("c", None)):
        add_wish(each, path, tmp_path / "none.parquet")
    lines = {line.mistaken_for: line for line in read_plan(path).recordings}
    assert (lines["THREE"].count, lines[None].count) == (10, 5)
    assert [example.sample_id for example in lines["THREE"].examples] == ["b", "a"]
    assert keep_edits(replace(read_plan(path), recordings=()), path, tmp_path).count == 15  # made again, they stay
    assert "TWO taken for THREE" in path.with_suffix(".md").read_text()


def test_a_wish_that_is_taken_back_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for each in (wish("a"), wish("b")):
        add_wish(each, path, tmp_path / "none.parquet")
    assert remove_wish(wish("b"), path, is_last=False)
    assert [(line.count, len(line.examples)) for line in read_plan(path).recordings] == [(5, 1)]
    assert remove_wish(wish("a"), path)
    assert not read_plan(path).recordings
    assert not remove_wish(wish("a"), path)


def test_a_line_of_the_plan_is_again_what_it_was_once_no_wish_for_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    line = PlannedRecording("TWO", "THREE", 7, 2, 0.1, 0.1, "confused", off=True)
    write_plan(RecordingPlan(PLAN_VERSION, "", (line,)), path)
    made = add_wish(wish("a"), path, tmp_path / "none.parquet")
    (asked,) = read_plan(path).recordings
    assert (asked.count, asked.by_user, asked.off) == (12, True, False)
    remove_wish(made, path)
    assert read_plan(path).recordings == (line,)
