import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from static_gesture_classification.training.scores import f1_scores, scores_of, weighted_f1, weighted_f1_of_counts


def test_scores_are_those_of_scikit_learn() -> None:
    truth, predicted = np.random.default_rng(0).integers(0, 4, (2, 200))
    confusion = np.zeros((4, 4), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    scores = scores_of(confusion, "ABCD")
    assert scores["weighted_f1"] == pytest.approx(f1_score(truth, predicted, average="weighted"))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    expected = precision_recall_fscore_support(truth, predicted)
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [each[key] for each in scores["per_gesture"].values()] == pytest.approx(list(values))


@pytest.mark.parametrize("seed", range(20))
def test_weighted_f1_is_that_of_scikit_learn_whatever_gestures_are_empty(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 30, (6, 6)) * (random.random((6, 6)) < 0.6)
    counts[random.random(6) < 0.3] = 0  # shown by nobody
    counts[:, random.random(6) < 0.3] = 0  # never predicted
    counts[0, 0] += 1
    truth, predicted = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices((6, 6)))
    expected = f1_score(truth, predicted, average="weighted", zero_division=0)
    assert weighted_f1(counts) == pytest.approx(expected)
    parts = (np.diag(counts), counts.sum(1), counts.sum(0))
    assert weighted_f1_of_counts(*(np.stack([part, 2 * part]) for part in parts)) == pytest.approx([expected] * 2)
    each = f1_score(truth, predicted, labels=range(6), average=None, zero_division=0)
    assert f1_scores(*parts) == pytest.approx(each)
    assert scores_of(counts, "ABCDEF")["weighted_f1"] == pytest.approx(expected)


def test_weighted_f1_of_no_sample_is_not_a_number() -> None:
    assert np.isnan(weighted_f1(np.zeros((3, 3), np.int64)))


def test_gestures_without_samples_or_predictions_score_0_and_do_not_fail() -> None:
    scores = scores_of(np.array([[3, 0, 0], [1, 0, 0], [0, 0, 0]]), "ABC")
    assert scores["per_gesture"]["B"]["precision"] == 0
    assert scores["per_gesture"]["C"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert scores["macro_f1"] == pytest.approx((6 / 7 + 0) / 2)
