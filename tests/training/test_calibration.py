import numpy as np
import pandas as pd
import pytest
import torch

from static_gesture_classification.training.answers import USUAL_SHIFT, Calibration, fit_calibration, softmax
from static_gesture_classification.training.calibrate import subject_weights
from static_gesture_classification.training.calibration import Answer


@pytest.fixture(scope="module")
def val() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (4000, 4) that say how likely each class is, the classes drawn so, and weights."""
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(4000, 4))
    targets = np.array([random.choice(4, p=row / row.sum()) for row in softmax(logits).astype(float)])
    return logits, targets, np.ones(4000)


def test_overconfident_logits_are_divided_by_how_much_they_are(val: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, targets, weights = val
    found = fit_calibration(3 * logits, targets, weights, None, 0.5)
    assert found.temperature == pytest.approx(3, rel=0.1)
    probabilities = found.probabilities(3 * logits, None)
    sure = probabilities.max(1) > 0.8
    right = probabilities.argmax(1) == targets
    assert right[sure].mean() == pytest.approx(probabilities.max(1)[sure].mean(), abs=0.03)


def test_background_that_is_said_too_rarely_gets_an_advantage(val: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, targets, weights = val
    found = fit_calibration(logits - 2 * np.eye(4)[1], targets, weights, 1, float((targets == 1).mean()))
    assert found.advantage == pytest.approx(2, abs=0.3)


def test_few_people_hardly_move_the_usual_advantage_and_many_decide(
    val: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    logits, targets, weights = val
    share = float((targets == 1).mean())
    usual = USUAL_SHIFT + np.log(share / (1 - share))
    biased = logits - 6 * np.eye(4)[1]
    few, many = (fit_calibration(biased, targets, weight, 1, share) for weight in (weights / len(weights), weights))
    assert abs(few.advantage / few.temperature - usual) < 1
    assert many.advantage == pytest.approx(6, abs=0.4)


def test_more_hands_without_a_gesture_in_use_mean_fewer_false_alarms_and_more_misses(
    val: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    logits, targets, weights = val
    alarms, misses = [], []
    for share in (0.1, 0.5, 0.9):
        answers = fit_calibration(logits, targets, weights, 0, share).probabilities(logits, 0).argmax(1)
        alarms.append((answers[targets == 0] != 0).mean())
        misses.append((answers[targets != 0] == 0).mean())
    assert alarms == sorted(alarms, reverse=True)
    assert misses == sorted(misses)
    assert alarms[0] > alarms[2] + 0.3


@pytest.mark.parametrize("classes", [[0], [1, 2, 3], [2]])
def test_val_without_both_kinds_of_hands_gives_no_advantage(
    val: tuple[np.ndarray, np.ndarray, np.ndarray], classes: list[int]
) -> None:
    rows = np.isin(val[1], classes)
    found = fit_calibration(val[0][rows], val[1][rows], val[2][rows], 0, 0.5)
    assert found.advantage == 0
    assert 0.05 <= found.temperature <= 20


@pytest.mark.parametrize("background", [0, 2, None])
def test_torch_and_numpy_give_the_same_answer(background: int | None) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    calibration = Calibration(1.7, 0.6)
    probabilities, strangeness = Answer(calibration, background)(torch.from_numpy(logits))
    assert probabilities.numpy() == pytest.approx(calibration.probabilities(logits, background), abs=1e-6)
    if background is not None:
        assert ((strangeness.numpy() > 0.5) == (probabilities.argmax(1).numpy() == background)).all()


def test_each_person_counts_alike() -> None:
    subjects = ["anna"] * 3 + ["ben"] + [""] * 2
    samples = pd.DataFrame({"source": "own", "subject": subjects, "session": ["a", "b", "b", "c", "d", "d"]})
    weights = subject_weights(samples.assign(image=[f"{k}.jpg" for k in range(6)]))
    assert weights == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])
