from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Generator, Tensor

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.any_pose import AnyPose
from static_gesture_classification.synthetic.poses import PoseBook
from static_gesture_classification.synthetic.skeleton import Proportions, pose_skeleton
from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation
from static_gesture_classification.training.lifted_hands import depths
from static_gesture_classification.training.models.landmark_features import BONE_ENDS, BONE_STARTS

STILL = {"probability": 1.0, "rotation": 0.0, "shear": 0.0, "horizontal_flip": 0.0}


@pytest.fixture
def hands() -> Tensor:
    """Points (400, 21, 2), in pixels, off the origin."""
    return 200 + 50 * torch.randn(400, 21, 2, generator=Generator().manual_seed(1))


@pytest.fixture(scope="module")
def posed() -> Tensor:
    """Points (400, 21, 3) of hands in any pose, in millimetres."""
    random, anyhow = np.random.default_rng(0), AnyPose(PoseBook({}), ())
    return torch.tensor(
        np.stack([pose_skeleton(anyhow.draw(random)[0], Proportions()).landmarks() for _ in range(400)]),
        dtype=torch.float32,
    )


def changed(hands: Tensor, seed: int = 0, **changes: float) -> Tensor:
    return LandmarkAugmentation(**{**STILL, **changes})(hands, Generator().manual_seed(seed))


def extent(points: Tensor) -> Tensor:
    return (points - points.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1).sqrt()


def test_nothing_asked_for_changes_nothing(hands: Tensor):
    torch.testing.assert_close(changed(hands), hands, atol=1e-3, rtol=0)


def test_the_same_random_numbers_give_the_same_changes(hands: Tensor):
    all_changes = {"rotation": 20.0, "noise": 0.05, "finger_length": 0.1, "perspective": 0.2, "horizontal_flip": 0.5}
    torch.testing.assert_close(changed(hands, 3, **all_changes), changed(hands, 3, **all_changes))
    assert (changed(hands, 3, **all_changes) != changed(hands, 4, **all_changes)).any()


def test_a_hand_stays_where_it_is(hands: Tensor):
    moved = changed(hands, rotation=30, shear=20, noise=0.1, finger_length=0.2, perspective=0.3, horizontal_flip=0.5)
    torch.testing.assert_close(moved.mean(dim=1), hands.mean(dim=1), atol=1e-2, rtol=0)


def test_turning_keeps_distances_and_stays_within_its_degrees(hands: Tensor):
    turned = changed(hands, rotation=20)
    torch.testing.assert_close(extent(turned), extent(hands), atol=1e-2, rtol=0)
    before, after = (points[:, 9] - points[:, 0] for points in (hands, turned))
    angle = torch.atan2(
        before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(dim=1)
    ).rad2deg()  # fmt: skip
    assert angle.abs().max() <= 20.01
    assert angle.min() < -15
    assert angle.max() > 15


def test_mirroring_turns_as_many_hands_over_as_asked_for(hands: Tensor):
    mirrored = changed(hands, horizontal_flip=0.5)
    reflection = hands.mean(dim=1, keepdim=True) + (hands - hands.mean(dim=1, keepdim=True)) * torch.tensor([-1.0, 1.0])
    is_mirrored = (mirrored - reflection).abs().amax(dim=(1, 2)) < 1e-2
    assert 0.4 < is_mirrored.float().mean() < 0.6


def test_noise_is_a_share_of_the_hands_extent(hands: Tensor):
    small = (changed(hands, noise=0.05) - hands).std() / extent(hands).mean()
    assert 0.04 < small < 0.08
    tiny = hands / 1000
    assert (changed(tiny, noise=0.05) - tiny).std() / extent(tiny).mean() == pytest.approx(small.item(), rel=0.01)


def test_other_fingers_keep_the_directions_of_their_bones(hands: Tensor):
    longer = changed(hands, finger_length=0.1)
    before, after = (points[:, BONE_ENDS] - points[:, BONE_STARTS] for points in (hands, longer))
    cosine = torch.cosine_similarity(before, after, dim=2)
    torch.testing.assert_close(cosine, torch.ones_like(cosine), atol=1e-3, rtol=0)
    assert 0.05 < (after.norm(dim=2) / before.norm(dim=2)).std() < 0.2


def test_perspective_keeps_lines_straight(hands: Tensor):
    line = hands.clone()
    line[:, 3] = (line[:, 1] + line[:, 2]) / 2
    seen = changed(line, perspective=0.15)
    one, other = seen[:, 2] - seen[:, 1], seen[:, 3] - seen[:, 1]
    sine = (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / (one.norm(dim=1) * other.norm(dim=1))
    assert sine.abs().max() < 1e-2
    assert (seen - line).abs().max() > 5


def test_another_view_turns_a_hand_in_depth(posed: Tensor):
    hands = posed[..., :2]
    seen = changed(hands, view=12)
    assert 0.02 < ((seen - hands).square().mean() / extent(hands).square().mean()).sqrt() < 0.3
    flat = torch.cat([hands, torch.ones_like(hands[..., :1])], dim=2)
    rest = seen - flat @ torch.linalg.lstsq(flat, seen).solution  # what no change of a flat picture explains
    deep = (posed[..., 2] - posed[..., 2].mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt() > 0.5 * extent(hands)
    moved = rest.square().sum(dim=2).mean(dim=1).sqrt() / extent(hands)
    assert moved[deep].median() > 0.005


def test_depth_is_estimated_from_the_points_in_the_picture(posed: Tensor):
    centred = (posed - posed.mean(dim=1, keepdim=True)) / extent(posed[..., :2]).view(-1, 1, 1)
    estimated, true = depths(centred[..., :2]), centred[..., 2]
    assert torch.corrcoef(torch.stack([estimated.flatten(), true.flatten()]))[0, 1].abs() > 0.6


def test_errors_of_the_finder_move_neighbouring_points_together(posed: Tensor):
    hands = posed[..., :2]
    errors = (changed(hands, finder_error=1.0) - hands) / extent(hands).view(-1, 1, 1)
    sizes = errors.square().mean(dim=(1, 2)).sqrt()
    assert 0.01 < sizes.median() < 0.06
    assert sizes.quantile(0.95) > 2.5 * sizes.median()
    tip, joint = (errors[:, point, 1] / sizes for point in (8, 7))
    assert torch.corrcoef(torch.stack([tip, joint]))[0, 1] > 0.4


def test_a_hidden_finger_is_placed_badly_from_one_of_its_joints_on(posed: Tensor):
    hands = posed[..., :2]
    moved = changed(hands, hidden_finger=0.3)
    shift = moved - hands - (moved - hands).median(dim=1, keepdim=True).values  # the hand's centre stays
    points = shift.norm(dim=2) > 1e-3 * extent(hands).view(-1, 1)
    fingers = points[:, 1:].view(-1, 5, 4)
    assert 0.2 < points.any(dim=1).float().mean() < 0.4
    assert (fingers.any(dim=2).sum(dim=1) <= 1).all()
    assert not points[:, 0].any()
    assert not fingers[..., 0].any()


@pytest.mark.parametrize("path", sorted((CONF / "augs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_choice_of_augmentation_fits_landmarks(path: Path, hands: Tensor):
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = yaml.safe_load((CONF / "augs" / "default.yaml").read_text(encoding="utf-8"))
    augmentation = LandmarkAugmentation.from_config({**base, **values})
    assert augmentation(hands, Generator().manual_seed(0)).shape == hands.shape


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="augs lacks shear"):
        LandmarkAugmentation.from_config({"probability": 1, "rotation": 0, "horizontal_flip": 0})
