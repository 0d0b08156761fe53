from collections.abc import Callable

import pytest

from static_gesture_classification.active_learning.admission import AdmissionSettings
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.judging.selection import (
    ALIKE,
    KEPT,
    KNOWN,
    NO_HAND_SEEN,
    UNFIT,
    WAITING,
    Selector,
)
from static_gesture_classification.recording.settings import RecordingSettings
from tests.recording.conftest import See

RIGHT, UNSURE, WRONG, PLANNED = (
    [0.01, 0.02, 0.96, 0.01],
    [0.0, 0.4, 0.5, 0.1],
    [0.9, 0.0, 0.1, 0.0],
    [0.0, 0.9, 0.1, 0.0],
)


@pytest.fixture
def selector(settings: Callable[..., RecordingSettings], vocabulary: Vocabulary) -> Callable[..., Selector]:
    def made(*overrides: str, hard: bool = True, judged: bool = True) -> Selector:
        chosen = settings("recording.interval=0", *overrides).selection
        return Selector(chosen, AdmissionSettings(), vocabulary if judged else None, "THREE", "TWO", hard)

    return made


def test_hard_mode_keeps_errors_and_doubt_and_leaves_what_the_model_knows(selector, see: See) -> None:
    hard = selector("recording.best_of=1")
    outcomes = [hard.consider(see(number, says)) for number, says in enumerate((RIGHT, UNSURE, WRONG, PLANNED))]
    assert [verdict.outcome for verdict in outcomes] == [KNOWN, KEPT, KEPT, KEPT]
    assert [verdict.kept.judgement.outcome for verdict in outcomes[1:]] == ["unsure", "error", "planned error"]


def test_of_several_in_a_row_the_hardest_is_kept(selector, see: See) -> None:
    hard = selector("recording.best_of=4")
    outcomes = [hard.consider(see(number, says)) for number, says in enumerate((UNSURE, PLANNED, UNSURE, UNSURE))]
    assert [verdict.outcome for verdict in outcomes] == [WAITING, WAITING, WAITING, KEPT]
    assert outcomes[-1].kept.sight.captured.number == 1


def test_pictures_of_one_view_count_once_among_those_of_which_the_hardest_is_kept(selector, see: See) -> None:
    hard = selector("recording.best_of=3")
    looks = (0, 0, 0, 1, 1, 2)
    outcomes = [hard.consider(see(look, UNSURE, time=float(number))).outcome for number, look in enumerate(looks)]
    assert outcomes == [WAITING] * 5 + [KEPT]


def test_a_hand_held_still_is_kept_once_though_no_other_view_comes(selector, see: See) -> None:
    hard = selector("recording.best_of=3")
    outcomes = [hard.consider(see(0, UNSURE, time=float(number))).outcome for number in range(8)]
    assert outcomes == [WAITING] * 3 + [KEPT] + [ALIKE] * 4


def test_small_share_of_easy_ones_is_kept(selector, see: See) -> None:
    hard = selector("recording.best_of=1")
    for number in range(9):
        assert hard.consider(see(number, PLANNED)).outcome == KEPT
    assert hard.consider(see(10, RIGHT)).outcome == KEPT
    assert hard.consider(see(11, RIGHT)).outcome == KNOWN


def test_near_identical_pictures_are_kept_once_and_again_after_a_drop(selector, see: See) -> None:
    every = selector(hard=False)
    first = every.consider(see(0))
    assert (first.outcome, every.consider(see(0, time=1.0)).outcome) == (KEPT, ALIKE)
    every.forget(first.kept)
    assert every.consider(see(0, time=2.0)).outcome == KEPT


def test_without_hard_mode_or_a_model_everything_that_differs_is_kept(selector, see: See) -> None:
    assert [selector(hard=False).consider(see(0, RIGHT)).outcome, selector(judged=False).consider(see(1)).outcome] == [
        KEPT,
        WAITING,
    ]
    assert selector("recording.best_of=1", judged=False).consider(see(1)).outcome == KEPT


def test_no_hand_and_a_hand_cut_off_are_told_apart(selector, see: See) -> None:
    every = selector(hard=False)
    assert every.consider(see(0, box=None)).outcome == NO_HAND_SEEN
    verdict = every.consider(see(0, box=(0.0, 0.2, 0.4, 0.8)))
    assert verdict.outcome == UNFIT
    assert "cut off" in verdict.text


def test_pictures_are_kept_an_interval_apart(selector, see: See) -> None:
    every = selector("recording.interval=0.5", hard=False)
    outcomes = [every.consider(see(number, time=number * 0.2)).outcome for number in range(7)]
    assert outcomes == [KEPT, WAITING, WAITING, KEPT, WAITING, WAITING, KEPT]


def test_best_that_waits_is_kept_at_the_end(selector, see: See) -> None:
    hard = selector("recording.best_of=8")
    hard.consider(see(0, UNSURE))
    assert hard.flush().judgement.outcome == "unsure"
    assert hard.flush() is None


def test_gesture_that_the_model_does_not_know_is_always_hard(settings, vocabulary: Vocabulary, see: See) -> None:
    chosen = settings("recording.best_of=1").selection
    new = Selector(chosen, AdmissionSettings(), vocabulary, "VULCAN", None, True)
    assert new.consider(see(0, RIGHT)).kept.judgement.outcome == "error"
