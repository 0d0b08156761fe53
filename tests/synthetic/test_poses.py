import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.skeleton import SPREAD_SHARE

OPEN = {"mcp": 0, "pip": 0, "dip": 0}


@pytest.fixture
def ours(described: dict[str, Any]) -> dict[str, Any]:
    """The poses of conf/poses, to be changed."""
    return copy.deepcopy(described)


def test_every_gesture_of_the_vocabulary_has_poses_within_the_joint_limits(dataset: SyntheticDataset):
    assert set(dataset.poses.gestures) == set(dataset.vocabulary.names)


def test_a_gesture_of_ones_own_is_a_few_lines_and_gets_pictures(make_dataset: Callable[..., SyntheticDataset]):
    fingers = {"index": "curled", "middle": "curled", "ring": "curled", "pinky": "straight"}
    dataset = make_dataset(("BACKGROUND", "CALL"), {"CALL": [{"fingers": fingers, "thumb": "out"}]})
    hand, _ = dataset.draw_hand(Picture("CALL", 0))
    reach = np.linalg.norm(hand.skeleton.joints[1:, 3], axis=1)
    assert reach[3] > reach[:3].max() + 20  # the little finger alone is stretched


def test_a_shape_is_background_until_it_is_a_gesture_of_its_own(ours: dict[str, Any]):
    ours["gestures"]["BACKGROUND"] = [{"thumb": "out", "until": ["CALL", "SHAKA"]}, {"thumb": "across"}]
    ours["gestures"]["call"] = [{"thumb": "out"}]
    kept = [len(read_poses(ours, names).gestures["BACKGROUND"]) for names in (["BACKGROUND"], ["BACKGROUND", "call"])]
    assert kept == [2, 1]
    assert len(read_poses(ours, ["BACKGROUND"], ["BACKGROUND", "SHAKA"]).gestures["BACKGROUND"]) == 1


def test_angles_are_drawn_between_the_bounds(ours: dict[str, Any]):
    ours["gestures"]["ONE"] = [{"fingers": {"mcp": [10, 20], "pip": [30, 40], "dip": 5}, "view": "palm"}]
    book = read_poses(ours, ["ONE"])
    for seed in range(20):
        pose, view = book.draw("ONE", np.random.default_rng(seed))
        assert all(10 <= finger.mcp <= 20 and 30 <= finger.pip <= 40 and finger.dip == 5 for finger in pose.fingers)
        least, greatest = ours["views"]["palm"]["yaw"]
        assert least <= view.yaw <= greatest


def test_a_gesture_without_poses_is_named_with_the_way_out(ours: dict[str, Any]):
    with pytest.raises(UserError, match=r"no poses for WAVE.*conf/poses"):
        read_poses(ours, ["ONE", "WAVE"])


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"fingers": "straigth"}, "straigth.*not in poses.shapes"),
        ({"fingers": {"indx": "straight"}}, "indx.*unknown"),
        ({"fingers": {"mcp": [0, 140], "pip": [0, 1], "dip": [0, 1]}}, "beyond what the joint can do"),
        ({"fingers": {"mcp": [0, 10], "pip": [0, 1]}}, "lacks dip"),
        ({"spread": [9, 2]}, r"spread is \[9, 2\]"),
        ({"thumb": {"touch": "toe.tip"}}, "touch is 'toe.tip'"),
        ({"view": "above"}, "above.*not in poses.views"),
        ({"weight": -1}, "weight is -1"),
        ({"finger": "straight"}, "has finger, which is unknown; it may have weight, fingers"),
        ({"wrist": {"twist": 3}}, "wrist has twist, which is unknown; it may have flexion, deviation"),
        ({"view": {"yaw": [0, 400]}}, "beyond what the joint can do"),
        ("straight", "a variant is a mapping"),
    ],
)
def test_a_mistake_in_the_poses_is_reported_where_it_is(ours: dict[str, Any], variant: Any, message: str):
    ours["gestures"]["ONE"] = [variant]
    with pytest.raises(UserError, match=message) as caught:
        read_poses(ours, ["ONE"])
    assert "poses.gestures.ONE[0]" in str(caught.value)


def test_a_gesture_whose_variants_all_weigh_nothing_is_refused(ours: dict[str, Any]):
    ours["gestures"]["ONE"] = [{"weight": 0}, {"weight": 0}]
    with pytest.raises(UserError, match=r"poses\.gestures\.ONE has the weight 0 in every variant"):
        read_poses(ours, ["ONE"])


def test_variants_are_drawn_by_weight(ours: dict[str, Any]):
    ours["gestures"]["ONE"] = [{"weight": weight, "view": {"yaw": 10 * weight}} for weight in (1, 3, 0)]
    book = read_poses(ours, ["ONE"])
    yaws = [round(book.draw("ONE", np.random.default_rng(seed))[1].yaw) for seed in range(400)]
    assert set(yaws) == {10, 30}
    assert 0.68 < yaws.count(30) / 400 < 0.82


def test_a_studio_turns_hands_over_the_middle_third_of_the_range(ours: dict[str, Any]):
    wide = {"yaw": [-60, 60], "pitch": [-30, 30], "roll": [0, 90]}
    ours["gestures"]["ONE"] = [{"view": wide, "wrist": {"flexion": [-60, 60]}}]
    book = read_poses(ours, ["ONE"])
    for variety, share in ((0.0, 1 / 3), (1.0, 1.0)):
        drawn = [book.draw("ONE", np.random.default_rng(seed), variety) for seed in range(200)]
        for angles, (least, greatest) in (
            ([view.yaw for _, view in drawn], (-60, 60)),
            ([view.roll for _, view in drawn], (0, 90)),
            ([pose.flexion for pose, _ in drawn], (-60, 60)),
        ):
            middle, half = (least + greatest) / 2, share * (greatest - least) / 2
            assert middle - half <= min(angles) < middle - 0.85 * half
            assert middle + 0.85 * half < max(angles) <= middle + half


def test_fingers_of_a_hand_bend_alike_but_not_equally(ours: dict[str, Any]):
    ours["gestures"]["ONE"] = [{"fingers": {"mcp": [0, 90], "pip": [0, 90], "dip": [0, 60]}, "spread": [10, 10]}]
    book = read_poses(ours, ["ONE"])
    hands = [book.draw("ONE", np.random.default_rng(seed))[0].fingers for seed in range(300)]
    bent = np.array([[finger.mcp for finger in fingers] for fingers in hands])
    assert 0.45 < np.corrcoef(bent.T)[0, 3] < 0.75
    assert 3 < np.ptp(bent, axis=1).mean() < 40
    spread = np.array([[finger.spread for finger in fingers] for fingers in hands])
    np.testing.assert_allclose(spread.mean(axis=0), 10 * np.array(SPREAD_SHARE), atol=0.3)
    np.testing.assert_allclose(spread.std(axis=0), 1.2, atol=0.2)


def test_what_a_variant_leaves_out_has_a_default(ours: dict[str, Any]):
    ours["gestures"]["ONE"] = [{"thumb": {"mcp": 7}}]
    (variant,) = read_poses(ours, ["ONE"]).gestures["ONE"]
    thumb, touch = variant.thumbs[0]
    assert touch is None
    assert thumb == {"abduction": (20, 40), "lift": (20, 40), "mcp": (7, 7), "ip": (5, 30), "roll": (-6, 6)}
    assert variant.wrist == {"flexion": (-40, 30), "deviation": (-24, 16)}
    assert variant.spread == (0, 6)
    assert variant.weight == 1
    assert read_poses({"gestures": {"ONE": [{"fingers": OPEN, "thumb": {}, "view": {}}]}}, ["ONE"]).gestures["ONE"][
        0
    ].views == ({"yaw": (-10, 10), "pitch": (-10, 10), "roll": (-10, 10)},)
    assert variant.views[0]["yaw"] == tuple(ours["views"]["palm"]["yaw"])
