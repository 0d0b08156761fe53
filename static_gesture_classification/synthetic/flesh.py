"""The flesh on the bones: tapered capsules, blended smoothly, for the renderer.

A capsule is a ball that grows or shrinks on its way from a to b. Capsules of one chain (palm and arm, a finger, the
thumb) blend; chains only touch, so that there is a crease between adjacent fingers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.synthetic.skeleton import Proportions, Skeleton

# Roles: how a capsule is blended (see `renderer.field`).
PALM, FINGER_ROOT, OUTER, CLOTH = range(4)
# What a capsule is, for shading and for the box around the hand.
METACARPUS, PROXIMAL, MIDDLE_PHALANX, DISTAL, FOREARM, SLEEVE, BAND = range(7)
WRIST_SIDES = ((12.0, 2.0, 0.0), (-13.0, 2.0, 0.0))
ARM_LENGTH = 250.0
OUT = np.array([0.0, 0.0, 1.0])  # of the palm


@dataclass(frozen=True)
class Sleeve:
    """Cloth around the forearm: where it ends, in millimetres from the wrist, and how far it stands off."""

    start: float
    slack: float


@dataclass(frozen=True)
class Capsules:
    """The hand as n capsules in palm coordinates.

    Args:
        ends: float64 (n, 2, 3), millimetres.
        radii: float64 (n, 2), millimetres.
        palmar: float64 (n, 3), unit vector on the palm's or pad's side.
        roles: int32 (n, 3): role, chain (0 palm and arm, 1 thumb, 2.. fingers, 6 sleeve), part.
    """

    ends: Doubles
    radii: Doubles
    palmar: Doubles
    roles: npt.NDArray[np.int32]


class _Builder:
    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.rows: list[tuple[Doubles, Doubles, float, float, Doubles, int, int, int]] = []

    def add(
        self, a: object, b: object, ra: float, rb: float, palmar: Doubles, role: int, chain: int, part: int
    ) -> None:
        """Add a capsule; radii are scaled with the subject's thickness."""
        start, end = np.asarray(a, np.float64), np.asarray(b, np.float64)
        self.rows.append((start, end, ra * self.scale, rb * self.scale, palmar, role, chain, part))

    def build(self) -> Capsules:
        rows = self.rows
        return Capsules(
            np.array([[row[0], row[1]] for row in rows]),
            np.array([[row[2], row[3]] for row in rows]),
            np.array([row[4] for row in rows]),
            np.array([row[5:8] for row in rows], np.int32),
        )


def clothe(skeleton: Skeleton, proportions: Proportions, sleeve: Sleeve | None) -> Capsules:
    """Flesh, and a sleeve where there is one, around the bones."""
    flesh = _Builder(proportions.thickness * proportions.size)
    _add_palm(flesh, skeleton, proportions)
    _add_arm(flesh, skeleton, proportions)
    for chain in range(5):
        _add_digit(flesh, skeleton, chain)
    if sleeve is not None:
        _add_sleeve(flesh, skeleton, proportions, sleeve)
    return flesh.build()


def _add_palm(flesh: _Builder, skeleton: Skeleton, proportions: Proportions) -> None:
    def add(start: Doubles, end: Doubles, start_radius: float, end_radius: float) -> None:
        flesh.add(start, end, start_radius, end_radius, OUT, PALM, 0, METACARPUS)

    size, knuckles, thumb = proportions.size, skeleton.joints[1:, 0], skeleton.joints[0]
    carpus = np.array([[11.0, 6.0, 0.0], [3.0, 6.0, -1.0], [-7.0, 6.0, -1.0], [-14.0, 7.0, 0.0]]) * size
    for knuckle, wrist, radius in zip(knuckles, carpus, (10.0, 10.2, 9.8, 9.0), strict=True):
        add(wrist, knuckle, 12.0, radius)
    for i in range(3):  # the skin between the fingers
        add(skeleton.webs[i], skeleton.webs[i + 1], 6.6, 6.2)
    # Ball of the thumb, heel of the hand, and the web from the thumb to the index finger.
    add(thumb[0] + [-3.0, -4.0, 2.0], thumb[1], 13.0, 11.6)
    add(carpus[3] + [-5.0, 6.0, 5.0], knuckles[3] + [1.0, -16.0, 2.0], 10.5, 9.5)
    add((thumb[0] + thumb[1]) / 2, carpus[0] * 0.35 + knuckles[0] * 0.65, 9.5, 8.5)
    add(thumb[0] * 0.15 + thumb[1] * 0.85, carpus[0] * 0.1 + knuckles[0] * 0.9, 6.5, 6.5)


def _add_arm(flesh: _Builder, skeleton: Skeleton, proportions: Proportions) -> None:
    arm = skeleton.forearm
    for start, side in _find_bones(skeleton, proportions):
        middle = start + arm * 70.0 + side * 1.0
        flesh.add(start, middle, 14.5, 19.0, OUT, PALM, 0, FOREARM)
        flesh.add(middle, start + arm * ARM_LENGTH + side * 5.0, 19.0, 31.0, OUT, PALM, 0, FOREARM)


def _add_sleeve(flesh: _Builder, skeleton: Skeleton, proportions: Proportions, sleeve: Sleeve) -> None:
    arm, wide = skeleton.forearm, 15.5 + sleeve.slack + 0.045 * max(sleeve.start, 0.0)
    for wrist, side in _find_bones(skeleton, proportions):
        start = wrist + arm * sleeve.start
        end = start + arm * (ARM_LENGTH - sleeve.start) + side * 5.0
        flesh.add(start, end, wide, 34.0 + sleeve.slack, OUT, CLOTH, 6, SLEEVE)


def _find_bones(skeleton: Skeleton, proportions: Proportions) -> list[tuple[Doubles, Doubles]]:
    """For each bone of the forearm: its end at the wrist, and the unit vector away from the other bone."""
    side = np.cross(skeleton.forearm, OUT)
    side /= np.linalg.norm(side)
    return [(np.array(end) * proportions.size, sign * side) for end, sign in zip(WRIST_SIDES, (-1.0, 1.0), strict=True)]


def _add_digit(flesh: _Builder, skeleton: Skeleton, chain: int) -> None:
    joints, palmar = skeleton.joints[chain], skeleton.palmar[chain]
    radii = skeleton.radii[chain] / flesh.scale
    tip = joints[3] - (joints[3] - joints[2]) / np.linalg.norm(joints[3] - joints[2]) * skeleton.radii[chain, 3]
    first = 1 if chain == 0 else 0  # the thumb's metacarpal is part of the palm
    for bone, part in zip(range(first, 3), (PROXIMAL, MIDDLE_PHALANX, DISTAL)[first:], strict=True):
        end = tip if bone == 2 else joints[bone + 1]
        role = FINGER_ROOT if bone == first else OUTER
        flesh.add(joints[bone], end, radii[bone], radii[bone + 1], palmar[bone], role, chain + 1, part)
    # The pulp: fingertips are fuller on the pad's side.
    pulp = joints[2] * 0.45 + tip * 0.55 + palmar[2] * radii[3] * 0.22
    flesh.add(pulp, tip + palmar[2] * 0.6, radii[3] * 0.98, radii[3] * 0.92, palmar[2], OUTER, chain + 1, DISTAL)
