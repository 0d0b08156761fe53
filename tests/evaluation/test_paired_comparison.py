from dataclasses import replace

import numpy as np
import pytest

from static_gesture_classification.evaluation.metrics import (
    confusion_counts,
    outcomes_of,
    weighted_f1,
)
from static_gesture_classification.evaluation.paired_comparison import (
    Change,
    ChangeSettings,
    Pairing,
    errors_of_pair,
    measure_change,
    pair_predictions,
    verdict,
)
from tests.support.seeded_predictions import GESTURES, seeded_predictions


def change(pairing: Pairing, max_gesture_loss: float, resamples: int, seed: int, **others: float) -> Change:
    """The change of a pairing under such settings."""
    settings = ChangeSettings(max_gesture_loss=max_gesture_loss, resamples=resamples, seed=seed, **others)
    return measure_change(pairing, settings)


def pairing_of(truths, before, after, people=12):
    """Samples as indices into GESTURES; ten in a row show one person."""
    truths = np.asarray(truths)
    subjects = (np.arange(len(truths)) // 10 % people).astype(object)
    source = np.full(len(truths), "webcam", object)
    return Pairing(GESTURES, truths, np.asarray(before), np.asarray(after), source, subjects)


def test_a_classifier_compared_with_itself_shows_no_change_and_no_doubt_about_it():
    found = seeded_predictions()
    changed = change(pair_predictions(found, found), max_gesture_loss=0.03, resamples=50, seed=0)
    assert changed.difference == 0
    assert (changed.interval.low, changed.interval.high) == (0, 0)
    assert not changed.gestures["harmed"].any()
    assert changed.subjects == 12


def test_the_scores_are_those_that_evaluation_reports():
    before, after = seeded_predictions(right=0.7), seeded_predictions(right=0.9)
    pairing = pair_predictions(before, after)
    changed = change(pairing, 0.03, 50, 0)
    assert changed.gestures["support"].sum() == 600
    assert changed.before == pytest.approx(weighted(before))
    assert changed.after == pytest.approx(weighted(after))


def weighted(found):
    outcomes = outcomes_of(found)
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


def rare_gesture(shown_by, lost, each=4, others=100):
    """A hundred people; few of them show FIST, and `lost` of their samples in all are not recognised any more."""
    truths = np.concatenate([np.arange(others * 9) % 9, np.full(shown_by * each, 9)])
    subjects = np.concatenate([np.arange(others * 9) // 9, np.repeat(np.arange(shown_by), each)])
    after = truths.copy()
    after[len(truths) - shown_by * each :][:lost] = 0
    return Pairing(GESTURES, truths, truths, after, np.full(len(truths), "webcam", object), subjects.astype(object))


@pytest.mark.parametrize("shown_by", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("each", [1, 4])
def test_a_gesture_that_few_people_show_is_harmed_when_none_of_it_is_recognised_any_more(shown_by, each):
    changed = change(rare_gesture(shown_by, shown_by * each, each), 0.03, 500, 0)
    assert changed.gestures.loc["FIST", ["before", "after"]].tolist() == [1, 0]
    assert changed.harmed.index[0] == "FIST"


def test_a_lost_gesture_is_found_although_the_false_positives_of_many_keep_its_f1_low():
    pairing = rare_gesture(2, 8)
    before, after = pairing.before.copy(), pairing.after.copy()
    wrong = np.flatnonzero(pairing.truths == 4)[:60]  # both take them for FIST
    before[wrong] = after[wrong] = 9
    changed = change(replace(pairing, before=before, after=after), 0.03, 500, 0)
    assert changed.gestures.loc["FIST", "before"] < 0.25
    assert changed.gestures.loc["FIST", "harmed"]


def test_how_much_a_gesture_that_few_people_show_may_lose_is_set():
    pairing = rare_gesture(3, 6)
    assert change(pairing, 0.03, 50, 0, large_gesture_loss=0.4).gestures.loc["FIST", "harmed"]
    assert not change(pairing, 0.03, 50, 0, large_gesture_loss=0.6).gestures.loc["FIST", "harmed"]
    assert not change(pairing, 0.6, 50, 0, large_gesture_loss=0.4).gestures.loc["FIST", "harmed"]


def test_one_of_two_samples_lost_is_no_reason_to_refuse():
    assert not change(rare_gesture(1, 1, each=2), 0.03, 50, 0).gestures.loc["FIST", "harmed"]
    assert not change(rare_gesture(2, 1, each=1), 0.03, 50, 0).gestures.loc["FIST", "harmed"]


def test_the_interval_of_a_gesture_draws_among_those_who_show_it():
    gestures = change(rare_gesture(3, 12), 0.03, 500, 0).gestures
    assert gestures.loc["FIST", ["low", "high", "people"]].tolist() == [-1, -1, 3]  # no draw is without them
    alone = change(rare_gesture(1, 4), 0.03, 500, 0).gestures.loc["FIST"]
    assert np.isnan(alone["low"])
    assert np.isnan(alone["high"])  # one person alone: no interval about people


def test_false_positives_of_many_harm_a_gesture_that_one_person_shows():
    pairing = rare_gesture(1, 0, each=8)
    after = pairing.after.copy()
    after[np.flatnonzero(pairing.truths == 4)[:40]] = 9
    assert change(replace(pairing, after=after), 0.03, 500, 0).gestures.loc["FIST", "harmed"]


def test_ten_of_twelve_people_lost_are_enough():
    assert change(rare_gesture(12, 40), 0.03, 500, 0).gestures.loc["FIST", "harmed"]


def test_losses_that_only_some_people_show_are_exchanged_person_by_person():
    truths = np.arange(1000) % 10
    subjects = np.arange(1000) // 100  # ten people, each shows each gesture ten times
    after = np.where((truths == 9) & np.isin(subjects, (0, 1, 2)), 0, truths)
    pairing = Pairing(GESTURES, truths, truths, after, np.full(1000, "webcam", object), subjects.astype(object))
    gestures = change(pairing, 0.03, 500, 0).gestures
    assert gestures.loc["FIST", "chance"] == pytest.approx(1 / 8, abs=0.02)  # thirty samples, but three people
    assert not gestures.loc["FIST", "harmed"]


def better_elsewhere(pairing):
    """The same, but before errs on a tenth of the other gestures, which after mends."""
    before = pairing.before.copy()
    wrong = np.flatnonzero(pairing.truths < 9)[::10]
    before[wrong] = (pairing.truths[wrong] + 1) % 9
    return replace(pairing, before=before)


def test_the_verdict_says_of_which_gestures_nobody_can_tell_and_what_would_have_counted():
    found = verdict(change(better_elsewhere(rare_gesture(3, 1)), 0.03, 200, 0), "val")
    assert found.promote
    assert "so few people show FIST (3) that only a fall of recall by more than 0.4 would have counted" in found.reason


def test_the_verdict_refuses_a_large_loss_and_says_how_few_show_it():
    found = verdict(change(better_elsewhere(rare_gesture(3, 12)), 0.03, 200, 0), "val")
    assert not found.promote
    assert "FIST worse (F1 1.00 -> 0.00, recall 1.00 -> 0.00 on 12 samples of 3 people, too few to rule" in found.reason
    assert "12 samples of 1 person," in verdict(
        change(better_elsewhere(rare_gesture(1, 12, 12)), 0.03, 200, 0), "val"
    ).reason  # fmt: skip


def test_the_verdict_says_so_where_too_few_people_show_any_gesture():
    truths = np.tile(np.arange(9), 20)
    before = np.where(np.arange(180) % 9 == 1, 2, truths)
    found = verdict(change(pairing_of(truths, before, truths, people=3), 0.03, 50, 0), "val")
    assert found.promote
    assert "nobody can tell, since none is shown by more than 3 people" in found.reason
    assert "FIST: no samples, so nothing is known of it" in found.reason
    alone = verdict(change(pairing_of(truths, before, truths, people=1), 0.03, 50, 0), "val")
    assert "shows one person alone, and says nothing of others" in alone.reason


def test_one_person_alone_does_not_make_a_gesture_harmed():
    truths = np.arange(1200) % 10
    subjects = np.arange(1200) // 100  # a hundred samples in a row, ten of each gesture, show one person
    after = np.where((truths == 9) & (subjects == 0), 0, truths)
    pairing = pairing_of(truths, truths, after)
    pairing = Pairing(GESTURES, truths, truths, after, pairing.sources, subjects.astype(object))
    gestures = change(pairing, 0.03, 500, 0).gestures
    assert gestures.loc["FIST", "difference"] < -0.03
    assert not gestures.loc["FIST", "harmed"]


def test_retrained_classifiers_that_are_equally_good_are_hardly_ever_called_harmful():
    truths, harmed = np.arange(600) % 10, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        found = [np.where(random.random(600) < 0.9, truths, random.integers(10, size=600)) for _ in range(2)]
        harmed += bool(change(pairing_of(truths, *found), 0.03, 200, seed).gestures["harmed"].any())
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
    assert (changed.interval.unit, changed.subjects) == ("sample", 1)


def test_tables_about_different_samples_are_not_paired():
    with pytest.raises(ValueError, match="different samples"):
        pair_predictions(seeded_predictions(20), seeded_predictions(30))
