import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.poses import read_poses


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
        ({"fingers": {"mcp": [0, 10], "pip": [0, 1]}}, "says nothing of dip"),
        ({"spread": [9, 2]}, r"spread is \[9, 2\]"),
        ({"thumb": {"touch": "toe.tip"}}, "touch is 'toe.tip'"),
        ({"view": "above"}, "above.*not in poses.views"),
        ({"weight": -1}, "weight is -1"),
        ("straight", "a variant is a mapping"),
    ],
)
def test_a_mistake_in_the_poses_is_reported_where_it_is(ours: dict[str, Any], variant: Any, message: str):
    ours["gestures"]["ONE"] = [variant]
    with pytest.raises(UserError, match=message) as caught:
        read_poses(ours, ["ONE"])
    assert "poses.gestures.ONE[0]" in str(caught.value)
