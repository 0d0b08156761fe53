import numpy as np
import pytest

from static_gesture_classification.synthetic.backgrounds import draw_background
from static_gesture_classification.synthetic.flesh import FOREARM
from static_gesture_classification.synthetic.plan import Picture, Plan
from static_gesture_classification.synthetic.renderer import pack
from static_gesture_classification.synthetic.scenes import Hand
from static_gesture_classification.synthetic.tracing import FAR, tiles, trace


def hands(plan: Plan, per_gesture: int) -> list[Hand]:
    return [plan.hand(Picture(gesture, k))[0] for gesture in plan.gestures for k in range(per_gesture)]


def traced(hand: Hand) -> tuple[np.ndarray, np.ndarray]:
    """Depth in millimetres and coverage of a hand's picture."""
    packed, roles = pack(hand.capsules)
    camera = hand.camera
    view = (camera.size, camera.focal, *camera.centre)
    depth, alpha, *_ = trace(packed, roles, *tiles(packed, roles, *view), *view)
    return depth, alpha


def test_a_picture_depends_on_its_random_numbers_alone(plan: Plan):
    first, second, other = (plan.photograph(Picture("OKAY", k)) for k in (3, 3, 4))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_every_kind_of_room_is_drawn_in_the_smallest_picture():
    for seed in range(400):
        assert np.ptp(draw_background(np.random.default_rng(seed), 64, variety=1.0).astype(int)) > 0


def test_landmarks_lie_on_the_hand_and_in_its_box(plan: Plan):
    for hand in hands(plan, 3):
        _, alpha = traced(hand)
        columns, rows = np.clip((hand.landmarks * hand.camera.size).astype(int), 0, hand.camera.size - 1).T
        on_hand = [
            alpha[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].any() for r, c in zip(rows, columns, strict=True)
        ]
        assert np.mean(on_hand) == 1, hand.gesture
        x, y, width, height = hand.box
        assert (hand.landmarks >= np.array([x, y])).all()
        assert (hand.landmarks <= np.array([x + width, y + height])).all()


def test_the_box_is_tight_around_the_hand_without_the_forearm(plan: Plan):
    for hand in hands(plan, 3):
        part = hand.capsules.roles[:, 2] < FOREARM
        capsules = type(hand.capsules)(
            hand.capsules.ends[part], hand.capsules.radii[part], hand.capsules.palmar[part], hand.capsules.roles[part]
        )
        camera = hand.camera
        view = (camera.size, camera.focal, *camera.centre)
        packed, roles = pack(capsules)
        _, alpha, *_ = trace(packed, roles, *tiles(packed, roles, *view), *view)
        rows, columns = np.nonzero(alpha > 0.5)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / camera.size
        x, y, width, height = hand.box
        np.testing.assert_allclose(seen, [x, y, x + width, y + height], atol=0.04)


def test_depth_is_where_the_hand_is(plan: Plan):
    for hand in hands(plan, 1):
        depth, alpha = traced(hand)
        ends = hand.capsules.ends[..., 2]
        solid = depth[alpha > 0.9]
        assert (depth[alpha == 0] == np.float32(FAR)).all()
        assert solid.min() > ends.min() - 40
        assert solid.max() < ends.max() + 40


def test_left_hands_are_mirror_images_of_right_ones(plan: Plan):
    """Of a palm that faces the camera, fingers up, a right hand's thumb is on the right."""
    seen = {"left": 0, "right": 0}
    for k in range(30):
        hand, _ = plan.hand(Picture("FIVE", k))
        if abs(hand.view.yaw) < 40 and abs(hand.view.roll) < 45:
            thumb_on_the_right = hand.landmarks[4, 0] > hand.landmarks[20, 0]
            assert thumb_on_the_right == (hand.side == "right")
            seen[hand.side] += 1
    assert min(seen.values()) >= 3


@pytest.mark.parametrize(("gesture", "up"), [("THUMBS_UP", True), ("THUMBS_DOWN", False)])
def test_thumbs_point_up_and_down(plan: Plan, gesture: str, up: bool):
    for k in range(20):
        hand, _ = plan.hand(Picture(gesture, k))
        thumb, others = hand.landmarks[4, 1], hand.landmarks[5:, 1]
        assert thumb < others.min() if up else thumb > others.max()


def test_straight_fingers_are_as_many_as_the_gesture_says(plan: Plan):
    straight = {"ONE": {1}, "TWO": {2}, "FOUR": {4}, "FIVE": {4}, "FIST": {0}, "THUMBS_UP": {0}, "OKAY": {3}}
    for gesture, expected in straight.items():
        for k in range(15):
            joints = plan.hand(Picture(gesture, k))[0].skeleton.joints[1:]
            reach = np.linalg.norm(joints[:, 3] - joints[:, 0], axis=1) / np.linalg.norm(
                np.diff(joints, axis=1), axis=2
            ).sum(1)
            assert int((reach > 0.93).sum()) in expected, gesture


def test_backgrounds_differ_and_fill_the_picture():
    pictures = [draw_background(np.random.default_rng(seed), 96) for seed in range(40)]
    assert all(picture.shape == (96, 96, 3) and np.isfinite(picture).all() for picture in pictures)
    assert len({round(float(picture.mean()), 3) for picture in pictures}) == 40
