from __future__ import annotations

import numpy as np
import pytest

from static_gesture_classification.recording.judging import selection


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_known_margin_is_negative_exactly_where_the_model_errs(random: np.random.Generator) -> None:
    probabilities = random.dirichlet(np.ones(4), 200)
    gestures = random.integers(4, size=200)
    wrong = probabilities.argmax(axis=1) != gestures
    assert np.array_equal(selection.margin_of_performed(probabilities, gestures) < 0, wrong)
    performed, ordered = probabilities[np.arange(200), gestures], np.sort(probabilities, axis=1)
    assert np.abs(selection.margin_of_performed(probabilities, gestures)) == pytest.approx(
        np.where(wrong, ordered[:, -1] - performed, ordered[:, -1] - ordered[:, -2])
    )


def test_one_performed_gesture_stands_for_all_rows() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.0, 0.0, 1.0]])
    assert selection.margin_of_performed(probabilities, 1) == pytest.approx([-0.5, 0.5, -1.0])
    assert selection.hardness(probabilities, 1) == pytest.approx([0.75, 0.25, 1.0])
