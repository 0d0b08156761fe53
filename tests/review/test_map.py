"""The page Map: what a browser may send, and how samples are told apart."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.review.background import KEPT, Background
from static_gesture_classification.review.pages.map import MOST_CATEGORIES, categories, is_row, rows_of
from static_gesture_classification.review.scatter import legend


@pytest.mark.parametrize("message", [None, 5, "rows", [1], {}, {"rows": 3}, {"rows": [-1, 9, 1.5, "2", None, True]}])
def test_what_is_not_a_row_of_the_map_chooses_nothing(message: object) -> None:
    assert rows_of(message, 9) == []


def test_chosen_rows_keep_their_order_and_come_once() -> None:
    assert rows_of({"rows": [4, 2, 4, 0]}, 5) == [4, 2, 0]
    assert is_row(4, 5)
    assert not is_row(5, 5)


def test_the_legend_says_how_many_are_of_each_kind_and_no_two_kinds_look_alike() -> None:
    names = pd.Series([f"kind {number}" for number in range(MOST_CATEGORIES) for _ in range(number + 1)])
    kinds, text = legend(names)
    assert [kind["count"] for kind in kinds] == list(range(MOST_CATEGORIES, 0, -1)), "the most frequent first"
    assert len({(kind["colour"], kind["shape"] % 5) for kind in kinds}) == MOST_CATEGORIES
    numbers = np.frombuffer(base64.b64decode(text), np.uint8)
    assert [kinds[number]["name"] for number in numbers] == names.tolist()


def test_persons_beyond_those_that_can_be_told_apart_share_a_kind() -> None:
    samples = pd.DataFrame({"subject": ["", *(f"person {number}" for number in range(30) for _ in range(2))]})
    kinds = categories(samples, "subject")
    assert kinds.nunique() == MOST_CATEGORIES
    assert (kinds == "others").any()


def test_a_share_that_was_told_can_be_asked_for_until_the_result_is_forgotten() -> None:
    background = Background()
    assert background.share("map") == 0
    background.start("map", background.tell, "map", 0.5).result()
    assert background.share("map") == 0.5
    for number in range(KEPT + 1):
        background.start(number, int).result()
    assert background.share("map") == 0
