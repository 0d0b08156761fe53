"""The posable hand fitted to landmarks: the same kinematics, and the pose that was photographed."""

from functools import partial

import numpy as np
import pytest

from static_gesture_classification.synthetic.fitting import (
    ANGLES,
    differences,
    fit_hands,
    place_landmarks,
    pose_variant,
    pose_variants_of,
)
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.scenes import draw_hand
from static_gesture_classification.synthetic.seen_points import as_seen
from static_gesture_classification.synthetic.skeleton import (
    SPREAD_SHARE,
    FingerPose,
    HandPose,
    Proportions,
    ThumbPose,
    pose_skeleton,
)
from static_gesture_classification.synthetic.subjects import draw_subject

HORNS = [
    {
        "fingers": {
            "index": {"mcp": 2, "pip": 4, "dip": 2},
            "middle": {"mcp": 75, "pip": 95, "dip": 55},
            "ring": {"mcp": 75, "pip": 95, "dip": 55},
            "pinky": {"mcp": 3, "pip": 4, "dip": 2},
        },
        "thumb": {"abduction": 45, "lift": 12, "mcp": 5, "ip": 5},
        "view": {"yaw": [-20, 20], "pitch": [-10, 20], "roll": [-20, 20]},
    }
]


def photographed(count: int, **view: float) -> np.ndarray:
    """Points where the hand finder would place them."""
    return as_seen(posed(count, **view))


def posed(count: int, **view: float) -> np.ndarray:
    """The skeletons' joints in pictures."""
    horns = [{**HORNS[0], "view": {**HORNS[0]["view"], **view}}]
    book, random = read_poses({"gestures": {"HORNS": horns}}, ["HORNS"]), np.random.default_rng(0)
    hands = [
        draw_hand("HORNS", draw_subject(0, "", random), partial(book.draw, "HORNS"), 128, random) for _ in range(count)
    ]
    return np.stack([hand.landmarks for hand in hands])


def test_many_hands_are_placed_as_one_by_one() -> None:
    angles = np.array([5.0, 10, 4, 70, 90, 40, 60, 80, 30, 20, 30, 10, 8, 40, 20, 15, 25, -5])
    lengths = np.array([0.05, -0.03, 0.02, 0.01, -0.02, 0.04])
    fingers = [FingerPose(*angles[3 * i : 3 * i + 3], 8 * SPREAD_SHARE[i]) for i in range(4)]
    factors = np.exp(lengths)
    body = Proportions(width=factors[0], fingers=tuple(factors[1:5]), thumb=factors[5])
    pose = HandPose(ThumbPose(*angles[13:18]), (fingers[0], fingers[1], fingers[2], fingers[3]))
    placed = place_landmarks(np.concatenate([np.radians(angles), np.zeros(3), [6.0], lengths]))
    assert placed == pytest.approx(pose_skeleton(pose, body).landmarks(), abs=0.01)


def test_fitted_hand_has_the_pose_that_was_photographed() -> None:
    fits = fit_hands(photographed(3))
    for fit in fits:
        angles = dict(zip(ANGLES, fit.angles, strict=True))
        assert fit.error < 0.03
        assert min(angles["middle.pip"], angles["ring.pip"]) > 60
        assert max(angles["index.pip"], angles["pinky.pip"]) < 40
    assert differences(fits).max() < 30


def test_points_are_expected_where_the_finder_places_them() -> None:
    found, joints = (np.mean([fit.error for fit in fit_hands(points)]) for points in (photographed(4), posed(4)))
    assert found < 0.8 * joints


def test_few_samples_give_all_poses_that_explain_them_and_many_give_one_each() -> None:
    (one,) = fit_hands(photographed(1))
    assert len(pose_variants_of([one], 12.0, (40.0, 30.0, 25.0))) == 1 + len(one.others)
    assert all(np.sqrt(np.square(other.angles - one.angles).mean()) > 12 for other in one.others)
    assert len(pose_variants_of([one] * 3, 12.0, (40.0, 30.0, 25.0))) == 3


def test_a_hand_that_is_seen_from_its_fingertips_is_also_posed_flat() -> None:
    turns = (40.0, 30.0, 25.0)
    (steep,), (flat,) = fit_hands(photographed(1, pitch=65)), fit_hands(photographed(1))
    assert steep.view[1] > 40
    pitches = [variant["view"]["pitch"] for variant in pose_variants_of([steep], 12.0, turns)]
    assert len(pitches) == 2 * (1 + len(steep.others))
    assert [-30.0, 30.0] in pitches
    assert len(pose_variants_of([steep, flat], 12.0, turns)) == 2 + len(steep.others) + len(flat.others)


def test_what_is_described_can_be_posed_again() -> None:
    (fit,) = fit_hands(photographed(1))
    book = read_poses({"gestures": {"HORNS": [pose_variant(fit, 12.0, (40.0, 30.0, 25.0))]}}, ["HORNS"])
    exact = read_poses({"gestures": {"HORNS": [pose_variant(fit, 0.0, (0.0, 0.0, 0.0))]}}, ["HORNS"])
    drawn, _ = exact.draw("HORNS", np.random.default_rng(0))
    assert len(book.gestures["HORNS"]) == 1
    assert drawn.fingers[1].pip == pytest.approx(dict(zip(ANGLES, fit.angles, strict=True))["middle.pip"], abs=0.1)


def test_depth_tells_whether_fingers_point_to_the_camera() -> None:
    points = photographed(1)
    reach = np.linalg.norm(points - points[:, :1], axis=2, keepdims=True)
    near, far = (
        fit_hands(points, np.concatenate([points, way * 0.7 * reach], axis=2))[0] for way in (-1, 1)
    )  # z grows away from the camera
    assert near.error < 0.05
    assert near.view[1] > far.view[1] + 15
