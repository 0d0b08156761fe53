import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, classification_report, confusion_matrix

from static_gesture_classification.evaluation import metrics
from static_gesture_classification.evaluation.predictions import predictions_of, sample_keys
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.scores import weighted_f1
from tests.support.seeded_predictions import GESTURES, VOCABULARY, probabilities_for, sample_table, seeded_predictions


@pytest.fixture(scope="module")
def outcomes():
    return metrics.outcomes_of(seeded_predictions(600))


@pytest.fixture(scope="module")
def counts(outcomes):
    return metrics.confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels))


def of_samples(gestures, right=0.8, subjects=12):
    truths = np.array([GESTURES.index(name) for name in gestures], np.int64)
    keys = sample_keys(sample_table(gestures, subjects))
    return metrics.outcomes_of(predictions_of(keys, probabilities_for(truths, right), VOCABULARY))


def test_scores_and_averages_are_those_of_scikit_learn(outcomes, counts):
    truths, predicted = outcomes.truths, outcomes.predictions
    report = classification_report(truths, predicted, target_names=GESTURES, output_dict=True)
    scores = metrics.gesture_scores(counts, outcomes.labels)
    averages = metrics.average_scores(scores)
    assert np.array_equal(counts, confusion_matrix(truths, predicted))
    for gesture in GESTURES:
        expected = [report[gesture][key] for key in ("precision", "recall", "f1-score", "support")]
        assert scores.loc[gesture].tolist() == pytest.approx(expected)
    for average in ("weighted avg", "macro avg"):
        expected = [report[average][key] for key in ("precision", "recall", "f1-score", "support")]
        assert averages.loc[average].tolist() == pytest.approx(expected)
    assert metrics.accuracy(counts) == pytest.approx(report["accuracy"])
    assert weighted_f1(counts) == pytest.approx(report["weighted avg"]["f1-score"])


def test_average_precision_is_scikit_learns(outcomes):
    _, average = metrics.precision_recall_curves(outcomes)
    expected = [average_precision_score(outcomes.truths == i, outcomes.probabilities[:, i]) for i in range(10)]
    assert average.tolist() == pytest.approx(expected)


def test_precision_recall_curves_keep_both_ends_and_few_points(outcomes):
    curves, _ = metrics.precision_recall_curves(outcomes)
    for _, curve in curves.groupby("gesture"):
        assert len(curve) <= metrics.CURVE_POINTS
        assert curve["recall"].iloc[[0, -1]].tolist() == [1.0, 0.0]
        assert curve["precision"].iloc[-1] == 1.0


def test_a_gesture_without_samples_takes_no_part_in_averages():
    outcomes = of_samples(["ONE", "TWO"] * 30, right=1.0)
    counts = metrics.confusion_counts(outcomes.truths, outcomes.predictions, 10)
    scores = metrics.gesture_scores(counts, outcomes.labels)
    assert scores.loc["FIST", "support"] == 0
    assert math.isnan(scores.loc["FIST", "f1"])
    assert metrics.average_scores(scores).loc["macro avg", "f1"] == 1.0
    _, average = metrics.precision_recall_curves(outcomes)
    assert math.isnan(average["FIST"])
    assert average["ONE"] == 1.0


def test_a_gesture_that_is_never_predicted_scores_zero():
    counts = np.array([[5, 0], [3, 0]])
    scores = metrics.gesture_scores(counts, ["A", "B"])
    assert scores.loc["B"].tolist() == [0, 0, 0, 3]
    assert metrics.average_scores(scores).loc["macro avg", "f1"] == pytest.approx(10 / 13 / 2)


def test_one_class_only_and_an_empty_split_have_numbers_or_nothing_but_no_warning():
    one = of_samples(["FIVE"] * 20, right=1.0)
    counts = metrics.confusion_counts(one.truths, one.predictions, 10)
    assert weighted_f1(counts) == metrics.accuracy(counts) == 1.0
    empty = of_samples([])
    counts = metrics.confusion_counts(empty.truths, empty.predictions, 10)
    assert math.isnan(weighted_f1(counts))
    assert math.isnan(metrics.accuracy(counts))
    assert math.isnan(metrics.average_scores(metrics.gesture_scores(counts, GESTURES)).loc["macro avg", "f1"])
    assert math.isnan(metrics.expected_calibration_error(metrics.calibration(empty)))
    assert math.isnan(metrics.weighted_f1_interval(empty, 10, 0).low)
    assert metrics.precision_recall_curves(empty)[0].empty
    assert metrics.breakdown(empty, ["source"]).empty


def test_rates_are_shares_of_the_support_and_rows_without_support_have_none():
    rates = metrics.confusion_rates(np.array([[3, 1], [0, 0]]))
    assert rates[0].tolist() == [0.75, 0.25]
    assert np.isnan(rates[1]).all()


def test_samples_of_gestures_the_classifier_does_not_know_count_as_errors():
    keys = sample_keys(sample_table(["ROCK", "ONE", "ONE", "TWO"]))
    predicted = np.float32([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    outcomes = metrics.outcomes_of(predictions_of(keys, predicted, Vocabulary(("ONE", "TWO"))))
    assert outcomes.labels == ("ONE", "TWO", "ROCK")
    counts = metrics.confusion_counts(outcomes.truths, outcomes.predictions, 3)
    assert metrics.accuracy(counts) == 0.75
    assert metrics.gesture_scores(counts, outcomes.labels).loc["ROCK", "f1"] == 0.0
    assert list(metrics.precision_recall_curves(outcomes)[1].index) == ["ONE", "TWO"]


def test_a_classifier_that_says_how_often_it_is_right_has_no_calibration_error(outcomes):
    random = np.random.default_rng(0)
    score = random.uniform(0.5, 1, 200_000)
    truths = (random.random(len(score)) > score).astype(np.int64)
    empty = np.full(len(score), "", dtype=object)
    honest = metrics.Outcomes(
        ("A", "B"), truths, np.zeros(len(score), np.int64), np.stack([score, 1 - score], 1), empty, empty
    )
    assert metrics.expected_calibration_error(metrics.calibration(honest)) < 0.01
    boastful = replace(honest, probabilities=np.tile([1.0, 0.0], (len(score), 1)))
    expected = 1 - (truths == 0).mean()
    assert metrics.expected_calibration_error(metrics.calibration(boastful)) == pytest.approx(expected)
    assert metrics.calibration(outcomes)["samples"].sum() == len(outcomes)


def test_error_pairs_are_sorted_by_count_and_hold_no_right_answer(outcomes, counts):
    pairs = metrics.error_pairs(counts, outcomes.labels)
    assert pairs["count"].is_monotonic_decreasing
    assert (pairs["gesture"] != pairs["prediction"]).all()
    assert pairs["count"].sum() == (outcomes.truths != outcomes.predictions).sum()
    assert metrics.error_pairs(np.diag([3, 4]), ["A", "B"]).empty


def test_a_breakdown_has_one_row_per_group_with_the_worst_first(outcomes):
    sources = metrics.breakdown(outcomes, ["source"])
    assert sorted(sources["source"]) == ["hagrid", "hands"]
    assert sources["samples"].sum() == len(outcomes)
    subjects = metrics.breakdown(outcomes, ["source", "subject"])
    assert len(subjects) == 12
    assert subjects["weighted_f1"].is_monotonic_increasing
    one = subjects.iloc[0]
    members = (outcomes.sources == one["source"]) & (outcomes.subjects == one["subject"])
    counts = metrics.confusion_counts(outcomes.truths[members], outcomes.predictions[members], 10)
    assert one["weighted_f1"] == weighted_f1(counts)


def test_the_interval_holds_the_score_and_is_the_same_for_a_seed(outcomes, counts):
    interval = metrics.weighted_f1_interval(outcomes, 1000, seed=3)
    assert interval.low < weighted_f1(counts) < interval.high
    assert (interval.unit, interval.units) == ("subject", 12)
    assert interval == metrics.weighted_f1_interval(outcomes, 1000, seed=3)
    assert interval != metrics.weighted_f1_interval(outcomes, 1000, seed=4)


def test_people_who_differ_make_the_interval_wider_than_their_samples_alone_would():
    gestures = [GESTURES[i] for i in np.random.default_rng(0).integers(10, size=1200)]
    outcomes = of_samples(gestures)
    truths = outcomes.truths
    failing = np.isin(outcomes.subjects, ["person 0", "person 1", "person 2"])
    outcomes = replace(outcomes, predictions=np.where(failing, (truths + 1) % 10, truths))
    alone = replace(outcomes, subjects=np.array([f"person {i}" for i in range(len(truths))], dtype=object))
    together = metrics.weighted_f1_interval(outcomes, 1000, 0)
    apart = metrics.weighted_f1_interval(alone, 1000, 0)
    assert together.high - together.low > 4 * (apart.high - apart.low)


def test_bootstrap_intervals_agree_with_resampling_by_hand():
    outcomes = of_samples([GESTURES[i % 10] for i in range(200)], right=0.6, subjects=200)
    random = np.random.default_rng(7)
    values = []
    for _ in range(2000):
        drawn = random.integers(200, size=200)
        counts = metrics.confusion_counts(outcomes.truths[drawn], outcomes.predictions[drawn], 10)
        values.append(weighted_f1(counts))
    interval = metrics.weighted_f1_interval(outcomes, 2000, seed=0)
    assert [interval.low, interval.high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.01)


def test_with_one_person_samples_are_resampled_and_the_interval_says_so():
    interval = metrics.weighted_f1_interval(of_samples(["ONE", "TWO", "FIST"] * 20, subjects=1), 200, 0)
    assert (interval.unit, interval.units) == ("sample", 60)
    assert interval.low < interval.high


def test_json_never_holds_nan():
    value = {"a": [float("nan"), np.float32(0.5)], "b": {"c": np.int64(3), "d": (np.nan, "x")}}
    assert json.loads(json.dumps(metrics.json_ready(value), allow_nan=False)) == {
        "a": [None, 0.5],
        "b": {"c": 3, "d": [None, "x"]},
    }
