"""What a classifier looks at."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.saliency import crop_heat, point_weights
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.models.network import CropNetwork, Network

VOCABULARY = Vocabulary(("NONE", "BRIGHT"), "NONE")


class TipOnly(nn.Module):
    """Sees how far the tip of the index finger is from the middle of the hand."""

    def forward(self, points: Tensor) -> Tensor:
        return (points[:, 8] - points.mean(dim=1)).square().sum(dim=1, keepdim=True)


def one_way(network: Network) -> Network:
    """Its second gesture grows with the first number of the embedding."""
    with torch.no_grad():
        network.head.weight[:] = torch.tensor([[0.0], [1.0]])
        network.head.bias[:] = 0
    return network.eval()


@pytest.mark.parametrize("coarse", [1, 8], ids=["its last layer says where", "its last layer has 2 x 2 places"])
def test_the_heat_of_a_crop_lies_where_the_evidence_is(coarse: int) -> None:
    convolution = nn.Conv2d(3, 1, 3, padding=1, bias=False)
    nn.init.constant_(convolution.weight, 1.0)
    backbone = nn.Sequential(convolution, nn.ReLU(), nn.AvgPool2d(coarse), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = one_way(CropNetwork(backbone, 1, 2, (0, 0, 0), (1, 1, 1)))
    for parameter in network.parameters():
        parameter.requires_grad_(False)  # as in a frozen network
    crop = np.zeros((1, 16, 16, 3), np.uint8)
    crop[:, 2:6, 10:14] = 255
    heat = crop_heat(Classifier(network, VOCABULARY, 16, 0.0), crop, "BRIGHT")
    assert heat is not None
    assert heat.shape == (16, 16)
    assert heat[2:6, 10:14].min() > 0.3
    assert heat[8:, :8].max() == 0


def test_a_network_without_convolutions_has_no_heat_and_one_of_crops_no_points() -> None:
    network = one_way(CropNetwork(nn.Sequential(nn.Flatten(), nn.Linear(48, 1)), 1, 2, (0, 0, 0), (1, 1, 1)))
    classifier = Classifier(network, VOCABULARY, 4, 0.0)
    crop = np.zeros((1, 4, 4, 3), np.uint8)
    assert crop_heat(classifier, crop, "BRIGHT") is None
    assert point_weights(classifier, crop, "BRIGHT") is None


def test_the_point_that_decides_weighs_most() -> None:
    classifier = Classifier(one_way(Network(TipOnly(), 1, 2)), VOCABULARY, 0, 0.0, "landmarks")
    points = np.random.default_rng(0).random((1, 21, 2)).astype(np.float32)
    points[0, 8] = (3, 3)
    weights = point_weights(classifier, points, "BRIGHT")
    assert weights is not None
    assert weights.argmax() == 8
    assert weights[8] == 1
