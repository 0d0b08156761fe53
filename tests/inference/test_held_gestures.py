"""When gestures begin and end, frame by frame at 20 frames a second."""

from collections.abc import Sequence

from static_gesture_classification.inference.held_gestures import GestureEvent, HeldGestures, HoldSettings
from static_gesture_classification.inference.predictor import RecognisedHand
from tests.live.conftest import VOCABULARY, hand

FRAME = 0.05
LEFT, RIGHT = (0.1, 0.3, 0.3, 0.7), (0.7, 0.3, 0.9, 0.7)


def watched(
    frames: Sequence[Sequence[RecognisedHand]], smooth: float = 0.2, hold: float = 0.3
) -> tuple[list[GestureEvent], HeldGestures]:
    held = HeldGestures(HoldSettings(smooth=smooth, hold=hold, least=0.6), VOCABULARY)
    return [event for number, hands in enumerate(frames) for event in held.see(7 + number * FRAME, hands)], held


def told(events: Sequence[GestureEvent]) -> list[tuple[str, str]]:
    return [(event.event, event.gesture) for event in events]


def test_gesture_begins_once_it_is_held_and_ends_once_it_is_gone() -> None:
    events, _ = watched([[hand("FIST")]] * 20 + [[hand("BACKGROUND")]] * 20)
    assert told(events) == [("begin", "FIST"), ("end", "FIST")]
    assert 0.3 <= events[0].time <= 0.4
    assert 1.3 <= events[1].time <= 1.6
    assert events[1].held == events[1].time - events[0].time


def test_gesture_that_is_shown_shorter_than_the_hold_time_never_begins() -> None:
    assert told(watched([[hand("FIST")]] * 4 + [[hand("BACKGROUND")]] * 10)[0]) == []


def test_odd_pictures_and_missed_hands_do_not_interrupt_a_gesture() -> None:
    frames = [[hand("FIST")]] * 10
    frames += [[hand("TWO")], [], *[[hand("FIST")]] * 4] * 4
    events, held = watched(frames)
    assert told(events) == [("begin", "FIST")]
    assert told(held.end()) == [("end", "FIST")]


def test_without_smoothing_and_hold_time_each_picture_counts() -> None:
    frames = [[hand("FIST")], [hand("TWO")], [hand("FIST")]]
    expected = [("begin", "FIST"), ("end", "FIST"), ("begin", "TWO"), ("end", "TWO"), ("begin", "FIST")]
    assert told(watched(frames, 0.0, 0.0)[0]) == expected


def test_unsure_model_begins_nothing() -> None:
    assert told(watched([[hand([0.0, 0.5, 0.5, 0.0])]] * 20)[0]) == []


def test_change_of_gesture_ends_the_one_before_the_other_begins() -> None:
    events, _ = watched([[hand("FIST")]] * 10 + [[hand("TWO")]] * 12)
    assert told(events) == [("begin", "FIST"), ("end", "FIST"), ("begin", "TWO")]


def test_hand_that_leaves_ends_its_gesture() -> None:
    assert told(watched([[hand("FIST")]] * 10 + [[]] * 12)[0]) == [("begin", "FIST"), ("end", "FIST")]


def test_two_hands_are_followed_each_by_itself() -> None:
    frames = [[hand("FIST", LEFT), hand("TWO", RIGHT)], [hand("TWO", RIGHT), hand("FIST", LEFT)]] * 6
    events, held = watched(frames)
    assert {(event.gesture, event.box) for event in events} == {("FIST", LEFT), ("TWO", RIGHT)}
    assert len({event.number for event in events}) == 2
    assert [each.gesture for each in held.hands] == ["FIST", "TWO"]
