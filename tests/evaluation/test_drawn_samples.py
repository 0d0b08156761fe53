"""Samples that stand for all of many."""

import numpy as np
import pandas as pd

from static_gesture_classification.evaluation.drawn_samples import LEAST_OF_EACH, draw_samples

COUNT, MOST = 20_000, 2_000


def samples(count: int = COUNT) -> pd.DataFrame:
    """Two common gestures and a rare one, a tenth of them in val."""
    numbers = np.arange(count)
    gesture = np.where(numbers % 400 == 0, "RARE", np.where(numbers % 3 == 0, "TWO", "ONE"))
    split = np.where(numbers // 7 % 10 == 0, "val", "train")
    return pd.DataFrame({"sample_id": [f"{number:x}" for number in numbers], "gesture": gesture, "split": split})


def test_of_few_samples_all_are_drawn() -> None:
    assert draw_samples(samples(50), np.zeros(50, bool), 50).tolist() == list(range(50))


def test_rare_gestures_and_errors_stay_and_common_ones_keep_their_proportion() -> None:
    table, wrong = samples(), np.zeros(COUNT, bool)
    wrong[5::100] = True
    rows = draw_samples(table, wrong, MOST)
    assert len(np.unique(rows)) == MOST
    assert np.isin(np.flatnonzero(wrong), rows).all()
    drawn = table.iloc[rows]
    kinds = drawn.groupby(["gesture", "split"]).size()
    there = table.groupby(["gesture", "split"]).size()
    assert (kinds >= np.minimum(there, LEAST_OF_EACH)).all()
    assert kinds["RARE"].sum() == (table["gesture"] == "RARE").sum()
    common = drawn[drawn["split"] == "train"]["gesture"].value_counts()
    assert 1.5 < common["ONE"] / common["TWO"] < 2.5


def test_errors_leave_most_places_to_others() -> None:
    wrong = np.ones(COUNT, bool)
    wrong[::4] = False
    rows = draw_samples(samples(), wrong, MOST)
    assert len(rows) == MOST
    assert 0.7 < wrong[rows].mean() < 0.9


def test_after_others_were_added_most_of_the_same_are_drawn() -> None:
    before = draw_samples(samples(), np.zeros(COUNT, bool), MOST)
    after = draw_samples(samples(COUNT + 400), np.zeros(COUNT + 400, bool), MOST)
    assert len(np.intersect1d(before, after)) > 0.9 * MOST
