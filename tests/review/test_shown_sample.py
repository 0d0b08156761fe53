"""Samples as the pages show them."""

import asyncio

import pytest

from static_gesture_classification.active_learning.labels.suggestions import Suggestion
from static_gesture_classification.review.background import Background
from static_gesture_classification.review.shown_sample import in_doubt
from tests.support.seeded_predictions import sample_table


def test_a_doubtful_label_says_what_it_looks_like_and_a_sample_that_is_gone_is_left_out() -> None:
    samples = sample_table(["ONE", "TWO"])
    where = ("train", "hands", "person 1", "image.jpg")
    known, gone = (
        Suggestion(sample, "TWO", "THREE", 0.1, True, "cross-validation 0.90", *where)
        for sample in (samples["sample_id"][1], "gone")
    )
    (shown,) = in_doubt([gone, known], samples)
    assert shown.title == "labelled TWO, looks like THREE"
    assert shown.remark == "a quick classifier that never saw this person says THREE (0.90)"
    assert shown.to_decide_on.prediction == ""  # a suggestion is no prediction of the model


def test_what_takes_long_is_calculated_once_and_an_error_is_not_kept() -> None:
    calls: list[str] = []

    def calculate(word: str) -> str:
        calls.append(word)
        if len(calls) == 1:
            raise ValueError(word)
        return word

    background = Background()
    with pytest.raises(ValueError, match="a"):
        background.start("key", calculate, "a").result()
    assert background.start("key", calculate, "b").result() == "b"
    assert background.start("key", calculate, "c").result() == "b"
    assert asyncio.run(background.result("key", calculate, "d")) == "b"
    assert calls == ["a", "b"]
