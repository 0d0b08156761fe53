"""Decisions on samples: each reaches its file at once, and nothing that was acknowledged is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    read_plan,
    write_plan,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.label_fixes import LabelFix, read_label_fixes, write_label_fixes
from static_gesture_classification.review.decisions import DecidedSample, Decisions, DecisionSettings
from static_gesture_classification.review.journal import read_history
from tests.support.confused_predictions import VOCABULARY


@pytest.fixture
def decisions(tmp_path: Path) -> Decisions:
    paths = {"fixes": "label_fixes.csv", "plan": "plan.json", "samples": "none.parquet", "journal": "journal.jsonl"}
    places = {name: tmp_path / path for name, path in paths.items()}
    return Decisions(DecisionSettings(**places, per_wish=5, who="ann"), VOCABULARY)


def subject(sample: str = "a", label: str = "TWO", prediction: str = "THREE") -> DecidedSample:
    return DecidedSample(sample, label, prediction, Example(sample, f"{sample}.jpg", "data", (0.0, 0.0, 1.0, 1.0)))


def fixes(decisions: Decisions) -> dict[str, str]:
    return {fix.sample: fix.to for fix in read_label_fixes(decisions.settings.fixes, VOCABULARY).fixes}


def in_children(count: int, do: Callable[[int], None]) -> list[int]:
    """`do(number)` in forked processes at the same time; gives their ids."""
    children = []
    for number in range(count):
        if (child := os.fork()) == 0:
            try:
                do(number)
            finally:
                os._exit(0)
        children.append(child)
    return children


def test_each_decision_is_a_line_of_the_label_fixes_and_an_entry(decisions: Decisions) -> None:
    decisions.decide("label", subject("a"), "THREE")
    decisions.decide("drop", subject("b"))
    decisions.decide("right", subject("c"))
    decisions.decide("label", subject("d"), "TWO")  # its own label: it is right
    assert fixes(decisions) == {"a": "THREE", "b": "drop", "c": "TWO", "d": "TWO"}
    entries = decisions.history().entries
    assert [entry.action for entry in entries] == ["label", "drop", "right", "right"]
    assert {entry.who for entry in entries} == {"ann"}


def test_undo_brings_back_what_was_there_before(decisions: Decisions) -> None:
    write_label_fixes([LabelFix("a", "TWO", "ONE", "bob", "2026-01-01", "blurred")], decisions.settings.fixes)
    entry = decisions.decide("drop", subject("a"))
    decisions.undo(entry.id)
    assert read_label_fixes(decisions.settings.fixes, VOCABULARY).fixes[0].who == "bob"
    first = decisions.decide("label", subject("b"), "ONE")
    decisions.undo(first.id)
    assert "b" not in fixes(decisions)
    with pytest.raises(UserError, match="already"):
        decisions.undo(first.id)


def test_undo_does_not_overwrite_a_later_decision_of_somebody_else(decisions: Decisions) -> None:
    entry = decisions.decide("label", subject("a"), "ONE")
    decisions.decide("drop", subject("a"))
    with pytest.raises(UserError, match="again since"):
        decisions.undo(entry.id)
    assert fixes(decisions) == {"a": "drop"}


def test_more_of_a_sample_is_planned_and_taken_back(decisions: Decisions) -> None:
    entry = decisions.decide("record", subject("a"))
    line = read_plan(decisions.settings.plan).recordings[0]
    assert (line.gesture, line.mistaken_for, line.count) == ("TWO", "THREE", 5)
    decisions.undo(entry.id)
    assert not read_plan(decisions.settings.plan).recordings


def test_what_was_asked_for_by_two_wishes_is_nobodys_once_both_are_taken_back(decisions: Decisions) -> None:
    line = PlannedRecording("TWO", "THREE", 7, 2, 0.1, 0.1, "confused", off=True)
    write_plan(RecordingPlan(PLAN_VERSION, "", (line,)), decisions.settings.plan)
    first, second = (decisions.decide("record", subject(sample)) for sample in "ab")
    decisions.undo(first.id)
    (asked,) = read_plan(decisions.settings.plan).recordings
    assert (asked.count, asked.by_user, asked.off) == (12, True, False)
    decisions.undo(second.id)
    assert read_plan(decisions.settings.plan).recordings == (line,)


def test_a_promotion_is_in_the_history_and_is_taken_back_elsewhere(decisions: Decisions) -> None:
    decisions.note_promotion("epoch 3 of resnet18-1a2b3c4d", "the pipeline")
    (entry,) = decisions.history().entries
    assert (entry.who, entry.in_words) == ("ann", "epoch 3 of resnet18-1a2b3c4d is in use by the pipeline")
    with pytest.raises(UserError, match="Checkpoints"):
        decisions.undo(entry.id)


def test_what_is_kept_for_later_stays_in_the_history_until_it_is_taken_back(decisions: Decisions) -> None:
    entry = decisions.decide("later", subject("a"))
    assert [each.sample for each in decisions.history().standing] == ["a"]
    decisions.undo(entry.id)
    assert not decisions.history().standing


def test_a_gesture_that_nobody_knows_is_refused_and_changes_nothing(decisions: Decisions) -> None:
    with pytest.raises(UserError, match="ELEVEN"):
        decisions.decide("label", subject(), "ELEVEN")
    assert not decisions.settings.fixes.exists()
    assert not decisions.history().entries


@pytest.mark.concurrent
def test_tabs_and_commands_that_decide_at_the_same_time_lose_nothing_of_each_other(decisions: Decisions) -> None:
    def decide(number: int) -> None:
        for turn in range(5):
            decisions.decide("drop", subject(f"{number}-{turn}"))
            decisions.decide("record", subject(f"{number}-{turn}"))

    for child in in_children(4, decide):
        os.waitpid(child, 0)
    assert len(fixes(decisions)) == 20
    assert len(decisions.history().entries) == 40
    assert read_plan(decisions.settings.plan).count == 100


@pytest.mark.concurrent
def test_a_kill_at_any_moment_loses_no_acknowledged_decision(decisions: Decisions) -> None:
    read, write = os.pipe()

    def decide(_: int) -> None:
        for turn in range(1000):
            entry = decisions.decide("drop", subject(f"{turn}"))
            os.write(write, f"{entry.id} {entry.sample}\n".encode())

    (child,) = in_children(1, decide)
    os.close(write)
    acknowledged = b""
    while acknowledged.count(b"\n") < 7:
        acknowledged += os.read(read, 100)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 4096):
        acknowledged += more
    os.close(read)
    told = [line.split() for line in acknowledged.decode().splitlines()]
    assert {name for name, _ in told} <= {entry.id for entry in decisions.history().entries}
    assert {sample for _, sample in told} <= set(fixes(decisions))
    decisions.decide("later", subject("after"))  # and no lock is left behind


def test_half_a_line_that_a_kill_left_is_replaced_and_a_damaged_one_named(decisions: Decisions) -> None:
    journal = decisions.settings.journal
    decisions.decide("later", subject("a"))
    with journal.open("ab") as file:
        file.write(b'nonsense\n{"version":1,"id":"ab')
    decisions.decide("later", subject("b"))
    history = read_history(journal)
    assert [entry.sample for entry in history.entries] == ["a", "b"]
    assert history.unreadable == (2,)
