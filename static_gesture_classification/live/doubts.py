"""What contradicts itself, without anybody saying so: a held pose that flickers, whose landmarks and crop disagree, or
that the model is unsure of.

A doubt is a function of the latest moments of a hand in one pose; to add one, write it and name it in `DOUBTS`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from static_gesture_classification.active_learning.admission import UNSURE
from static_gesture_classification.recording.judging.novelty import Appearance, pose_difference

HELD = 1.0  # pose difference (see `novelty`) up to which a hand holds its pose
HELD_SECONDS = 1.0  # a pose that is held for less is on its way to another
SWITCHES = 3  # changes of the gesture in a held pose; one may be the pose's own end, two a single odd picture

DISAGREEING = 0.8  # share of a held pose's moments in which opinions differ; in some they do by chance

FLICKERS, DISAGREES = "flickers", "disagrees"  # why a sample is kept, in `session.json`


@dataclass(frozen=True)
class Moment:
    """One picture's prediction for the hand that counts.

    Args:
        time: in seconds.
        gesture: the likeliest one of this picture, unsmoothed.
        margin: gap between its two largest probabilities, 0..1.
        pose: of the hand.
        opinions: who is asked besides -> gesture (see `opinions`).
    """

    time: float
    gesture: str
    margin: float
    pose: Appearance
    opinions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Doubt:
    """A contradiction: what kind (`kept_because` of a session's images), and in words."""

    kind: str
    text: str


def find_doubt(moments: Sequence[Moment], margin: float) -> Doubt | None:
    """The contradiction in the latest pose of a hand, if it was held for long enough.

    Args:
        moments: in order, without gaps.
        margin: below this gap the model is unsure (`admission.margin`).
    """
    held = find_held_pose(moments)
    if not held or held[-1].time - held[0].time < HELD_SECONDS:
        return None
    return next((doubt for find in DOUBTS if (doubt := find(held, margin)) is not None), None)


def find_held_pose(moments: Sequence[Moment]) -> Sequence[Moment]:
    """The latest moments in which the hand holds the pose of the last one."""
    for count, moment in enumerate(reversed(moments)):
        if pose_difference(moment.pose, moments[-1].pose) > HELD:
            return moments[len(moments) - count :]
    return moments


def flickering(held: Sequence[Moment], margin: float) -> Doubt | None:
    """The pose stays, its gesture changes again and again."""
    switches = sum(one.gesture != other.gesture for one, other in itertools.pairwise(held))
    if switches < SWITCHES:
        return None
    between = " and ".join(name for name, _ in Counter(moment.gesture for moment in held).most_common(2))
    return Doubt(FLICKERS, f"a held pose flickers between {between}")


def disagreement(held: Sequence[Moment], margin: float) -> Doubt | None:
    """What is asked besides, such as landmarks and crop, gives the pose different gestures nearly all the time."""
    differ = [moment.opinions for moment in held if len(set(moment.opinions.values())) > 1]
    if not differ or len(differ) < DISAGREEING * len(held):
        return None
    usual, _ = Counter(tuple(each.items()) for each in differ).most_common(1)[0]
    return Doubt(DISAGREES, "a held pose is " + ", ".join(f"{gesture} by {who}" for who, gesture in usual))


def small_margins(held: Sequence[Moment], margin: float) -> Doubt | None:
    """The two likeliest gestures stay close together."""
    if float(np.median([moment.margin for moment in held])) >= margin:
        return None
    return Doubt(UNSURE, f"the model is unsure of a held pose, mostly {held[-1].gesture}")


DOUBTS: tuple[Callable[[Sequence[Moment], float], Doubt | None], ...] = (
    flickering,
    disagreement,
    small_margins,
)
