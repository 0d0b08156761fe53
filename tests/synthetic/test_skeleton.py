import numpy as np
import pytest

from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.skeleton import (
    FINGER_BONES,
    SPREAD_SHARE,
    THUMB_BONES,
    FingerPose,
    HandPose,
    Proportions,
    ThumbPose,
    _find_touch,
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


def test_nearly_every_drawn_hand_brings_the_thumb_where_its_pose_says(dataset: SyntheticDataset):
    hands = [dataset.draw_hand(Picture(gesture, k))[0] for gesture in dataset.vocabulary.names for k in range(20)]
    gaps = np.array([hand.skeleton.thumb_gap for hand in hands])
    assert (gaps < 6).mean() > 0.97


def test_longer_fingers_reach_further():
    usual = pose_skeleton(HandPose(), Proportions())
    longer = pose_skeleton(HandPose(), Proportions(fingers=(1.1, 1.1, 1.1, 1.1)))
    assert (longer.joints[1:, 3, 1] > usual.joints[1:, 3, 1] + 5).all()


def test_limits_hold_for_every_joint_of_thumb_and_wrist():
    far = pose_skeleton(HandPose(ThumbPose(500, 500, 500, 500), flexion=500, deviation=-500), Proportions())
    limit = pose_skeleton(HandPose(ThumbPose(72, 68, 65, 85), flexion=75, deviation=-30), Proportions())
    np.testing.assert_allclose(far.joints[0], limit.joints[0])
    np.testing.assert_allclose(far.forearm, limit.forearm)


def test_fingers_bend_towards_the_palm_and_their_pads_face_the_way_they_bend():
    straight = pose_skeleton(HandPose(), Proportions())
    bent = pose_skeleton(HandPose(fingers=(FingerPose(30, 30, 30),) * 4), Proportions())
    assert (bent.joints[1:, 3, 2] > straight.joints[1:, 3, 2] + 30).all()
    assert (straight.palmar[1:, :, 2] > 0.9).all()
    bones = np.diff(bent.joints, axis=1)
    bones /= np.linalg.norm(bones, axis=2, keepdims=True)
    np.testing.assert_allclose((bones * bent.palmar).sum(axis=2), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(bent.palmar, axis=2), 1)
    np.testing.assert_allclose((bones[1:, 1] * bones[1:, 0]).sum(axis=1), np.cos(np.radians(30)))


def test_spread_fans_the_fingers_out_and_bent_knuckles_cannot_spread():
    def tips(mcp: float, spread: float) -> np.ndarray:
        fingers = tuple(FingerPose(mcp, 0, 0, spread * share) for share in SPREAD_SHARE)
        return pose_skeleton(HandPose(fingers=fingers), Proportions()).joints[1:, 3, 0]  # type: ignore[arg-type]

    assert (np.diff(tips(0, 0) - tips(0, 12)) > 5).all()  # each further from its neighbour
    np.testing.assert_allclose(tips(90, 12), tips(90, 0), atol=1e-6)


def test_the_thumb_leaves_the_palm_and_the_index_finger_as_its_angles_say():
    def tip(**angles: float) -> np.ndarray:
        return pose_skeleton(
            HandPose(ThumbPose(**{"abduction": 20, "lift": 0, "mcp": 0, "ip": 0, **angles})), Proportions()
        ).joints[0]

    assert tip(abduction=50)[3, 0] > tip()[3, 0] + 30
    assert tip(lift=40)[3, 2] > tip()[3, 2] + 40
    np.testing.assert_array_equal(tip(mcp=40)[1], tip()[1])
    assert tip(mcp=40)[3, 0] < tip()[3, 0]  # it bends over the palm
    assert np.linalg.norm(tip(ip=60)[3] - tip()[3]) == pytest.approx(2 * 28 * np.sin(np.radians(30)))
    for angles in ({}, {"mcp": 40, "ip": 50}, {"abduction": 60, "lift": 50}):
        np.testing.assert_allclose(np.linalg.norm(np.diff(tip(**angles), axis=0), axis=1), THUMB_BONES)


def test_the_forearm_follows_the_wrist():
    def arm(**angles: float) -> np.ndarray:
        return pose_skeleton(HandPose(**angles), Proportions()).forearm

    np.testing.assert_allclose(arm(), [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(arm(flexion=30), [0, -np.cos(np.pi / 6), 0.5], atol=1e-12)
    np.testing.assert_allclose(arm(deviation=-30), [-0.5, -np.cos(np.pi / 6), 0], atol=1e-12)


@pytest.mark.parametrize("finger", ["index", "middle"])
def test_the_thumb_touches_where_it_is_to(finger: str):
    """Its pad lies within the reach of a fingertip's radius from the named place, on the skin."""
    number = ("index", "middle", "ring", "pinky").index(finger) + 1
    curled = FingerPose(75, 95, 55)
    for place in ("back", "nail"):
        hand = pose_skeleton(HandPose(ThumbPose(touch=f"{finger}.{place}"), (curled,) * 4), Proportions())
        bone = 1 if place == "back" else 2
        middle = hand.joints[number, bone : bone + 2].mean(axis=0)
        pad = 0.35 * hand.joints[0, 2] + 0.65 * hand.joints[0, 3] + hand.palmar[0, 2] * hand.radii[0, 3]
        outside = -hand.palmar[number, bone] @ (pad - middle)
        if hand.thumb_gap < 1:
            assert 0.5 * hand.radii[number, 3] < outside < 1.5 * hand.radii[number, 1]
        assert hand.thumb_gap < 25
        assert np.linalg.norm(np.diff(hand.joints[0], axis=0), axis=1) == pytest.approx(THUMB_BONES)


@pytest.mark.parametrize(("place", "side"), [("tip", 1), ("pad", 1), ("nail", -1), ("back", -1), ("knuckle", -1)])
def test_places_of_touch_lie_on_the_skin_of_their_side(place: str, side: int):
    hand = pose_skeleton(HandPose(fingers=(FingerPose(40, 50, 30),) * 4), Proportions())
    point, outward = _find_touch(f"middle.{place}", hand.joints, hand.palmar, hand.radii)
    bone = 2 if place in ("tip", "pad", "nail") else 1
    assert (outward @ hand.palmar[2, bone]) * side > 0.5
    start, end = hand.joints[2, bone], hand.joints[2, bone + 1]
    share = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    assert np.linalg.norm(point - start - share * (end - start)) == pytest.approx(hand.radii[2, 2], rel=0.35)
    assert np.linalg.norm(outward) == pytest.approx(1, abs=0.05)


def test_the_side_of_a_finger_is_the_one_towards_the_thumb():
    hand = pose_skeleton(HandPose(), Proportions())
    point, outward = _find_touch("index.side", hand.joints, hand.palmar, hand.radii)
    assert point[0] > hand.joints[1, :2, 0].max()
    assert outward[0] > 0.9


def test_proportions_scale_what_they_name():
    usual = pose_skeleton(HandPose(), Proportions())
    np.testing.assert_allclose(pose_skeleton(HandPose(), Proportions(size=1.1)).joints, 1.1 * usual.joints)
    wide = pose_skeleton(HandPose(), Proportions(width=1.1)).joints[1:, 0]
    np.testing.assert_allclose(wide, usual.joints[1:, 0] * [1.1, 1, 1])
    thumb = np.linalg.norm(np.diff(pose_skeleton(HandPose(), Proportions(thumb=1.1)).joints[0], axis=0), axis=1)
    np.testing.assert_allclose(thumb, np.array(THUMB_BONES) * [1, 1.1, 1.1])
    np.testing.assert_allclose(pose_skeleton(HandPose(), Proportions(thickness=1.1)).radii, 1.1 * usual.radii)
    slender = pose_skeleton(HandPose(), Proportions(tips=0.9)).radii / usual.radii
    np.testing.assert_allclose(slender, np.broadcast_to(np.linspace(1, 0.9, 4), (5, 4)))


def test_landmarks_of_tips_lie_under_the_end_of_the_nail():
    hand = pose_skeleton(HandPose(fingers=(CURLED,) * 4), Proportions())
    landmarks = hand.landmarks().copy()[1:].reshape(5, 4, 3)
    np.testing.assert_array_equal(landmarks[:, :3], hand.joints[:, :3])
    np.testing.assert_allclose(np.linalg.norm(landmarks[:, 3] - hand.joints[:, 3], axis=1), 4.0)
    np.testing.assert_allclose(
        np.linalg.norm(landmarks[1:, 3] - landmarks[1:, 2], axis=1), np.array(FINGER_BONES)[:, 2] - 4
    )


def test_webs_lie_between_the_fingers_roots():
    hand = pose_skeleton(HandPose(), Proportions())
    from_knuckle = np.linalg.norm(hand.webs - hand.joints[1:, 0], axis=1) / np.array(FINGER_BONES)[:, 0]
    assert (np.abs(from_knuckle - 0.3) < 0.02).all()
    assert hand.webs[:, 2] - hand.joints[1:, 0, 2] == pytest.approx(2.0, abs=1e-9)
