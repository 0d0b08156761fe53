from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

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
    right, wrong = samples["gesture"], samples["gesture"].map({"ONE": "TWO", "TWO": "ONE"})
    here = samples["part"] == PARTS[0]
    only_here, elsewhere = wrong.mask(here, right), right.mask(here, wrong)
    tables = {
        "right on the first part only": pd.DataFrame({"people": only_here, "source": only_here}),
        "right on all others": pd.DataFrame({"people": elsewhere, "source": elsewhere}),
    }
    chosen = strangers.nested(tables, samples)
    assert (chosen["people"] == elsewhere).all()


def test_baseline_features_do_not_depend_on_place_size_and_hand(strangers: ModuleType) -> None:
    points = np.random.default_rng(0).random((3, 21, 2))
    features = strangers.plain_features(points, np.array(["right"] * 3))
    assert strangers.plain_features(7 + 3 * points, np.array(["right"] * 3)) == pytest.approx(features)
    assert strangers.plain_features(points * (-1, 1), np.array(["left"] * 3)) == pytest.approx(features)
