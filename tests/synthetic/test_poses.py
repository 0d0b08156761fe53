import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.plan import Picture, Plan
from static_gesture_classification.synthetic.poses import read_poses


@pytest.fixture
def described(composed: Callable[..., Any]) -> dict[str, Any]:
    return copy.deepcopy(OmegaConf.to_container(composed().poses))  # type: ignore[return-value]


def test_every_gesture_of_the_vocabulary_has_poses_within_the_joint_limits(plan: Plan):
    assert set(plan.poses.gestures) == set(plan.gestures)


def test_a_gesture_of_ones_own_is_a_few_lines_and_gets_pictures(composed: Callable[..., Any]):
    config = composed(
        "+poses.gestures.CALL=[{fingers: {index: curled, middle: curled, ring: curled, pinky: straight}, thumb: out}]",
        "gestures.names=[BACKGROUND,CALL]",
    )
    plan = Plan.from_config(config)
    hand, _ = plan.hand(Picture("CALL", 0))
    reach = np.linalg.norm(hand.skeleton.joints[1:, 3], axis=1)
    assert reach[3] > reach[:3].max() + 20  # the little finger alone is stretched


def test_angles_are_drawn_between_the_bounds(described: dict[str, Any]):
    described["gestures"]["ONE"] = [{"fingers": {"mcp": [10, 20], "pip": [30, 40], "dip": 5}, "view": "palm"}]
    book = read_poses(described, ["ONE"])
    for seed in range(20):
        pose, view = book.draw("ONE", np.random.default_rng(seed))
        assert all(10 <= finger.mcp <= 20 and 30 <= finger.pip <= 40 and finger.dip == 5 for finger in pose.fingers)
        least, greatest = described["views"]["palm"]["yaw"]
        assert least <= view.yaw <= greatest


def test_a_gesture_without_poses_is_named_with_the_way_out(described: dict[str, Any]):
    with pytest.raises(UserError, match=r"no poses for WAVE.*conf/poses"):
        read_poses(described, ["ONE", "WAVE"])


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
def test_a_mistake_in_the_poses_is_reported_where_it_is(described: dict[str, Any], variant: Any, message: str):
    described["gestures"]["ONE"] = [variant]
    with pytest.raises(UserError, match=message) as caught:
        read_poses(described, ["ONE"])
    assert "poses.gestures.ONE[0]" in str(caught.value)
