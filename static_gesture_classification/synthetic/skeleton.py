"""The bones of a hand: proportions, joint limits, and where the joints are in a pose (forward and inverse kinematics).

Everything is in millimetres and radians, in the frame of the palm of a right hand: x towards the thumb, y towards the
fingertips, z out of the palm, origin at the wrist. A left hand is the mirror image of a right one; it is mirrored when
it is photographed.

Lengths are those of a median adult (joint centre to joint centre) after Buryanov and Kotiuk, "Proportions of Hand
Segments" (2010), and Greiner, "Hand Anthropometry of U.S. Army Personnel" (1991). Joint limits follow the active ranges
of motion in Kapandji, "The Physiology of the Joints", volume 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np

from static_gesture_classification.arrays import Doubles

FINGERS = ("index", "middle", "ring", "pinky")
DIGITS = ("thumb", *FINGERS)

# Degrees, least and greatest. Negative flexion is hyperextension.
FINGER_LIMITS = {"mcp": (-30.0, 95.0), "pip": (-6.0, 115.0), "dip": (-12.0, 80.0), "spread": (-20.0, 28.0)}
# abduction: in the plane of the palm, away from the index finger; lift: out of that plane; mcp, ip: flexion.
THUMB_LIMITS = {"abduction": (-12.0, 72.0), "lift": (-18.0, 68.0), "mcp": (-18.0, 65.0), "ip": (-35.0, 85.0)}
WRIST_LIMITS = {"flexion": (-65.0, 75.0), "deviation": (-30.0, 20.0)}

THUMB_CMC = (19.0, 20.0, 9.0)
THUMB_BONES = (45.0, 32.0, 28.0)  # metacarpal, proximal, distal to the end of the flesh
# Per finger: knuckle (MCP joint), then proximal, middle, distal bone; the last one to the end of the flesh.
KNUCKLES = ((24.0, 87.0, 0.0), (2.5, 90.0, -2.5), (-17.0, 84.0, -1.0), (-34.0, 74.5, 3.0))
FINGER_BONES = ((42.5, 25.5, 24.5), (46.0, 29.5, 25.5), (42.5, 28.0, 25.5), (34.0, 21.0, 23.0))
# Direction of a straight finger when the hand is neither spread nor closed; degrees towards the thumb.
FINGER_FAN = (3.0, 0.5, -2.5, -7.0)
# How a knuckle's hinge leans, degrees: curled fingers point at the base of the thumb, not straight down.
FINGER_LEAN = (-3.0, 1.0, 7.0, 14.0)
SPREAD_SHARE = (1.0, 0.12, -0.8, -1.75)  # how much of `spread` each finger takes

# Radii of the flesh around knuckle, PIP, DIP and fingertip; of the thumb around CMC, MCP, IP and tip.
FINGER_RADII = ((10.4, 9.3, 8.1, 7.0), (10.6, 9.5, 8.3, 7.2), (10.0, 8.9, 7.8, 6.8), (9.0, 7.8, 6.9, 6.0))
THUMB_RADII = (15.0, 12.2, 10.4, 8.4)
# MediaPipe's fingertip lies under the middle of the nail's end, not on the skin's last point.
TIP_DEPTH = 4.0


@dataclass(frozen=True)
class Proportions:
    """How a subject's hand differs from the median one; every number is a factor.

    Args:
        size: of everything.
        width: of the palm, knuckle to knuckle.
        fingers: length of the four fingers.
        thumb: length of the thumb.
        thickness: of the flesh.
        tips: of the flesh at the fingertips (below 1 is slender).
    """

    size: float = 1.0
    width: float = 1.0
    fingers: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    thumb: float = 1.0
    thickness: float = 1.0
    tips: float = 1.0


@dataclass(frozen=True)
class FingerPose:
    """Flexion of a finger's three joints and its abduction beyond the fan, in degrees."""

    mcp: float = 0.0
    pip: float = 0.0
    dip: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True)
class ThumbPose:
    """Angles of the thumb in degrees, see `THUMB_LIMITS`; `roll` turns the plane in which it flexes.

    Args:
        touch: where the thumb's pad rests, in place of the angles: `ring.tip` (pad of a fingertip), `middle.back` (back
            of the middle bone of a curled finger), `index.side` (thumb side of the proximal bone), `index.nail`.
    """

    abduction: float = 30.0
    lift: float = 15.0
    mcp: float = 10.0
    ip: float = 10.0
    roll: float = 0.0
    touch: str | None = None


@dataclass(frozen=True)
class HandPose:
    """A whole hand: thumb, four fingers, and the wrist's flexion and deviation in degrees."""

    thumb: ThumbPose = field(default_factory=ThumbPose)
    fingers: tuple[FingerPose, FingerPose, FingerPose, FingerPose] = (FingerPose(),) * 4
    flexion: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True)
class Skeleton:
    """Where the bones are.

    Args:
        joints: float64 (5, 4, 3): for thumb (CMC, MCP, IP, end) and fingers (MCP, PIP, DIP, end), millimetres.
        palmar: float64 (5, 3, 3): unit vector out of each bone on the side of its pad.
        radii: float64 (5, 4): of the flesh around each joint.
        forearm: float64 (3,): unit vector from the wrist to the elbow.
        webs: float64 (4, 3): where the skin between the fingers begins, one point on each finger.
        thumb_gap: millimetres between the thumb's pad and its target; 0 without a touch.
    """

    joints: Doubles
    palmar: Doubles
    radii: Doubles
    forearm: Doubles
    webs: Doubles
    thumb_gap: float

    def landmarks(self) -> Doubles:
        """The 21 points in MediaPipe's order: wrist, then thumb to pinky, each from the palm outwards; (21, 3)."""
        points = self.joints.copy()
        bones = points[:, 3] - points[:, 2]
        points[:, 3] -= bones / np.linalg.norm(bones, axis=1, keepdims=True) * TIP_DEPTH
        return np.concatenate([np.zeros((1, 3)), points.reshape(20, 3)])


def pose_skeleton(pose: HandPose, proportions: Proportions) -> Skeleton:
    """Place the bones of a subject's hand in a pose. Angles are clipped to the joints' limits."""
    joints, palmar, webs = np.empty((5, 4, 3)), np.empty((5, 3, 3)), np.empty((4, 3))
    radii = _scale_radii(proportions)
    for i, finger in enumerate(pose.fingers):
        joints[i + 1], palmar[i + 1], webs[i] = _place_finger(i, finger, proportions)
    angles, bones, base = _clamp_thumb(pose.thumb), _scale_thumb(proportions), np.array(THUMB_CMC) * proportions.size
    gap = 0.0
    if pose.thumb.touch is not None:
        target, outward = _find_touch(pose.thumb.touch, joints, palmar, radii)
        angles, gap = _reach(target, outward, angles, base, bones, radii[0, 3])
    joints[0], palmar[0] = _place_thumb(angles, base, bones)
    return Skeleton(joints, palmar, radii, _point_forearm(pose), webs, gap)


def clamp(name: str, degrees: float, limits: dict[str, tuple[float, float]]) -> float:
    """An angle inside the limits of its joint, in degrees."""
    least, greatest = limits[name]
    return min(max(degrees, least), greatest)


def _scale_radii(proportions: Proportions) -> Doubles:
    radii = np.array((THUMB_RADII, *FINGER_RADII)) * (proportions.thickness * proportions.size)
    return radii * np.linspace(1.0, proportions.tips, 4)


def _scale_thumb(proportions: Proportions) -> Doubles:
    return np.array(THUMB_BONES) * (proportions.size * np.array([1.0, proportions.thumb, proportions.thumb]))


def _place_finger(number: int, pose: FingerPose, proportions: Proportions) -> tuple[Doubles, Doubles, Doubles]:
    """Joints (4, 3), palmar vectors (3, 3) and web point (3,) of one finger."""
    flexion = [np.radians(clamp(name, getattr(pose, name), FINGER_LIMITS)) for name in ("mcp", "pip", "dip")]
    # Bent knuckles cannot be spread: the collateral ligaments are tight.
    spread = clamp("spread", pose.spread, FINGER_LIMITS) * np.cos(min(max(flexion[0], 0.0), np.pi / 2)) ** 2
    side, lean = np.radians(FINGER_FAN[number] + spread), np.radians(FINGER_LEAN[number])
    along = np.array([np.sin(side), np.cos(side), 0.0])
    across = np.array([np.cos(side), -np.sin(side), 0.0])
    out = np.cos(lean) * np.array([0.0, 0.0, 1.0]) + np.sin(lean) * across
    bones = np.array(FINGER_BONES[number]) * (proportions.fingers[number] * proportions.size)
    joints, palmar = np.empty((4, 3)), np.empty((3, 3))
    joints[0] = np.array(KNUCKLES[number]) * (proportions.size * np.array([proportions.width, 1.0, 1.0]))
    bend = 0.0
    for bone in range(3):
        bend += flexion[bone]
        joints[bone + 1] = joints[bone] + bones[bone] * (np.cos(bend) * along + np.sin(bend) * out)
        palmar[bone] = np.cos(bend) * out - np.sin(bend) * along
    half = flexion[0] * 0.6  # the skin between the fingers follows them only in part
    web = joints[0] + 0.30 * bones[0] * (np.cos(half) * along + np.sin(half) * out) + 2.0 * np.array([0, 0, 1.0])
    return joints, palmar, web


def _point_forearm(pose: HandPose) -> Doubles:
    flexion = np.radians(clamp("flexion", pose.flexion, WRIST_LIMITS))
    deviation = np.radians(clamp("deviation", pose.deviation, WRIST_LIMITS))
    flat = np.array([np.sin(deviation), -np.cos(deviation), 0.0])
    return np.cos(flexion) * flat + np.sin(flexion) * np.array([0.0, 0.0, 1.0])


def _clamp_thumb(pose: ThumbPose) -> Doubles:
    """Abduction, lift, mcp, ip, roll in radians, within the limits."""
    names = ("abduction", "lift", "mcp", "ip")
    return np.radians([*(clamp(name, getattr(pose, name), THUMB_LIMITS) for name in names), pose.roll])


def _find_touch(touch: str, joints: Doubles, palmar: Doubles, radii: Doubles) -> tuple[Doubles, Doubles]:
    """The point on a finger's skin that the thumb's pad is to touch, and the direction out of the skin there."""
    name, place = touch.split(".")
    i = DIGITS.index(name)
    bone = joints[i, 1:] - joints[i, :-1]
    bone /= np.linalg.norm(bone, axis=1, keepdims=True)
    if place == "tip":
        out = palmar[i, 2] * 0.8 + bone[2] * 0.6
        return joints[i, 3] - bone[2] * radii[i, 3] + out * radii[i, 3], out
    if place == "pad":
        return joints[i, 2] * 0.45 + joints[i, 3] * 0.55 + palmar[i, 2] * radii[i, 3], palmar[i, 2]
    if place == "nail":
        return joints[i, 2] * 0.4 + joints[i, 3] * 0.6 - palmar[i, 2] * radii[i, 3], -palmar[i, 2]
    if place == "back":
        return joints[i, 1] * 0.45 + joints[i, 2] * 0.55 - palmar[i, 1] * radii[i, 2], -palmar[i, 1]
    if place == "knuckle":
        out = -palmar[i, 1] * 0.7 - bone[1] * 0.7
        return joints[i, 1] + out * radii[i, 1], out
    radial = np.cross(bone[0], palmar[i, 0])  # "side": towards the thumb
    return joints[i, 0] * 0.45 + joints[i, 1] * 0.55 + radial * radii[i, 0], radial


@numba.njit(cache=True)
def _place_thumb(angles: Doubles, base: Doubles, bones: Doubles) -> tuple[Doubles, Doubles]:
    """Joints (4, 3) and palmar vectors (3, 3) of the thumb."""
    joints, palmar = np.empty((4, 3)), np.empty((3, 3))
    abduction, lift = angles[0], angles[1]
    along = np.array([np.cos(lift) * np.sin(abduction), np.cos(lift) * np.cos(abduction), np.sin(lift)])
    # The further it is lifted out of the palm, the more the thumb turns its pad to the fingers (opposition).
    roll = 0.75 - 0.9 * max(lift, 0.0) + angles[4]
    out = np.array([-np.cos(roll), 0.0, np.sin(roll)])
    out -= (out[0] * along[0] + out[1] * along[1] + out[2] * along[2]) * along
    out /= np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
    joints[0] = base
    bend = 0.0
    for bone in range(3):
        if bone > 0:
            bend += angles[bone + 1]
        joints[bone + 1] = joints[bone] + bones[bone] * (np.cos(bend) * along + np.sin(bend) * out)
        palmar[bone] = np.cos(bend) * out - np.sin(bend) * along
    return joints, palmar


@numba.njit(cache=True)
def _reach_error(
    angles: Doubles, rest: Doubles, target: Doubles, outward: Doubles, base: Doubles, bones: Doubles, radius: float,
    weights: Doubles,
) -> Doubles:  # fmt: skip
    """The terms that `_reach` minimises: pad to target (mm), pad facing the skin, distance from the resting angles."""
    joints, palmar = _place_thumb(angles, base, bones)
    direction = (joints[3] - joints[2]) / bones[2]
    pad = joints[2] * 0.35 + joints[3] * 0.65 + palmar[2] * radius
    error = np.empty(12)
    error[0:3] = pad - target
    error[3:6] = 4.0 * (palmar[2] + outward)
    error[6:11] = weights * (angles - rest)
    error[11] = 3.0 * (direction[0] * outward[0] + direction[1] * outward[1] + direction[2] * outward[2])
    return error


@numba.njit(cache=True)
def _reach(
    target: Doubles, outward: Doubles, rest: Doubles, base: Doubles, bones: Doubles, radius: float
) -> tuple[Doubles, float]:
    """Thumb angles that bring its pad to `target` within the joint limits: damped Gauss-Newton from `rest`."""
    least = np.radians(np.array([-12.0, -18.0, -18.0, -20.0, -50.0]))
    greatest = np.radians(np.array([72.0, 68.0, 65.0, 80.0, 50.0]))
    weights = np.array([2.0, 2.0, 2.0, 3.0, 4.0])
    angles = rest.copy()
    for _ in range(24):
        error = _reach_error(angles, rest, target, outward, base, bones, radius, weights)
        jacobian = np.empty((12, 5))
        for k in range(5):
            moved = angles.copy()
            moved[k] += 1e-4
            jacobian[:, k] = (_reach_error(moved, rest, target, outward, base, bones, radius, weights) - error) / 1e-4
        step = np.linalg.solve(jacobian.T @ jacobian + 20.0 * np.eye(5), jacobian.T @ error)
        angles = np.minimum(np.maximum(angles - step, least), greatest)
    error = _reach_error(angles, rest, target, outward, base, bones, radius, weights)
    return angles, np.sqrt(error[0] ** 2 + error[1] ** 2 + error[2] ** 2)
