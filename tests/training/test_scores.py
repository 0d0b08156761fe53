import pytest
import torch
from sklearn.metrics import f1_score, precision_recall_fscore_support

from static_gesture_classification.training.scores import scores_of


def test_scores_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, predicted = (torch.randint(0, 4, (200,), generator=generator) for _ in range(2))
    confusion = torch.zeros(4, 4, dtype=torch.int64)
    for row, column in zip(truth, predicted, strict=True):
        confusion[row, column] += 1
    scores = scores_of(confusion, "ABCD")
    assert scores["weighted_f1"] == pytest.approx(f1_score(truth, predicted, average="weighted"))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    expected = precision_recall_fscore_support(truth, predicted)
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [each[key] for each in scores["per_gesture"].values()] == pytest.approx(list(values))


def test_gestures_without_samples_or_predictions_score_0_and_do_not_fail() -> None:
    scores = scores_of(torch.tensor([[3, 0, 0], [1, 0, 0], [0, 0, 0]]), "ABC")
    assert scores["per_gesture"]["B"]["precision"] == 0
    assert scores["per_gesture"]["C"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert scores["macro_f1"] == pytest.approx((6 / 7 + 0) / 2)
