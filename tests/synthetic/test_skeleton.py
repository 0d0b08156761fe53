import numpy as np
import pytest

from static_gesture_classification.synthetic.plan import Picture, Plan
from static_gesture_classification.synthetic.skeleton import (
    FINGER_BONES,
    FingerPose,
    HandPose,
    Proportions,
    ThumbPose,
    pose_skeleton,
)

STRAIGHT = FingerPose()
CURLED = FingerPose(85, 100, 60)


def test_bones_keep_their_length_in_every_pose():
    for bend in (0, 40, 90):
        finger = FingerPose(bend, bend, bend / 2, 5)
        skeleton = pose_skeleton(HandPose(fingers=(finger,) * 4), Proportions())
        lengths = np.linalg.norm(np.diff(skeleton.joints[1:], axis=1), axis=2)
        np.testing.assert_allclose(lengths, FINGER_BONES, atol=1e-9)


def test_joints_stop_at_their_limits():
    beyond = pose_skeleton(HandPose(fingers=(FingerPose(200, 200, 200),) * 4), Proportions())
    at_limit = pose_skeleton(HandPose(fingers=(FingerPose(95, 115, 80),) * 4), Proportions())
    np.testing.assert_allclose(beyond.joints, at_limit.joints)


def test_a_curled_finger_ends_near_the_palm_and_a_straight_one_far_from_it():
    skeleton = pose_skeleton(HandPose(fingers=(STRAIGHT, CURLED, CURLED, CURLED)), Proportions())
    wrist_to_tip = np.linalg.norm(skeleton.joints[1:, 3], axis=1)
    assert wrist_to_tip[0] > 170
    assert (wrist_to_tip[1:] < 95).all()


def test_landmarks_follow_mediapipes_order():
    landmarks = pose_skeleton(HandPose(), Proportions()).landmarks()
    assert landmarks.shape == (21, 3)
    np.testing.assert_array_equal(landmarks[0], 0)  # wrist
    tips = landmarks[[8, 12, 16, 20]]
    assert (np.diff(tips[:, 0]) < 0).all()  # index to pinky, away from the thumb
    assert (tips[:, 1] > landmarks[[5, 9, 13, 17], 1] + 60).all()  # tips beyond knuckles
    assert landmarks[4, 0] > landmarks[:, 0].max() - 1e-9  # the thumb's tip is the outermost point


@pytest.mark.parametrize("touch", ["index.tip", "middle.tip", "ring.tip"])
def test_the_thumb_reaches_the_finger_it_is_to_touch(touch: str):
    ring = FingerPose(48, 65, 35)
    skeleton = pose_skeleton(HandPose(ThumbPose(touch=touch), (ring,) * 4), Proportions())
    assert skeleton.thumb_gap < 5
    finger = ["index", "middle", "ring"].index(touch.split(".")[0]) + 1
    assert np.linalg.norm(skeleton.joints[0, 3] - skeleton.joints[finger, 3]) < 25


def test_nearly_every_drawn_hand_brings_the_thumb_where_its_pose_says(plan: Plan):
    hands = [plan.hand(Picture(gesture, k))[0] for gesture in plan.gestures for k in range(20)]
    gaps = np.array([hand.skeleton.thumb_gap for hand in hands])
    assert (gaps < 6).mean() > 0.97


def test_longer_fingers_reach_further():
    usual = pose_skeleton(HandPose(), Proportions())
    longer = pose_skeleton(HandPose(), Proportions(fingers=(1.1, 1.1, 1.1, 1.1)))
    assert (longer.joints[1:, 3, 1] > usual.joints[1:, 3, 1] + 5).all()
