"""Hands in any pose but those of the named gestures: what BACKGROUND means, for hands that nobody has described.

All joints are drawn, within anatomical limits: each finger straight, curled or between, bent alike or each by itself;
the thumb anywhere or on a finger; the wrist and the hand turned as hands are in use. Poses near one of a named gesture
are drawn again, however the hand is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.synthetic.poses import TOUCH_PLACES, PoseBook, View
from static_gesture_classification.synthetic.skeleton import (
    FINGERS,
    SPREAD_SHARE,
    FingerPose,
    HandPose,
    Proportions,
    ThumbPose,
    pose_skeleton,
)

NEAR = 15.0  # millimetres, root mean square over the joints that count, of a median adult's hand
REFERENCES = 150  # hands of each named gesture to keep away from
POSE_TRIES = 200
REFERENCE_SEED = 0  # of the references
_COUNT = np.array([3, 4, 6, 8, 10, 12, 14, 16, 18, 20])  # the last joint and the tip of thumb and fingers
_TOUCHED = 0.3  # share of hands whose thumb rests on a finger
_STRAIGHT, _CURLED = ((-8.0, 15.0), (-4.0, 15.0)), ((60.0, 92.0), (80.0, 112.0))  # degrees: knuckle, middle joint
_BETWEEN = ((-10.0, 92.0), (-4.0, 112.0))


@dataclass(frozen=True)
class AnyPose:
    """Draws poses that are near none of some gestures.

    Args:
        named: the pose book.
        gestures: the names whose poses are kept away from; the background is none of them.
    """

    named: PoseBook
    gestures: tuple[str, ...]

    def draw(self, rng: np.random.Generator, variety: float = 1.0) -> tuple[HandPose, View]:
        """Draw one hand; `variety` from 0 to 1: how far it is turned.

        After `POSE_TRIES` poses near a gesture, the last one counts.
        """
        for _ in range(POSE_TRIES):
            pose = _draw_pose(rng)
            if self.distance(pose) > NEAR:
                break
        return pose, _draw_view(rng, variety)

    def distance(self, pose: HandPose) -> float:
        """How far a pose is from the nearest named one, in millimetres; infinite without named gestures."""
        if not len(self._references):
            return np.inf
        squares = ((self._references - _joints(pose)) ** 2).sum(axis=2).mean(axis=1)
        return float(np.sqrt(squares.min()))

    @cached_property
    def _references(self) -> Doubles:
        """Joints (n, 10, 3) of hands of the named gestures."""
        rng = np.random.default_rng(REFERENCE_SEED)
        poses = [self.named.draw(name, rng)[0] for name in self.gestures for _ in range(REFERENCES)]
        return np.stack([_joints(pose) for pose in poses]) if poses else np.empty((0, len(_COUNT), 3))


def _joints(pose: HandPose) -> Doubles:
    """The joints (10, 3) that count, in the palm's frame, of a median adult's hand in millimetres."""
    return pose_skeleton(pose, Proportions()).landmarks()[_COUNT]


def _draw_pose(rng: np.random.Generator) -> HandPose:
    spread = rng.uniform(-6, 14)
    alike = rng.random() < 0.25  # all four fingers bend by nearly the same: an open, a half open, a hooked hand
    shared = _draw_bend(rng)
    fingers = [_draw_finger(rng, shared if alike else _draw_bend(rng), spread * share) for share in SPREAD_SHARE]
    first, second, third, fourth = fingers
    wrist = {"flexion": rng.uniform(-40, 40), "deviation": rng.uniform(-20, 15)}
    return HandPose(_draw_thumb(rng), (first, second, third, fourth), **wrist)


def _draw_bend(rng: np.random.Generator) -> tuple[float, float]:
    """Flexion of knuckle and middle joint in degrees; half of all fingers are straight or curled, as hands go."""
    knuckle, middle = (_BETWEEN, _BETWEEN, _STRAIGHT, _CURLED)[rng.integers(4)]
    return float(rng.uniform(*knuckle)), float(rng.uniform(*middle))


def _draw_finger(rng: np.random.Generator, bend: tuple[float, float], spread: float) -> FingerPose:
    mcp, pip = bend[0] + rng.normal(0, 5), bend[1] + rng.normal(0, 5)
    dip = pip * rng.uniform(0.3, 0.75) + rng.normal(0, 6)  # the tendon bends both joints together
    return FingerPose(mcp, pip, dip, spread + rng.normal(0, 2))


def _draw_thumb(rng: np.random.Generator) -> ThumbPose:
    if rng.random() < _TOUCHED:
        touch = f"{FINGERS[rng.integers(len(FINGERS))]}.{TOUCH_PLACES[rng.integers(len(TOUCH_PLACES))]}"
        return ThumbPose(rng.uniform(10, 50), rng.uniform(0, 50), rng.uniform(0, 40), rng.uniform(0, 50), touch=touch)
    limits = ((-5, 68), (-10, 60), (-10, 60), (-25, 75), (-10, 10))
    abduction, lift, mcp, ip, roll = (rng.uniform(*each) for each in limits)
    return ThumbPose(abduction, lift, mcp, ip, roll)


def _draw_view(rng: np.random.Generator, variety: float) -> View:
    """Mostly the palm before the camera and the fingers up, but a third from any side and two in five turned anyhow."""
    width = (1 + 2 * variety) / 3
    yaw = rng.uniform(0, 360) if rng.random() < 0.35 else width * rng.uniform(-45, 45)
    roll = rng.uniform(-180, 180) if rng.random() < 0.4 else width * rng.normal(0, 30)
    return View(yaw, width * rng.uniform(-30, 45), roll)
