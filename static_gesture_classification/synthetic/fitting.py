"""Fit the posable hand to landmarks in photographs: which angles of its joints, and which camera, look like this.

A hand has 18 angles (`ANGLES`), a view, a distance from the lens, and bones that are longer or shorter than the median
ones. Several hundred starts (both hands, from several sides, fingers bent and straight) are improved at once by the
Levenberg-Marquardt method (Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963) inside
the joints' limits; size and place in the picture are solved exactly at each step. 21 points in two dimensions do not
determine the depth: the hand finder's guess of it counts, weakly, and the angles are held, weakly, to a resting hand.
What is compared with a sample are the points where the hand finder would place the skeleton's joints (`seen_points`).

Samples of one gesture have one pose: of each sample's fits those are chosen that are near each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.synthetic.poses import FINGER_JOINTS, SPREAD_RANGE, THUMB_RANGES, VIEW_ANGLES
from static_gesture_classification.synthetic.seen_points import as_seen
from static_gesture_classification.synthetic.skeleton import (
    FINGER_BONES,
    FINGER_FAN,
    FINGER_LEAN,
    FINGER_LIMITS,
    FINGERS,
    KNUCKLES,
    SPREAD_SHARE,
    THUMB_BONES,
    THUMB_CMC,
    TIP_DEPTH,
)

ANGLES = (*(f"{finger}.{joint}" for finger in FINGERS for joint in FINGER_JOINTS), "spread", *THUMB_RANGES)
_COUNT, _SPREAD = len(ANGLES), ANGLES.index("spread")
_VIEW, _DISTANCE, _LENGTHS = slice(_COUNT, _COUNT + 3), _COUNT + 3, slice(_COUNT + 4, _COUNT + 10)
_LIMITS = np.array(
    [*(FINGER_LIMITS[joint] for _ in FINGERS for joint in FINGER_JOINTS), SPREAD_RANGE, *THUMB_RANGES.values()]
)
# Where the angles are drawn to, and how far they stray from it (standard deviation), in degrees.
_REST = np.array([*((25.0, 45.0, 25.0) * 4), 4.0, 30.0, 18.0, 12.0, 15.0, 0.0])
_STRAY = np.array([*((45.0, 50.0, 40.0) * 4), 8.0, 22.0, 22.0, 26.0, 32.0, 14.0])
_DIP_SHARE, _DIP_STRAY = 0.6, 14.0  # the last joint bends with the middle one (one tendon): share, degrees
_BACK = 3.5  # a palm faces the camera more often than the back of a hand, which looks alike
_PITCH_STRAY = 45.0  # hands are seen from the front more often than from the tips of the fingers
_MEDIAN_DISTANCE, _DISTANCE_STRAY = np.log(450.0), 0.4  # millimetres; of the logarithm
_LENGTH_STRAY = 0.06  # of the logarithm of the factors
_NOISE, _DEPTH_NOISE = 0.03, 0.15  # of a landmark, and of its depth, as a share of the hand's extent
_START_VIEWS = [(yaw, pitch) for yaw in (0.0, 60.0, -60.0, 180.0) for pitch in (-20.0, 35.0)]
_START_BENDS = (10.0, 70.0)
_STEPS = 24
_NUDGE = 1e-4
FEW = 3  # samples from which on one pose for all of them is certain enough
OTHERS = 2  # other poses of a sample, at most
_NEARLY, _OTHER_POSE = 25.0, 12.0  # their cost above the least one; degrees (root mean square of the angles) apart
_SAME_POSE = 22.0  # degrees: how far an angle of two samples of one gesture differs


@dataclass(frozen=True)
class FittedHand:
    """The posable hand that looks like one sample.

    Args:
        angles: float64 (18,), degrees, in the order of `ANGLES`, within the joints' limits.
        view: yaw, pitch, roll, degrees (see `poses.View`).
        is_left: whether the sample is best explained by a left hand, which is mirrored.
        points: float64 (21, 2), its landmarks in the sample's picture and unit.
        error: root mean square distance to the sample's landmarks, as a share of the hand's extent.
        others: fits in other poses that explain the sample nearly as well, the likeliest first.
    """

    angles: Doubles
    view: Doubles
    is_left: bool
    points: Doubles
    error: float
    others: tuple[FittedHand, ...] = ()


@dataclass(frozen=True)
class _Fits:
    """All fits of n samples from s starts each: parameters (n, s, p), cost (n, s), whether mirrored (s,)."""

    parameters: Doubles
    cost: Doubles
    mirrored: np.ndarray

    def distances(self, row: int, start: int) -> Doubles:
        """How far the poses of all fits are from one of them, as a cost: (n, s)."""
        off = np.degrees(self.parameters[..., :_COUNT] - self.parameters[row, start, :_COUNT])
        return np.square(off / _SAME_POSE).sum(axis=2)


def fit_hands(points: np.ndarray, world: np.ndarray | None = None) -> list[FittedHand]:
    """Fit the hand to n samples of one gesture.

    Args:
        points: (n, 21, 2), in a unit that is the same for x and y, y downwards, without NaN.
        world: (n, 21, 3), the finder's landmarks in space, in any unit, z away from the camera; NaN where unknown.
    """
    targets = _normalise(np.asarray(points, np.float64))
    unknown = np.full((len(points), 21, 3), np.nan)
    fits = _fit_all(np.concatenate([targets, _nearness(unknown if world is None else world)], axis=2))
    hands = []
    for row, chosen in enumerate(_choose(fits)):
        own = (points[row], targets[row], fits, row)
        others = tuple(_result(*own, start) for start in _other_poses(fits, row, chosen))
        hands.append(replace(_result(*own, chosen), others=others))
    return hands


def differences(fits: list[FittedHand]) -> Doubles:
    """How far each sample's pose is from the median of the others: root mean square of the angles, degrees, (n,).

    0 for a single sample.
    """
    if len(fits) == 1:
        return np.zeros(1)
    poses = np.stack([fit.angles for fit in fits])
    others = np.stack([np.median(np.delete(poses, row, axis=0), axis=0) for row in range(len(poses))])
    return np.sqrt(np.square(poses - others).mean(axis=1))


def pose_variant(fit: FittedHand, slack: float, turns: tuple[float, float, float]) -> dict[str, Any]:
    """A variant of conf/poses (see `poses`): the fitted pose, plain values, in degrees.

    Args:
        slack: how far each joint may stray either way, in degrees; it stays inside its limits.
        turns: how far yaw, pitch and roll may stray either way, in degrees.
    """
    ranges = {
        name: [round(max(angle - slack, least), 1), round(min(angle + slack, greatest), 1)]
        for name, angle, (least, greatest) in zip(ANGLES, fit.angles.tolist(), _LIMITS.tolist(), strict=True)
    }
    spread = float(fit.angles[_SPREAD])
    view = zip(VIEW_ANGLES, fit.view.tolist(), turns, strict=True)
    return {
        "fingers": {finger: {joint: ranges[f"{finger}.{joint}"] for joint in FINGER_JOINTS} for finger in FINGERS},
        "spread": [
            round(max(spread - slack / 3, SPREAD_RANGE[0]), 1),
            round(min(spread + slack / 3, SPREAD_RANGE[1]), 1),
        ],
        "thumb": {name: ranges[name] for name in THUMB_RANGES},
        "view": {name: [round(angle - turn, 1), round(angle + turn, 1)] for name, angle, turn in view},
    }


def pose_variants_of(fits: list[FittedHand], slack: float, turns: tuple[float, float, float]) -> list[dict[str, Any]]:
    """Variants of all fitted hands of a gesture (see `pose_variant`); of few samples, of their other poses too.

    Most people show a hand flat to the camera. So if no sample is seen nearly so, such as a fist that points at it,
    each pose is also a variant that is turned flat.
    """
    few = len(fits) < FEW
    hands = [hand for fit in fits for hand in ((fit, *fit.others) if few else (fit,))]
    if not any((np.abs(hand.view - _turn_flat(hand).view)[:2] <= turns[:2]).all() for hand in hands):
        hands += [_turn_flat(hand) for hand in hands]
    return [pose_variant(hand, slack, turns) for hand in hands]


def _turn_flat(hand: FittedHand) -> FittedHand:
    """The hand with its palm or its back to the camera, whichever it is nearer to, fingers as they point."""
    yaw, _, roll = hand.view.tolist()
    return replace(hand, view=np.array([180.0 * round(yaw / 180), 0.0, roll]))


def place_landmarks(parameters: Doubles) -> Doubles:
    """Landmarks (..., 21, 3) in palm coordinates, millimetres; angles in radians as in `fit_hands`' parameters.

    The same as `skeleton.pose_skeleton`, for many hands at once.
    """
    lengths = np.exp(parameters[..., _LENGTHS])
    digits = [_place_thumb(parameters[..., 13:18], lengths[..., 5])]
    for number in range(4):
        flexion = parameters[..., 3 * number : 3 * number + 3]
        digits.append(_place_finger(number, flexion, parameters[..., 12], lengths[..., 0], lengths[..., 1 + number]))
    wrist = np.zeros((*parameters.shape[:-1], 1, 3))
    return np.concatenate([wrist, *digits], axis=-2)


def _place_finger(number: int, flexion: Doubles, spread: Doubles, width: Doubles, length: Doubles) -> Doubles:
    tight = np.cos(np.clip(flexion[..., 0], 0.0, np.pi / 2)) ** 2
    side = np.radians(FINGER_FAN[number]) + spread * SPREAD_SHARE[number] * tight
    lean, zero = np.radians(FINGER_LEAN[number]), np.zeros_like(side)
    along = np.stack([np.sin(side), np.cos(side), zero], axis=-1)
    across = np.stack([np.cos(side), -np.sin(side), zero], axis=-1)
    out = np.sin(lean) * across + np.array([0.0, 0.0, np.cos(lean)])
    first = np.broadcast_to(np.array(KNUCKLES[number]), along.shape).copy()
    first[..., 0] *= width
    return _chain(first, np.cumsum(flexion, axis=-1), along, out, np.multiply.outer(length, FINGER_BONES[number]))


def _place_thumb(angles: Doubles, length: Doubles) -> Doubles:
    abduction, lift, roll = angles[..., 0], angles[..., 1], angles[..., 4]
    along = np.stack(
        [np.cos(lift) * np.sin(abduction), np.cos(lift) * np.cos(abduction), np.sin(lift)], axis=-1
    )  # fmt: skip
    turn = 0.75 - 0.9 * np.maximum(lift, 0.0) + roll
    out = np.stack([-np.cos(turn), np.zeros_like(turn), np.sin(turn)], axis=-1)
    out = out - (out * along).sum(axis=-1, keepdims=True) * along
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    bend = np.stack([np.zeros_like(lift), angles[..., 2], angles[..., 2] + angles[..., 3]], axis=-1)
    bones = np.stack([np.full_like(length, THUMB_BONES[0]), *(length * bone for bone in THUMB_BONES[1:])], axis=-1)
    return _chain(np.broadcast_to(np.array(THUMB_CMC), along.shape), bend, along, out, bones)


def _chain(first: Doubles, bend: Doubles, along: Doubles, out: Doubles, bones: Doubles) -> Doubles:
    """Joints (..., 4, 3) of a digit whose three bones turn from `along` to `out`; the tip lies below the nail."""
    directions = np.cos(bend)[..., None] * along[..., None, :] + np.sin(bend)[..., None] * out[..., None, :]
    lengths = bones - np.array([0.0, 0.0, TIP_DEPTH])
    steps = np.cumsum(directions * lengths[..., None], axis=-2)
    return np.concatenate([first[..., None, :], first[..., None, :] + steps], axis=-2)


def _project(parameters: Doubles) -> Doubles:
    """Landmarks (..., 21, 3) of hands in pictures, x and y centred, with an extent of 1; z: see `_nearness`."""
    points = place_landmarks(parameters)
    centre = points[..., 5::4, :].mean(axis=-2, keepdims=True) * 0.8
    yaw, pitch, roll = (parameters[..., _COUNT + k, None] for k in range(3))
    x, y, z = np.moveaxis(points - centre, -1, 0)
    x, z = np.cos(yaw) * x + np.sin(yaw) * z, np.cos(yaw) * z - np.sin(yaw) * x
    y, z = np.cos(pitch) * y - np.sin(pitch) * z, np.sin(pitch) * y + np.cos(pitch) * z
    x, y = np.cos(roll) * x - np.sin(roll) * y, np.sin(roll) * x + np.cos(roll) * y
    depth = np.maximum(1 - z / np.exp(parameters[..., _DISTANCE, None]), 0.2)
    near = _nearness(np.stack([x, y, -z], axis=-1))
    flat = np.stack([x / depth, -y / depth], axis=-1)
    placed = as_seen(flat.reshape(-1, 21, 2)).reshape(flat.shape)
    return np.concatenate([_normalise(placed), near], axis=-1)


def _nearness(world: np.ndarray) -> Doubles:
    """How much nearer to the camera than their middle landmarks (..., 21, 3) are, by their extent: (..., 21, 1)."""
    centred = world - world.mean(axis=-2, keepdims=True, dtype=np.float64)
    extent = np.sqrt(np.square(centred[..., :2]).sum(axis=-1).mean(axis=-1))
    return np.asarray(-centred[..., 2:] / np.maximum(extent, 1e-9)[..., None, None])


def _normalise(points: Doubles) -> Doubles:
    """Points (..., 21, 2) about their centre, with an extent (root mean square distance from it) of 1."""
    centred = points - points.mean(axis=-2, keepdims=True)
    extent = np.sqrt(np.square(centred).sum(axis=-1).mean(axis=-1))
    return np.asarray(centred / np.maximum(extent, 1e-9)[..., None, None])


def _fit_all(targets: Doubles) -> _Fits:
    """Fit all samples (n, 21, 3), as `_project` gives them, from all starts."""
    wanted = np.stack([targets, targets * (-1.0, 1.0, 1.0)], axis=1)  # as a right hand, as a left one
    starts = [(mirrored, *view, bend) for mirrored in (0, 1) for view in _START_VIEWS for bend in _START_BENDS]
    mirrored = np.array([start[0] for start in starts])
    wanted = wanted[:, mirrored].reshape(-1, 21, 3)
    parameters = np.stack(
        [_start(points, *start[1:]) for points, start in zip(wanted, starts * len(targets), strict=True)]
    )
    parameters, cost = _improve(parameters, wanted)
    shape = (len(targets), len(starts))
    return _Fits(parameters.reshape(*shape, -1), cost.reshape(shape), mirrored.astype(bool))


def _start(wanted: Doubles, yaw: float, pitch: float, bend: float) -> Doubles:
    """Parameters from which a fit begins; the roll turns the palm as in the picture."""
    parameters = np.zeros(_COUNT + 10)
    parameters[:_COUNT] = np.radians(_REST)
    parameters[:12] = np.radians(np.tile([bend, bend, 0.5 * bend], 4))
    parameters[_VIEW], parameters[_DISTANCE] = np.radians([yaw, pitch, 0.0]), _MEDIAN_DISTANCE
    now = _project(parameters)
    (x, y, _), (own_x, own_y, _) = wanted[9] - wanted[0], now[9] - now[0]
    parameters[_COUNT + 2] = np.arctan2(own_y, own_x) - np.arctan2(y, x)
    return parameters


def _improve(parameters: Doubles, wanted: Doubles) -> tuple[Doubles, Doubles]:
    """Levenberg and Marquardt's steps for m fits at once: parameters (m, p) and their costs (m,)."""
    damping = np.full(len(parameters), 1.0)
    errors = _errors(parameters, wanted)
    cost, unit = np.square(errors).sum(axis=1), np.eye(parameters.shape[1])
    for _ in range(_STEPS):
        nudged = _errors(parameters[:, None] + _NUDGE * unit, wanted[:, None])
        slopes = (nudged - errors[:, None]) / _NUDGE  # (m, p, e)
        square = slopes @ slopes.transpose(0, 2, 1)
        ridge = damping[:, None, None] * (unit * (square + unit))
        step = np.linalg.solve(square + ridge, (slopes @ errors[..., None]))[..., 0]
        tried = _limit(parameters - step)
        errors_there = _errors(tried, wanted)
        there = np.square(errors_there).sum(axis=1)
        better = there < cost
        parameters, errors = (np.where(better[:, None], a, b) for a, b in ((tried, parameters), (errors_there, errors)))
        cost, damping = np.where(better, there, cost), np.clip(damping * np.where(better, 0.3, 4.0), 1e-4, 1e4)
    return parameters, cost


def _limit(parameters: Doubles) -> Doubles:
    angles = np.clip(parameters[:, :_COUNT], *np.radians(_LIMITS).T)
    return np.concatenate([angles, parameters[:, _COUNT:]], axis=1)


def _errors(parameters: Doubles, wanted: Doubles) -> Doubles:
    """The terms (..., e) whose squares are minimised: landmarks, then how unlikely pose, view, camera and bones are."""
    angles = np.degrees(parameters[..., :_COUNT])
    off = np.nan_to_num(_project(parameters) - wanted) / (_NOISE, _NOISE, _DEPTH_NOISE)
    tendon = angles[..., 2:12:3] - _DIP_SHARE * angles[..., 1:12:3]
    return np.concatenate(
        [
            off.reshape(*parameters.shape[:-1], -1),
            (angles - _REST) / _STRAY,
            tendon / _DIP_STRAY,
            _BACK * (1 - np.cos(parameters[..., _COUNT, None])) / 2,
            np.degrees(parameters[..., _COUNT + 1, None]) / _PITCH_STRAY,
            (parameters[..., _DISTANCE, None] - _MEDIAN_DISTANCE) / _DISTANCE_STRAY,
            parameters[..., _LENGTHS] / _LENGTH_STRAY,
        ],
        axis=-1,
    )


def _choose(fits: _Fits) -> list[int]:
    """For each sample one of its fits, such that they look like the samples and have nearly one pose."""
    best, chosen = np.inf, [0] * len(fits.cost)
    for row, start in zip(*np.nonzero(fits.cost < fits.cost.min(axis=1, keepdims=True) + 40.0), strict=True):
        total = fits.cost + fits.distances(int(row), int(start))
        if total.min(axis=1).sum() < best:
            best, chosen = float(total.min(axis=1).sum()), total.argmin(axis=1).tolist()
    return chosen


def _other_poses(fits: _Fits, row: int, chosen: int) -> list[int]:
    """Fits of a sample in other poses than the chosen one and each other, of nearly the least cost."""
    poses = np.degrees(fits.parameters[row, :, :_COUNT])
    near = np.flatnonzero(fits.cost[row] < fits.cost[row].min() + _NEARLY)
    kept = [chosen]
    for start in near[np.argsort(fits.cost[row, near])].tolist():
        if np.sqrt(np.square(poses[kept] - poses[start]).mean(axis=1)).min() > _OTHER_POSE:
            kept.append(start)
    return kept[1 : 1 + OTHERS]


def _result(sample: np.ndarray, target: Doubles, fits: _Fits, row: int, start: int) -> FittedHand:
    parameters, is_left = fits.parameters[row, start], bool(fits.mirrored[start])
    points = _project(parameters)[:, :2] * ((-1.0, 1.0) if is_left else (1.0, 1.0))
    extent = np.sqrt(np.square(sample - sample.mean(axis=0)).sum(axis=1).mean())
    return FittedHand(
        angles=np.degrees(parameters[:_COUNT]),
        view=(np.degrees(parameters[_VIEW]) + 180) % 360 - 180,
        is_left=is_left,
        points=points * extent + sample.mean(axis=0),
        error=float(np.sqrt(np.square(points - target).sum(axis=1).mean())),
    )
