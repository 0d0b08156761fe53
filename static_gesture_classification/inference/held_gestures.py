"""From predictions of single pictures to gestures that begin and end: hands are followed, probabilities smoothed.

A hand's probabilities are averaged over a short window, and a gesture begins once it has been the likeliest one for the
time `hold`; it ends once it has not been for as long. So one odd picture neither begins nor ends anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.samples import Box
from static_gesture_classification.settings import Settings

BEGIN, END = "begin", "end"
FORGOTTEN = 0.5  # seconds after which a hand that is not seen is another one when it comes back


class HoldSettings(Settings):
    """When a gesture begins and ends; see conf/live/default.yaml."""

    smooth: float = Field(ge=0, strict=True)
    hold: float = Field(ge=0, strict=True)
    least: float = Field(ge=0, le=1, strict=True)


@dataclass(frozen=True)
class GestureEvent:
    """A gesture that begins or ends.

    Args:
        event: "begin" or "end".
        gesture: which; never the background.
        score: its smoothed probability, 0..1; at an end, the largest since the beginning.
        hand: the subject's "left" or "right" hand; "" where unknown.
        number: of the hand, from 1; a hand that is lost and found again gets another one.
        box: x1, y1, x2, y2 of the hand, normalised to the unmirrored picture.
        time: seconds since the first picture.
        held: seconds since it began; 0 at the beginning.
    """

    event: str
    gesture: str
    score: float
    hand: str
    number: int
    box: Box
    time: float
    held: float = 0.0


@dataclass
class FollowedHand:
    """A hand over consecutive pictures.

    Args:
        number: see `GestureEvent`.
        latest: its latest prediction.
        seen: when that was, in seconds.
        gesture: what it shows; None while that is nothing, or not held yet.
        began: when the gesture began.
        best: its largest smoothed probability so far.
        smoothed: float32 (classes,), the average over the window.
    """

    number: int
    latest: RecognisedHand
    seen: float
    gesture: str | None = None
    began: float = 0.0
    best: float = 0.0
    smoothed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    rows: deque[tuple[float, np.ndarray]] = field(default_factory=deque)
    candidate: str | None = None
    candidate_since: float = 0.0

    @property
    def score(self) -> float:
        """The likeliest gesture's smoothed probability."""
        return float(self.smoothed.max())


class HeldGestures:
    """Follows hands and tells which gestures begin and end.

    Args:
        settings: how long, and how sure.
        vocabulary: the model's gestures; its background neither begins nor ends.
    """

    def __init__(self, settings: HoldSettings, vocabulary: Vocabulary) -> None:
        self.settings, self.vocabulary = settings, vocabulary
        self._hands: list[FollowedHand] = []
        self._count = 0
        self._first: float | None = None
        self._now = 0.0

    @property
    def hands(self) -> list[FollowedHand]:
        """The hands of the latest picture, from left to right."""
        return sorted((hand for hand in self._hands if hand.seen == self._now), key=lambda hand: hand.latest.hand.box)

    def see(self, time: float, recognised: Sequence[RecognisedHand]) -> list[GestureEvent]:
        """Take the hands of the next picture.

        Args:
            time: of the picture, in seconds that never go back.
            recognised: its hands.
        """
        self._first = time if self._first is None else self._first
        self._now = time
        self._assign(time, recognised)
        events = [event for hand in self._hands for event in self._judge(hand, time)]
        self._hands = [hand for hand in self._hands if hand.gesture is not None or time - hand.seen <= FORGOTTEN]
        return events

    def end(self) -> list[GestureEvent]:
        """End all gestures: no more pictures come."""
        return [event for hand in self._hands for event in self._change(hand, None, self._now)]

    def _assign(self, time: float, recognised: Sequence[RecognisedHand]) -> None:
        """Give each prediction to the nearest hand of the last pictures that is free, or to a new one."""
        pairs = sorted(
            (distance(hand.latest.hand.box, new.hand.box), place, index)
            for place, hand in enumerate(self._hands)
            for index, new in enumerate(recognised)
        )
        taken: dict[int, int] = {}  # place of the prediction -> place of the hand
        for _, place, index in pairs:
            if index not in taken and place not in taken.values():
                taken[index] = place
        for index, new in enumerate(recognised):
            if index in taken:
                hand = self._hands[taken[index]]
                hand.latest, hand.seen = new, time
            else:
                self._count += 1
                hand = FollowedHand(self._count, new, time, candidate_since=time)
                self._hands.append(hand)
            hand.rows.append((time, new.probabilities))

    def _judge(self, hand: FollowedHand, time: float) -> Iterator[GestureEvent]:
        """See what a hand shows now, and whether that has been so for long enough.

        A hand that is not found in a picture shows what it did in the others of the window.
        """
        while hand.rows and time - hand.rows[0][0] > self.settings.smooth:
            hand.rows.popleft()
        if hand.rows:
            hand.smoothed = np.mean([row for _, row in hand.rows], axis=0)
        shows = self._shows(hand) if hand.rows else None
        if shows != hand.candidate:
            hand.candidate, hand.candidate_since = shows, time
        if shows is not None and shows == hand.gesture:
            hand.best = max(hand.best, hand.score)
        if shows != hand.gesture and time - hand.candidate_since >= self.settings.hold:
            yield from self._change(hand, shows, time)

    def _shows(self, hand: FollowedHand) -> str | None:
        best = int(hand.smoothed.argmax())
        gesture = self.vocabulary.names[best]
        is_sure = hand.smoothed[best] >= self.settings.least and gesture != self.vocabulary.background
        return gesture if is_sure else None

    def _change(self, hand: FollowedHand, gesture: str | None, time: float) -> Iterator[GestureEvent]:
        assert self._first is not None or gesture is None
        about = (hand.latest.hand.hand, hand.number, hand.latest.hand.box, time - (self._first or 0.0))
        if hand.gesture is not None:
            yield GestureEvent(END, hand.gesture, hand.best, *about, held=time - hand.began)
        if gesture is not None:
            hand.began, hand.best = time, hand.score
            yield GestureEvent(BEGIN, gesture, hand.score, *about)
        hand.gesture = gesture


def distance(one: Box, other: Box) -> float:
    """How far two boxes' middles are apart, in the picture's width and height."""
    return max(abs(one[axis] + one[axis + 2] - other[axis] - other[axis + 2]) / 2 for axis in (0, 1))
