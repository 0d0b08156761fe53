from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.synthetic import scenes
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.flesh import DISTAL, FOREARM, METACARPUS, MIDDLE_PHALANX, PROXIMAL
from static_gesture_classification.synthetic.poses import View
from static_gesture_classification.synthetic.scenes import PosedHand
from static_gesture_classification.synthetic.tracing import FAR
from tests.synthetic.capsules import see


@pytest.fixture(scope="module")
def hands(dataset: SyntheticDataset) -> list[PosedHand]:
    """Three hands of each gesture."""
    return [dataset.draw_hand(Picture(gesture, k))[0] for gesture in dataset.vocabulary for k in range(3)]


def test_a_picture_depends_on_its_random_numbers_alone(dataset: SyntheticDataset):
    first, second, other = (dataset.photograph(Picture("OKAY", k)) for k in (3, 3, 4))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_landmarks_lie_on_the_hand_and_in_its_box(hands: list[PosedHand]):
    for hand in hands:
        alpha = see(hand.capsules, hand.camera).alpha
        columns, rows = np.clip((hand.landmarks * hand.camera.size).astype(int), 0, hand.camera.size - 1).T
        on_hand = [
            alpha[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].any() for r, c in zip(rows, columns, strict=True)
        ]
        assert np.mean(on_hand) == 1, hand.gesture
        x, y, width, height = hand.box
        assert (hand.landmarks >= np.array([x, y])).all()
        assert (hand.landmarks <= np.array([x + width, y + height])).all()


def test_the_box_is_tight_around_the_hand_without_the_forearm(hands: list[PosedHand]):
    for hand in hands:
        part = hand.capsules.roles[:, 2] < FOREARM
        whole = hand.capsules
        capsules = type(whole)(whole.ends[part], whole.radii[part], whole.palmar[part], whole.roles[part])
        alpha = see(capsules, hand.camera).alpha
        rows, columns = np.nonzero(alpha > 0.5)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / hand.camera.size
        x, y, width, height = hand.box
        np.testing.assert_allclose(seen, [x, y, x + width, y + height], atol=0.04)


def test_depth_is_where_the_hand_is(hands: list[PosedHand]):
    for hand in hands[::3]:
        depth, alpha, *_ = see(hand.capsules, hand.camera)
        ends = hand.capsules.ends[..., 2]
        solid = depth[alpha > 0.9]
        assert (depth[alpha == 0] == np.float32(FAR)).all()
        assert solid.min() > ends.min() - 40
        assert solid.max() < ends.max() + 40


def test_left_hands_are_mirror_images_of_right_ones(dataset: SyntheticDataset):
    """Of a palm that faces the camera, fingers up, a right hand's thumb is on the right."""
    seen = {"left": 0, "right": 0}
    for k in range(30):
        hand, _ = dataset.draw_hand(Picture("FIVE", k))
        if abs(hand.view.yaw) < 40 and abs(hand.view.roll) < 45:
            thumb_on_the_right = hand.landmarks[4, 0] > hand.landmarks[20, 0]
            assert thumb_on_the_right == (hand.handedness == "right")
            seen[hand.handedness] += 1
    assert min(seen.values()) >= 3


@pytest.mark.parametrize(("gesture", "up"), [("THUMBS_UP", True), ("THUMBS_DOWN", False)])
def test_thumbs_point_up_and_down(dataset: SyntheticDataset, gesture: str, up: bool):
    for k in range(20):
        hand, _ = dataset.draw_hand(Picture(gesture, k))
        thumb, others = hand.landmarks[4, 1], hand.landmarks[5:, 1]
        assert thumb < others.min() if up else thumb > others.max()


def test_straight_fingers_are_as_many_as_the_gesture_says(dataset: SyntheticDataset):
    straight = {"ONE": {1}, "TWO": {2}, "FOUR": {4}, "FIVE": {4}, "FIST": {0}, "THUMBS_UP": {0}, "OKAY": {3}}
    for gesture, expected in straight.items():
        for k in range(15):
            joints = dataset.draw_hand(Picture(gesture, k))[0].skeleton.joints[1:]
            reach = np.linalg.norm(joints[:, 3] - joints[:, 0], axis=1) / np.linalg.norm(
                np.diff(joints, axis=1), axis=2
            ).sum(1)
            assert int((reach > 0.93).sum()) in expected, gesture


def test_landmarks_are_the_joints_that_the_flesh_is_on(hands: list[PosedHand]):
    for hand in hands:
        pixels = hand.camera.project(hand.capsules.ends) / hand.camera.size
        for finger in range(4):
            for part, landmark in ((PROXIMAL, 5), (MIDDLE_PHALANX, 6), (DISTAL, 7)):
                rows = (hand.capsules.roles[:, 1] == finger + 2) & (hand.capsules.roles[:, 2] == part)
                np.testing.assert_allclose(pixels[rows][0, 0], hand.landmarks[landmark + 4 * finger], atol=1e-9)


def test_a_left_hand_is_the_mirror_image_in_its_palm_too(hands: list[PosedHand]):
    """Seen from its front, a right hand's fingertips are up where its thumb is on the right."""
    for hand in hands:
        palmar = hand.capsules.palmar[hand.capsules.roles[:, 2] == METACARPUS][0]
        turned = np.linalg.det([*hand.palm_frame[1:], palmar])
        assert (turned > 0) == (hand.handedness == "right")
        assert np.linalg.norm(palmar) == pytest.approx(1)
        across = hand.landmarks[5] - hand.landmarks[17]
        assert across @ hand.palm_frame[1, :2] > 0 or abs(hand.palm_frame[1, 2]) > 0.3 * np.linalg.norm(
            hand.palm_frame[1]
        )


def test_hands_take_the_share_of_the_picture_that_they_are_to(hands: list[PosedHand]):
    sides = np.array([max(hand.box[2:]) for hand in hands])
    assert 0.42 <= sides.min() < 0.6
    assert 0.75 < sides.max() <= 0.86 * 1.031
    middles = np.array([np.add(hand.box[:2], np.array(hand.box[2:]) / 2) for hand in hands])
    assert np.abs(middles.mean(axis=0) - 0.5).max() < 0.08
    assert middles.std(axis=0).min() > 0.02
    depths = np.array([hand.capsules.ends[hand.capsules.roles[:, 2] < FOREARM, :, 2].mean() for hand in hands])
    assert 250 < depths.min() < 420
    assert 600 < depths.max() < 1000


@pytest.mark.parametrize(
    ("view", "thumb", "tips", "palm"),
    [
        (View(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)),
        (View(180, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        (View(0, 90, 0), (1, 0, 0), (0, 0, 1), (0, -1, 0)),
        (View(0, 0, 90), (0, 1, 0), (-1, 0, 0), (0, 0, 1)),
        (View(90, 0, 90), (0, 0, -1), (-1, 0, 0), (0, 1, 0)),
    ],
)
def test_views_turn_the_hand_as_the_poses_say(view: View, thumb, tips, palm):
    """x to the right, y up, z to the viewer."""
    np.testing.assert_allclose(scenes._make_rotation(view), np.stack([thumb, tips, palm], axis=1), atol=1e-12)


def test_light_comes_from_the_viewers_side_and_a_studio_has_soft_light_alone():
    drawn = [scenes._draw_light(np.random.default_rng(seed), 1.0) for seed in range(300)]
    lights = [light for light, _ in drawn]
    assert all(np.linalg.norm(light.direction) == pytest.approx(1) and light.direction[2] < 0 for light in lights)
    up = np.array([light.direction[1] for light in lights])
    assert (up < 0).mean() > 0.7  # mostly from above
    assert abs(np.mean([light.direction[0] for light in lights])) < 0.1
    assert np.mean([light.rim.max() > 0 for light in lights]) == pytest.approx(0.1, abs=0.05)
    assert np.mean([light.key.mean() > 0.8 for light in lights]) > 0.15
    assert np.mean([light.sky.mean() > light.ground.mean() for light in lights]) > 0.75
    assert all(1 <= light.softness <= 9 and 0.5 <= light.shadow <= 1 for light in lights)
    exposures = np.array([exposure for _, exposure in drawn])
    assert np.log(exposures).mean() == pytest.approx(0.15, abs=0.06)
    studio = [scenes._draw_light(np.random.default_rng(seed), 0.0)[0] for seed in range(100)]
    assert all(light.rim.max() == 0 and 0.25 < light.key.mean() < 0.9 for light in studio)


def test_the_hand_covers_the_background_in_srgb_where_it_is():
    alpha = np.zeros((8, 8), np.float32)
    alpha[2:6, 3:5] = 1
    alpha[2, 3] = 0.5
    colour = np.full((8, 8, 3), 0.2177, np.float32)  # linear; 127.5 in sRGB
    seen = scenes._paste_hand(np.full((8, 8, 3), 27.5, np.float32), colour, alpha)
    assert (seen[alpha == 0] == 27.5).all()
    np.testing.assert_allclose(seen[alpha == 1], 127.5, atol=0.2)
    np.testing.assert_allclose(seen[2, 3], 77.5, atol=0.2)
    bright = scenes._paste_hand(np.zeros((8, 8, 3), np.float32), colour * 9, alpha)
    assert bright.max() == 255
    empty = np.zeros((8, 8, 3), np.float32)
    assert (scenes._paste_hand(empty, colour, alpha * 0) == 0).all()


def test_now_and_then_the_hand_casts_a_shadow_on_the_wall():
    alpha = np.zeros((64, 64), np.float32)
    alpha[24:40, 24:40] = 1
    wall = np.full((64, 64, 3), 200, np.float32)
    shadows = [scenes._cast_shadow(wall, alpha, np.random.default_rng(seed)) for seed in range(60)]
    cast = [shadow for shadow in shadows if (shadow != wall).any()]
    assert 0.15 < len(cast) / 60 < 0.45
    for shadow in cast:
        assert 200 * 0.29 < shadow.min() < 200 * 0.85
        assert shadow.max() == 200
        rows, columns = np.nonzero(shadow[..., 0] < (shadow.min() + 200) / 2)
        assert abs(rows.mean() - 31.5) < 12
        assert abs(columns.mean() - 31.5) < 12


def test_cameras_blur_and_add_noise_only_outside_the_studio():
    step = np.zeros((64, 64, 3), np.float32)
    step[:, 32:] = 160

    def develop(variety: float) -> list[np.ndarray]:
        return [scenes._develop(step, np.random.default_rng(seed), variety).astype(float) for seed in range(60)]

    studio, any_camera = develop(0), develop(1)
    assert all(picture[:, :28].std(axis=(0, 1)).max() == 0 for picture in studio)
    noise = np.array([picture[:, 48:].std(axis=(0, 1)).max() for picture in any_camera])
    assert 0.6 < (noise > 0.3).mean() < 0.95
    assert noise.max() < 17
    blurred = np.array(
        [np.abs(picture[:, 34:37].mean((0, 2)) - picture[:, 48:].mean()).max() for picture in any_camera]
    )
    assert (blurred > 4).mean() > 0.25
    bright = np.array([picture[:, 48:].mean() for picture in studio])
    assert abs(bright.mean() - 165) < 8
    assert 8 < bright.std() < 25
    tints = np.array([np.ptp(picture[:, 48:].mean(axis=(0, 1))) for picture in studio])
    assert 2 < np.median(tints) < 12


def test_motion_smears_along_one_direction_and_keeps_the_mean():
    dot = np.zeros((64, 64, 3), np.uint8)
    dot[30:34, 30:34] = 250
    for seed in range(12):
        smeared = np.asarray(scenes._blur_motion(Image.fromarray(np.tile(dot, (4, 4, 1))), np.random.default_rng(seed)))
        assert smeared.mean() == pytest.approx(dot.mean(), rel=0.03)
        assert 50 <= smeared.max() <= 250
    assert smeared.shape == (256, 256, 3)


def test_hands_whose_thumb_misses_are_drawn_again(dataset: SyntheticDataset, monkeypatch: pytest.MonkeyPatch):
    drawn, real = [], scenes.pose_skeleton

    def miss_twice(pose, proportions):
        drawn.append(real(pose, proportions))
        return replace(drawn[-1], thumb_gap=9.0 if len(drawn) < 3 else 0.0)

    monkeypatch.setattr(scenes, "pose_skeleton", miss_twice)
    hand, _ = dataset.draw_hand(Picture("OKAY", 0))
    assert len(drawn) == 3
    assert hand.skeleton.joints is drawn[-1].joints


def test_sleeves_are_worn_by_those_who_do_not_bare_their_arms(dataset: SyntheticDataset):
    person = dataset.draw_subject(0)
    for bare, worn in ((0.0, True), (1.0, False)):
        rng = np.random.default_rng(3)
        pose = partial(dataset.poses.draw, "FIVE")
        hand = scenes.draw_hand("FIVE", replace(person, bare_arms=bare), pose, 64, rng)
        assert (hand.capsules.roles[:, 1] == 6).any() == worn
