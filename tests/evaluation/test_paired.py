import numpy as np
import pytest

from static_gesture_classification.evaluation.metrics import (
    confusion_counts,
    outcomes_of,
    weighted_f1,
)
from static_gesture_classification.evaluation.paired import Pairing, change, errors_of_pair, paired, verdict

from .seeded import GESTURES, seeded_predictions


def pairing_of(truths, before, after, people=12):
    """Samples as indices into GESTURES; ten in a row show one person."""
    truths = np.asarray(truths)
    person = (np.arange(len(truths)) // 10 % people).astype(object)
    source = np.full(len(truths), "webcam", object)
    return Pairing(GESTURES, truths, np.asarray(before), np.asarray(after), source, person)


def test_a_classifier_compared_with_itself_shows_no_change_and_no_doubt_about_it():
    said = seeded_predictions()
    changed = change(paired(said, said), max_gesture_loss=0.03, resamples=50, seed=0)
    assert changed.difference == 0
    assert (changed.interval.low, changed.interval.high) == (0, 0)
    assert not changed.gestures["harmed"].any()
    assert changed.people == 12


def test_the_scores_are_those_that_evaluation_reports():
    before, after = seeded_predictions(right=0.7), seeded_predictions(right=0.9)
    pairing = paired(before, after)
    changed = change(pairing, 0.03, 50, 0)
    assert changed.gestures["support"].sum() == 600
    assert changed.before == pytest.approx(weighted(before))
    assert changed.after == pytest.approx(weighted(after))


def weighted(said):
    outcomes = outcomes_of(said)
    return weighted_f1(confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels)))


def test_errors_that_both_make_do_not_widen_the_interval():
    truths = np.arange(600) % 10
    wrong = np.where(np.arange(600) % 3 == 0, (truths + 1) % 10, truths)  # both err on a third
    better = wrong.copy()
    fixed = np.flatnonzero(wrong != truths)[::10]
    better[fixed] = truths[fixed]
    changed = change(pairing_of(truths, wrong, better), 0.03, 500, 0)
    assert 0 < changed.interval.low < changed.difference < changed.interval.high
    assert changed.interval.high - changed.interval.low < 0.06  # 400 right of 600 alone leave 0.08


def test_a_gesture_that_is_lost_on_many_people_is_harmed():
    truths = np.arange(600) % 10
    after = np.where((truths == 9) & (np.arange(600) % 50 < 30), 0, truths)
    changed = change(pairing_of(truths, truths, after), 0.03, 500, 0)
    assert changed.harmed.index.tolist()[0] == "FIST"
    assert changed.gestures.loc["FIST", "lost"] == 36
    assert changed.gestures.loc["FIST", "high"] < 0


def test_one_that_errs_more_is_not_preferred_though_no_gesture_is_harmed():
    truths = np.arange(600) % 10
    after = np.where(np.arange(600) < 20, (truths + 1) % 10, truths)  # two more errors in each gesture
    worse = change(pairing_of(truths, truths, after), 0.5, 200, 0)
    assert worse.harmed.empty
    assert not verdict(worse, "val").promote
    assert "not better" in verdict(worse, "val").reason
    assert not verdict(change(pairing_of(truths, after, after), 0.5, 200, 0), "val").promote
    assert verdict(change(pairing_of(truths, after, truths), 0.5, 200, 0), "val").promote


def test_a_gesture_with_three_samples_is_not_harmed_by_losing_them_all():
    truths = np.concatenate([np.arange(597) % 9, [9, 9, 9]])
    after = np.where(truths == 9, 0, truths)
    gestures = change(pairing_of(truths, truths, after), 0.03, 500, 0).gestures
    assert gestures.loc["FIST", "difference"] == -1
    assert not gestures.loc["FIST", "harmed"]


def test_one_person_alone_does_not_make_a_gesture_harmed():
    truths = np.arange(1200) % 10
    person = np.arange(1200) // 100  # a hundred samples in a row, ten of each gesture, show one person
    after = np.where((truths == 9) & (person == 0), 0, truths)
    pairing = pairing_of(truths, truths, after)
    pairing = Pairing(GESTURES, truths, truths, after, pairing.sources, person.astype(object))
    gestures = change(pairing, 0.03, 500, 0).gestures
    assert gestures.loc["FIST", "difference"] < -0.03
    assert not gestures.loc["FIST", "harmed"]


def test_retrained_classifiers_that_are_equally_good_are_hardly_ever_called_harmful():
    truths, harmed = np.arange(600) % 10, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        said = [np.where(random.random(600) < 0.9, truths, random.integers(10, size=600)) for _ in range(2)]
        harmed += bool(change(pairing_of(truths, *said), 0.03, 200, seed).gestures["harmed"].any())
    assert harmed <= 2


def test_a_hand_that_was_not_found_is_an_error_of_its_gesture_and_a_prediction_of_none():
    truths = np.array([0, 1, 1, 0])
    changed = change(pairing_of(truths, truths, [0, 10, 1, 0], people=2), 0.03, 50, 0)
    assert changed.gestures.loc["ONE", "after"] == pytest.approx(2 / 3)
    assert changed.gestures.loc["BACKGROUND", "after"] == 1


def test_a_pairs_errors_are_counted_with_those_fixed_and_those_newly_made():
    truths = np.full(10, 2)
    before = np.array([3, 3, 3, 3, 2, 2, 2, 2, 5, 2])
    after = np.array([2, 2, 2, 3, 3, 2, 2, 2, 2, 2])
    pairing = pairing_of(truths, before, after)
    counted = errors_of_pair(pairing, "TWO", "THREE")
    assert (counted["errors_before"], counted["errors_after"]) == (4, 2)
    assert (counted["fixed"], counted["made"], counted["support"]) == (3, 1, 10)
    assert errors_of_pair(pairing, "TWO", None)["errors_before"] == 5
    assert errors_of_pair(pairing, "TWO", "NO SUCH")["errors_after"] == 0
    assert np.isnan(errors_of_pair(pairing, "FIST", "TWO")["rate_before"])


def test_one_person_alone_is_resampled_by_sample_and_it_is_said():
    changed = change(pairing_of(np.arange(20) % 10, np.arange(20) % 10, np.arange(20) % 10, people=1), 0.03, 20, 0)
    assert (changed.interval.unit, changed.people) == ("sample", 1)


def test_tables_about_different_samples_are_not_paired():
    with pytest.raises(ValueError, match="different samples"):
        paired(seeded_predictions(20), seeded_predictions(30))
