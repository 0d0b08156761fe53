import numpy as np
import pytest

from static_gesture_classification.synthetic.flesh import (
    ARM_LENGTH,
    CLOTH,
    DISTAL,
    FINGER_ROOT,
    FOREARM,
    METACARPUS,
    MIDDLE_PHALANX,
    OUTER,
    PALM,
    PROXIMAL,
    SLEEVE,
    Sleeve,
    clothe,
)
from static_gesture_classification.synthetic.skeleton import FingerPose, HandPose, Proportions, pose_skeleton

USUAL = Proportions()
POSE = HandPose(fingers=(FingerPose(20, 30, 10),) * 4, flexion=20, deviation=-15)
SKELETON = pose_skeleton(POSE, USUAL)
HAND = clothe(SKELETON, USUAL, Sleeve(30, 4))


def rows(part: int, chain: int | None = None) -> np.ndarray:
    return (HAND.roles[:, 2] == part) & ((HAND.roles[:, 1] == chain) if chain is not None else True)


def test_every_part_is_there_with_its_role_and_chain():
    parts = {(int(role), int(part)) for role, _, part in HAND.roles}
    of_fingers = {
        (FINGER_ROOT, PROXIMAL),
        (OUTER, MIDDLE_PHALANX),
        (OUTER, DISTAL),
        (FINGER_ROOT, MIDDLE_PHALANX),
    }  # the thumb has two bones of its own
    assert parts == {(PALM, METACARPUS), (PALM, FOREARM), (CLOTH, SLEEVE)} | of_fingers
    assert set(HAND.roles[:, 1]) == set(range(7))
    assert SLEEVE not in clothe(SKELETON, USUAL, None).roles[:, 2]


@pytest.mark.parametrize("finger", range(4))
def test_flesh_lies_on_the_bones_of_each_finger(finger: int):
    joints, radii, chain = SKELETON.joints[finger + 1], SKELETON.radii[finger + 1], finger + 2
    for part, bone in ((PROXIMAL, 0), (MIDDLE_PHALANX, 1), (DISTAL, 2)):
        i = np.flatnonzero(rows(part, chain))[0]
        np.testing.assert_allclose(HAND.ends[i, 0], joints[bone])
        np.testing.assert_allclose(HAND.radii[i], radii[bone : bone + 2])
        np.testing.assert_allclose(HAND.palmar[i], SKELETON.palmar[finger + 1, bone])
    tip, pulp = HAND.ends[rows(DISTAL, chain)]
    assert np.linalg.norm(tip[1] - joints[3]) == pytest.approx(radii[3])  # the skin ends where the finger ends
    np.testing.assert_allclose(np.cross(tip[1] - tip[0], joints[3] - joints[2]), 0, atol=1e-6)
    assert ((pulp - tip) @ SKELETON.palmar[finger + 1, 2])[1] == pytest.approx(0.6)  # fuller on the pad's side
    assert (pulp[0] - joints[2]) @ SKELETON.palmar[finger + 1, 2] == pytest.approx(0.22 * radii[3])


def test_the_thumb_has_flesh_from_its_first_joint_on_and_its_ball_in_the_palm():
    thumb = HAND.ends[rows(MIDDLE_PHALANX, 1)]
    np.testing.assert_allclose(thumb[0], SKELETON.joints[0, 1:3])
    ends = HAND.ends[rows(METACARPUS)][:, 1]
    assert np.linalg.norm(ends - SKELETON.joints[0, 1], axis=1).min() == 0


def test_the_palm_reaches_from_the_wrist_to_each_knuckle():
    ends = HAND.ends[rows(METACARPUS)]
    for knuckle in SKELETON.joints[1:, 0]:
        (i,) = np.flatnonzero((ends[:, 1] == knuckle).all(axis=1))
        assert abs(ends[i, 0, 1] - 6) < 2
    assert (HAND.palmar[rows(METACARPUS)] == [0, 0, 1]).all()
    assert (HAND.radii > 4).all()


def test_the_arm_runs_from_the_wrist_to_the_elbow_and_widens():
    ends, radii = HAND.ends[rows(FOREARM)], HAND.radii[rows(FOREARM)]
    along = ends @ SKELETON.forearm
    assert (along[:, 1] > along[:, 0]).all()
    assert along.max() == pytest.approx(ARM_LENGTH, abs=8)
    assert (radii[:, 1] > radii[:, 0]).all()
    starts = ends[np.abs(along[:, 0]) < 15, 0]
    assert np.ptp(starts[:, 0]) == pytest.approx(25)
    lower = ends[along[:, 1] > 200, 1]
    assert np.linalg.norm(lower[0] - lower[1]) > 25 + 8  # the bones spread


def test_a_sleeve_begins_where_it_is_to_and_stands_off_the_arm():
    ends, radii = HAND.ends[rows(SLEEVE)], HAND.radii[rows(SLEEVE)]
    wrist = HAND.ends[rows(FOREARM)][[0, 2], 0]
    np.testing.assert_allclose((ends[:, 0] - wrist) @ SKELETON.forearm, 30)
    np.testing.assert_allclose((ends[:, 1] - wrist) @ SKELETON.forearm, ARM_LENGTH, atol=1)
    looser, higher = (clothe(SKELETON, USUAL, s).radii[-1] for s in (Sleeve(30, 9), Sleeve(100, 4)))
    np.testing.assert_allclose(looser - radii[1], 5)
    assert higher[0] > radii[1, 0]
    assert radii[0, 0] > 14.5 + (19 - 14.5) * 30 / 70


def test_stouter_people_have_thicker_flesh_on_the_same_bones():
    stout = Proportions(thickness=1.2)
    thick = clothe(pose_skeleton(POSE, stout), stout, Sleeve(30, 4))
    np.testing.assert_allclose(thick.radii, 1.2 * HAND.radii)
    palm = rows(METACARPUS) | rows(FOREARM) | rows(PROXIMAL)
    np.testing.assert_allclose(thick.ends[palm], HAND.ends[palm])


def test_a_larger_hand_is_the_same_hand_at_another_scale():
    large = Proportions(size=1.1)
    hand = clothe(pose_skeleton(POSE, large), large, None)
    fingers = (hand.roles[:, 2] >= PROXIMAL) & (hand.roles[:, 2] <= MIDDLE_PHALANX)
    usual = clothe(SKELETON, USUAL, None)
    np.testing.assert_allclose(hand.ends[fingers], 1.1 * usual.ends[fingers])
    np.testing.assert_allclose(hand.radii, 1.1 * usual.radii)
