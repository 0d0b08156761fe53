"""How the next gesture is dealt: by what fails, reproducibly, and not once it is learned."""

from collections import Counter

import pytest

from static_gesture_classification.active_learning.planning.dealing import (
    Dealer,
    DealingSettings,
    Standing,
    standings_of,
)

SETTINGS = DealingSettings(turn=5, views=20, trust=10, memory=20, learned=0.1, certainty=0.9)
GESTURES = ("ONE", "TWO", "FIST")
KNOWN = tuple(Standing(gesture, 100) for gesture in GESTURES)


def dealt(dealer: Dealer, times: int = 300) -> Counter[str | None]:
    return Counter(dealer.deal() for _ in range(times))


def test_gesture_that_fails_here_is_dealt_more_than_those_that_val_says_are_as_good() -> None:
    dealer = Dealer(SETTINGS, GESTURES, KNOWN)
    before = dealt(dealer)["FIST"]
    for view in range(9):
        dealer.saw("FIST", "TWO" if view % 2 else "FIST", missed=view % 2 == 1)
        dealer.saw("ONE", "ONE", missed=False)
    assert dealt(dealer)["FIST"] > 2 * before
    assert dealer.why("FIST") == "FIST: 4 of 9 views missed, mostly taken for TWO"
    assert dealer.taken_for("FIST") == "TWO"


def test_before_anything_is_seen_val_decides() -> None:
    standings = (Standing("ONE", 100), Standing("TWO", 100, (("ONE", 30), ("FIST", 2))), Standing("FIST", 100))
    dealer = Dealer(SETTINGS, GESTURES, standings)
    assert dealt(dealer).most_common(1)[0][0] == "TWO"
    assert dealer.why("TWO") == "TWO: 32 of 100 val samples missed, mostly taken for ONE"
    assert dealer.taken_for("TWO") == "ONE"


def test_gesture_that_val_does_not_know_is_tried_first() -> None:
    dealer = Dealer(SETTINGS, GESTURES, KNOWN[:2])
    assert dealt(dealer).most_common(1)[0][0] == "FIST"
    assert dealer.why("FIST") == "FIST: not tried yet"


def test_learned_gesture_is_not_dealt_again_until_all_are_learned() -> None:
    dealer = Dealer(SETTINGS, GESTURES)
    for _ in range(30):
        dealer.saw("ONE", "ONE", missed=False)
    assert dealer.is_learned("ONE")
    assert not dealer.is_learned("TWO")
    assert "ONE" not in dealt(dealer)
    for gesture in ("TWO", "FIST"):
        for _ in range(30):
            dealer.saw(gesture, gesture, missed=False)
    assert dealer.all_learned
    assert dealer.deal() is None


def test_gesture_that_val_says_is_perfect_is_still_tried_once_by_a_new_person() -> None:
    dealer = Dealer(SETTINGS.model_copy(update={"trust": 1000.0}), GESTURES, KNOWN)
    assert not dealer.is_learned("ONE")
    dealer.saw("ONE", "ONE", missed=False)
    assert dealer.is_learned("ONE")


def test_old_failures_fade_as_the_model_learns() -> None:
    dealer = Dealer(SETTINGS, GESTURES)
    for missed, views in ((True, 40), (False, 100)):
        for _ in range(views):
            dealer.saw("ONE", "TWO" if missed else "ONE", missed)
    assert dealer.is_learned("ONE")  # though 40 of its 140 views were missed


def test_equal_seeds_and_views_deal_equal_gestures_and_others_differ() -> None:
    def order(seed: int) -> list[str | None]:
        dealer = Dealer(SETTINGS, GESTURES, KNOWN, seed)
        gestures = []
        for turn in range(40):
            gestures.append(dealer.deal())
            dealer.saw(gestures[-1] or "", "TWO", missed=turn % 3 == 0)
        return gestures

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_the_one_left_out_is_dealt_only_if_it_is_the_last() -> None:
    dealer = Dealer(SETTINGS, ("ONE", "TWO"))
    assert {dealer.deal(leave_out="ONE") for _ in range(50)} == {"TWO"}
    assert Dealer(SETTINGS, ("ONE",)).deal(leave_out="ONE") == "ONE"


@pytest.mark.parametrize("missed", [True, False])
def test_view_of_a_gesture_that_is_never_dealt_changes_nothing(missed: bool) -> None:
    dealer, other = Dealer(SETTINGS, GESTURES), Dealer(SETTINGS, GESTURES)
    dealer.saw("OKAY", "FIST", missed)
    assert [dealer.deal() for _ in range(20)] == [other.deal() for _ in range(20)]


def test_standings_count_errors_by_what_they_are_taken_for_and_leave_out_hands_not_found() -> None:
    gestures = ["ONE", "ONE", "ONE", "ONE", "ONE", "TWO"]
    predictions = ["ONE", "TWO", "FIST", "FIST", "", "TWO"]
    one, two, fist = standings_of(gestures, predictions, GESTURES)
    assert (one.seen, one.missed, one.taken_for) == (4, 3, (("FIST", 2), ("TWO", 1)))
    assert (two.seen, two.missed, fist.seen) == (1, 0, 0)
