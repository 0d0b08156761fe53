from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

PARTS = ("hagrid_people", "hagrid_mini, close-ups", "hagrid_mini, webcam", "hands_mini", "more_people", "other_hands")


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks")
    return importlib.import_module("benchmarks.strangers")


@pytest.fixture
def samples() -> pd.DataFrame:
    """Ten people in each part, with two gestures each; those of the last two parts are the same ones."""
    rows = [
        {"part": part, "group": f"{min(number, 4)} {person}", "gesture": gesture}
        for number, part in enumerate(PARTS)
        for person in range(10)
        for gesture in ("ONE", "TWO")
    ]
    return pd.DataFrame(rows)


def test_nobody_is_trained_and_scored_on(strangers: ModuleType, samples: pd.DataFrame) -> None:
    none = np.full(len(samples), None)
    divisions = strangers.divide(strangers.Photographs(samples, none, none, none))
    groups = samples["group"].to_numpy()
    assert all(not set(groups[held.train]) & set(groups[held.scored]) for held in divisions)
    people = np.concatenate([held.scored for held in divisions if not held.whole_source])
    assert sorted(people) == list(range(len(samples)))
    for held in divisions:
        if held.whole_source:
            left_out = samples["part"].iloc[held.scored].unique()
            assert not samples["part"].iloc[held.train].isin(left_out).any()


def test_the_nested_row_answers_a_part_by_what_was_best_on_the_others(
    strangers: ModuleType, samples: pd.DataFrame
) -> None:
    names = strangers.gestures()
    right = np.eye(len(names), dtype=np.float32)[[names.index(gesture) for gesture in samples["gesture"]]]
    wrong = np.roll(right, 1, axis=1)
    here = (samples["part"] == PARTS[0]).to_numpy()[:, None]
    only_here, elsewhere = np.where(here, right, wrong), np.where(here, wrong, right)
    tables = {
        "right on the first part only": strangers.Answers(only_here, only_here),
        "right on all others": strangers.Answers(elsewhere, elsewhere),
    }
    assert (strangers.nested(tables, samples).people == elsewhere).all()


def test_nobody_chooses_a_setting_and_reports_it(strangers: ModuleType, samples: pd.DataFrame) -> None:
    choosing = strangers.chooses(samples)
    assert not set(samples["group"][choosing]) & set(samples["group"][~choosing])
    assert pd.Series(choosing).groupby(samples["part"]).mean().between(0.4, 0.6).all()


def test_what_was_answered_once_is_read_and_a_run_may_end_early(
    strangers: ModuleType, samples: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "LOOKS", tmp_path)
    asked = []

    def answer(photographs: Any, held: Any) -> np.ndarray:
        asked.append(held)
        return np.full((len(held.scored), len(strangers.gestures())), 0.1, np.float32)

    named = samples.assign(sample_id=[f"{row}" for row in range(len(samples))], width=4, height=3)
    none, points = np.full(len(samples), None), np.zeros((len(samples), 21, 2), np.float32)
    hands = [strangers.DetectedHand((0, 0, 1, 1), 1.0, landmarks=each) for each in points]
    photographs = strangers.Photographs(named, points, none, np.array([*hands, None], object)[:-1])
    first, second, *_ = strangers.divide(photographs)
    row = strangers.Row("a", "a", answer)
    kept = strangers.KeptAnswers(float("inf"))
    assert (kept.of(row, photographs, first) == kept.of(row, photographs, first)).all()
    assert len(asked) == 1
    ended = strangers.KeptAnswers(float("-inf"))
    ended.of(row, photographs, first)
    with pytest.raises(SystemExit, match="goes on"):
        ended.of(row, photographs, second)
    points[first.train[0]] += 1
    kept.of(row, photographs, first)
    assert len(asked) == 2


def test_baseline_features_do_not_depend_on_place_size_and_hand(strangers: ModuleType) -> None:
    points = np.random.default_rng(0).random((3, 21, 2))
    features = strangers.plain_features(points, np.array(["right"] * 3))
    assert strangers.plain_features(7 + 3 * points, np.array(["right"] * 3)) == pytest.approx(features)
    assert strangers.plain_features(points * (-1, 1), np.array(["left"] * 3)) == pytest.approx(features)
