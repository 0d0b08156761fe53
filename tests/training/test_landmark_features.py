import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from static_gesture_classification.configuration import CONF
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.training.models.landmark_features import features


@pytest.fixture(scope="module")
def hands() -> Tensor:
    """A few posed hands of every gesture: points (40, 21, 2)."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        dataset = SyntheticDataset.from_config(compose("config", ["synthetic.images=60"]))
    drawn = [
        dataset.draw_hand(Picture(gesture, k))[0].landmarks for gesture in dataset.vocabulary.names for k in range(4)
    ]
    return torch.from_numpy(np.stack(drawn)).float()


def test_features_do_not_depend_on_position_and_size(hands: Tensor):
    moved = hands * 3.7 + torch.tensor([120.0, -40.0])
    torch.testing.assert_close(features(moved), features(hands), atol=2e-3, rtol=0)


def test_left_and_right_hands_give_the_same_features(hands: Tensor):
    mirrored = hands * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(features(mirrored), features(hands), atol=1e-4, rtol=0)


def test_a_hand_upside_down_gives_other_features(hands: Tensor):
    assert (features(-hands) - features(hands)).abs().amax(dim=1).min() > 0.5


def test_a_hand_of_a_batch_does_not_depend_on_the_others(hands: Tensor):
    torch.testing.assert_close(features(hands)[7:9], features(hands[7:9]))


def test_points_in_one_place_give_finite_features():
    assert features(torch.zeros(2, 21, 2)).isfinite().all()


def test_features_say_how_far_a_finger_is_bent(hands: Tensor):
    """The cosine between a finger's bones is 1 for a straight finger and goes down as it bends."""
    straight = torch.zeros(1, 21, 2)
    for finger in range(5):
        for joint in range(4):
            straight[0, 1 + 4 * finger + joint] = torch.tensor([finger - 2.0, 1.0 + joint]) * (1 + joint)
    bent = straight.clone()
    bent[0, 8] = bent[0, 6]  # the index finger's tip folds back
    difference = (features(bent) - features(straight)).abs()
    assert difference.max() > 1
