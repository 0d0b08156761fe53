"""What an interval is over, and that each says so where nobody knows who is in the pictures."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.active_learning.comparison.report import describe_change_interval, heading
from static_gesture_classification.active_learning.diagnosis.confusions import errors_table, unknown_note
from static_gesture_classification.active_learning.diagnosis.pairs import find_confusions
from static_gesture_classification.evaluation import metrics, report
from static_gesture_classification.evaluation.checkpoint_record import parse_subjects, subject_digests
from static_gesture_classification.evaluation.paired_comparison import (
    ChangeSettings,
    describe_interval,
    measure_change,
    pair_predictions,
    verdict,
)
from static_gesture_classification.evaluation.resampling_units import PICTURE, SAMPLE, SESSION, SUBJECT, units_of
from static_gesture_classification.samples import group_of, subject_of
from tests.support.confused_predictions import predicted, table

NARROW = "people are not held apart, so it is too narrow"


def columns(*rows: tuple[str, str, str]) -> list[np.ndarray]:
    return [np.array(column, object) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("rows", "kind", "count", "unknown"),
    [
        ([("a", "x", "1"), ("a", "x", "2"), ("a", "y", "3")], SUBJECT, 2, 0),
        ([("a", "x", "1"), ("b", "x", "1")], SUBJECT, 2, 0),
        ([("hagrid", "x", "1"), ("recorded", "hagrid/x", "2"), ("a", "y", "3")], SUBJECT, 2, 0),
        ([("a", "x", "1"), ("a", "", "2"), ("a", "", "2"), ("a", "", "3")], PICTURE, 3, 3),
        ([("a", "", ""), ("a", "", "")], PICTURE, 2, 2),
        ([("a", "", "1"), ("a", "", "1")], SAMPLE, 2, 2),
        ([("a", "x", "1"), ("a", "x", "1")], SAMPLE, 2, 0),
    ],
)
def test_people_are_drawn_where_they_are_known_and_what_hangs_together_elsewhere(
    rows: list[tuple[str, str, str]], kind: str, count: int, unknown: int
) -> None:
    found = units_of(*columns(*rows))
    assert (found.kind, found.count, found.unknown) == (kind, count, unknown)


def test_where_only_sessions_are_kept_apart_nothing_is_said_of_people() -> None:
    sources, _, sessions = columns(("a", "", "1"), ("a", "", "2"))
    assert units_of(sources, sessions, sessions, SESSION).kind == SESSION


@pytest.fixture
def samples() -> pd.DataFrame:
    """Val samples of four people, and as many pictures of nobody knows whom."""
    known = table([(gesture, f"person {i}", 4) for gesture in ("ONE", "TWO", "THREE") for i in range(4)], split="val")
    half = np.arange(len(known)) % 2 == 1
    return known.assign(
        subject=known["subject"].where(~half, ""), session=[f"session {row}" for row in range(len(known))]
    )


SETTINGS = ChangeSettings(max_gesture_loss=0.03, resamples=50)
WRONG = {0: "TWO", 1: "TWO", 3: "TWO", 20: "ONE"}


def test_every_interval_over_unknown_people_is_called_too_narrow(samples: pd.DataFrame) -> None:
    predictions, better = predicted(samples, WRONG), predicted(samples, {1: "TWO"})
    score = metrics.weighted_f1_interval(metrics.outcomes_of(predictions), 50, 0)
    numbers = {"samples": len(samples), "people": 4, "people_unknown": score.unknown}
    changed = measure_change(pair_predictions(predictions, better), SETTINGS)
    confusions = find_confusions(predictions, 50, 0)
    headings = [str(column.header) for column in errors_table(confusions.pairs, "taken for").columns]
    assert (score.unit, score.unknown) == (PICTURE, len(samples) // 2)
    assert NARROW in report.describe_score_interval(asdict(score))
    assert report.of_whom(numbers) == "4 people and 24 samples of unknown people"
    assert NARROW in describe_interval(changed.interval)
    assert NARROW in verdict(changed, "val").reason
    assert NARROW in describe_change_interval(changed.interval)
    assert "too narrow" in heading(changed.interval)
    assert "interval (too narrow)" in headings
    assert {pair.interval.unit for pair in confusions.pairs} == {PICTURE}
    assert "nobody knows who is in 24 of 48 samples" in unknown_note(predictions)[0]


def test_intervals_over_people_say_nothing_of_the_kind(samples: pd.DataFrame) -> None:
    samples = samples.assign(subject="person " + samples["session"].str[-1])
    predictions = predicted(samples, WRONG)
    score = metrics.weighted_f1_interval(metrics.outcomes_of(predictions), 50, 0)
    changed = measure_change(pair_predictions(predictions, predicted(samples, {})), SETTINGS)
    for text in (
        report.describe_score_interval(asdict(score)),
        describe_interval(changed.interval),
        describe_change_interval(changed.interval),
    ):
        assert "narrow" not in text
    assert unknown_note(predictions) == []


def test_an_unknown_recording_is_one_unit_however_many_frames_it_has(samples: pd.DataFrame) -> None:
    outcomes = metrics.outcomes_of(predicted(samples, WRONG))
    frames = replace(outcomes, subjects=np.full(len(outcomes), "", object), sessions=np.repeat(["a", "b"], 24))
    assert metrics.weighted_f1_interval(frames, 20, 0).units == 2


def test_a_person_has_one_digest_in_all_sources_and_older_digests_are_not_known() -> None:
    rows = {"source": ["hagrid", "recorded", "folder"], "subject": ["a1", "hagrid/a1", ""]}
    frame = pd.DataFrame({**rows, "session": ["", "monday", ""], "image": ["1.jpg", "2.jpg", "like/3.jpg"]})
    first, second, third = subject_digests(frame)
    assert first == second != third
    assert subject_of(frame).tolist() == ["hagrid/a1", "hagrid/a1", ""]
    assert group_of(frame).tolist()[2] == "folder: like/3.jpg"
    assert parse_subjects(f"{first} {third}") == {first, third}
    assert parse_subjects("0123456789ab 0123456789ac") is None
    assert parse_subjects("") == frozenset()
