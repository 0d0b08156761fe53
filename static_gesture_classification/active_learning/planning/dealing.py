"""Deal the next gesture to record, by how often each one fails before the camera.

The plan knows what fails on val's people. Whoever records is somebody else, and the recorder sees at once whether the
model knows their hand. So gestures are the arms of a bandit: what a gesture pays is how often the model misses it, for
of that there is something to keep. It saves views; a new person's model comes out no better for it
(benchmarks/results/active_learning.md). Thompson sampling (Thompson, "On the likelihood that one unknown probability
exceeds another", Biometrika 1933; with fading counts: Raj and Kalyani, "Taming Non-stationary Bandits", 2017) draws a
rate for each gesture from its Beta belief and deals the gesture with the highest:

    belief of a gesture = Beta(1/2 + missed, 1/2 + known),   both faded

A belief begins with val's errors and takes in every view of the gesture that the recorder judges. Earlier views fade,
because the model learns meanwhile. A gesture of which hardly a view is missed any more is learned, and not dealt again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from static_gesture_classification.settings import Settings

FLAT = 0.5  # of both sides, for a gesture of which nothing is known (Jeffreys' prior)


class DealingSettings(Settings):
    """How gestures are dealt; see conf/recording.

    Args:
        turn: pictures of a gesture, then the next is dealt.
        views: different views of a gesture in a turn at most.
        trust: val's samples of a gesture count as at most so many views.
        memory: about so many of a gesture's latest views count.
        learned: a gesture is learned if less than this share of its views is still missed ...
        certainty: ... by this belief, 0..1.
    """

    turn: int = Field(ge=1, strict=True)
    views: int = Field(ge=1, strict=True)
    trust: float = Field(ge=0)
    memory: float = Field(gt=1)
    learned: float = Field(ge=0, le=1)
    certainty: float = Field(gt=0, lt=1)


@dataclass(frozen=True)
class Standing:
    """How a gesture does on val.

    Args:
        gesture: the performed one.
        seen: its samples.
        taken_for: (other gesture, samples) for each error, most frequent first.
    """

    gesture: str
    seen: int
    taken_for: tuple[tuple[str, int], ...] = ()

    @property
    def missed(self) -> int:
        """Its samples that are taken for another gesture."""
        return sum(count for _, count in self.taken_for)


def standings_of(
    gestures: Sequence[str], predictions: Sequence[str], vocabulary: Iterable[str]
) -> tuple[Standing, ...]:
    """How each gesture of the vocabulary does, by n samples and what was predicted for them.

    A prediction that is none of the vocabulary (a hand that was not found) does not count.
    """
    known = tuple(vocabulary)
    pairs = Counter(zip(gestures, predictions, strict=True))
    standings = []
    for gesture in known:
        errors = Counter(
            {other: pairs[gesture, other] for other in known if other != gesture and pairs[gesture, other]}
        )
        taken_for = tuple(errors.most_common())
        standings.append(Standing(gesture, pairs[gesture, gesture] + errors.total(), taken_for))
    return tuple(standings)


@dataclass
class Belief:
    """What is believed of a gesture: faded counts of its views, and the unfaded ones before this camera."""

    missed: float
    known: float
    views: int = 0
    failed: int = 0
    taken_for: Counter[str] = field(default_factory=Counter)

    def take_in(self, missed: bool, memory: float) -> None:
        """Count a view; earlier ones fade."""
        self.missed, self.known = self.missed * (1 - 1 / memory), self.known * (1 - 1 / memory)
        self.missed, self.known = self.missed + missed, self.known + (not missed)
        self.views, self.failed = self.views + 1, self.failed + missed

    @property
    def parameters(self) -> tuple[float, float]:
        """Of the Beta distribution of the rate of missed views."""
        return FLAT + self.missed, FLAT + self.known


class Dealer:
    """Deals gestures, and learns from each judged view. Equal seeds and views deal equal gestures.

    Args:
        settings: see the class.
        gestures: that can be dealt.
        standings: how they do on val; one that is not named has no samples there.
        seed: of what is drawn.
    """

    def __init__(
        self, settings: DealingSettings, gestures: Iterable[str], standings: Sequence[Standing] = (), seed: int = 0
    ) -> None:
        self.settings, self._random = settings, np.random.default_rng(seed)
        self._val = {standing.gesture: standing for standing in standings}
        self._beliefs = {gesture: self._first_belief(gesture) for gesture in gestures}

    def saw(self, gesture: str, prediction: str, missed: bool) -> None:
        """Take in a view of a performed gesture.

        Args:
            prediction: what the model takes it for, its own name where it is right.
            missed: whether the model is wrong or unsure.
        """
        belief = self._beliefs.get(gesture)
        if belief is None:
            return
        belief.take_in(missed, self.settings.memory)
        if missed and prediction != gesture:
            belief.taken_for[prediction] += 1

    @property
    def all_learned(self) -> bool:
        """Whether nothing is left to deal."""
        return all(self.is_learned(gesture) for gesture in self._beliefs)

    def deal(self, leave_out: str | None = None) -> str | None:
        """The next gesture; None if all are learned.

        Args:
            leave_out: not this one, if there is another.
        """
        open_ = [gesture for gesture in self._beliefs if not self.is_learned(gesture)]
        others = [gesture for gesture in open_ if gesture != leave_out] or open_
        # Every gesture draws, dealt or not: so what one draws does not depend on which others are learned.
        drawn = {name: self._random.beta(*belief.parameters) for name, belief in self._beliefs.items()}
        return max(others, key=lambda gesture: drawn[gesture], default=None)

    def is_learned(self, gesture: str) -> bool:
        """Whether the model hardly misses the gesture any more; never before it was seen here."""
        from scipy.special import betaincinv  # takes a while to import

        belief = self._beliefs[gesture]
        if belief.views == 0:
            return False
        return bool(betaincinv(*belief.parameters, self.settings.certainty) < self.settings.learned)

    def why(self, gesture: str) -> str:
        """Why it is dealt, in a few words: `FIST: 4 of 9 views missed, mostly taken for FIVE`."""
        belief, val = self._beliefs[gesture], self._val.get(gesture)
        if belief.views:
            return f"{gesture}: {belief.failed} of {belief.views} views missed{_mostly(belief.taken_for)}"
        if val is None or not val.seen:
            return f"{gesture}: not tried yet"
        return f"{gesture}: {val.missed} of {val.seen} val samples missed{_mostly(Counter(dict(val.taken_for)))}"

    def taken_for(self, gesture: str) -> str | None:
        """What the model takes the gesture for most often, here or else on val; None if it never does."""
        seen = self._beliefs[gesture].taken_for
        if seen:
            return seen.most_common(1)[0][0]
        val = self._val.get(gesture)
        return val.taken_for[0][0] if val is not None and val.taken_for else None

    def _first_belief(self, gesture: str) -> Belief:
        val = self._val.get(gesture)
        if val is None or not val.seen:
            return Belief(0.0, 0.0)
        views, rate = min(self.settings.trust, val.seen), val.missed / val.seen
        return Belief(rate * views, (1 - rate) * views)


def _mostly(taken_for: Counter[str]) -> str:
    return f", mostly taken for {taken_for.most_common(1)[0][0]}" if taken_for else ""
