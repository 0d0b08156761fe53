"""The landmark network: features of 21 points, a small multilayer perceptron, and a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from static_gesture_classification.errors import UserError
from static_gesture_classification.samples import LANDMARK_COUNT
from static_gesture_classification.training.models import landmark_features
from static_gesture_classification.training.models.network import Network

Width = Annotated[int, Field(ge=1, le=8192)]
Share = Annotated[float, Field(ge=0, lt=1)]


def backbone(
    name: str, pretrained: bool, hidden: Sequence[Width], dropout: Share, features_version: int
) -> tuple[nn.Module, int]:
    """Build the network from features to embeddings; returns it and its embeddings' length.

    Its first layer standardises the features.

    Args:
        hidden: width of each layer, 1 to 8192.
        dropout: of each layer's outputs, from 0 to less than 1.
        features_version: of the features that it is trained on.

    Raises:
        UserError: ImageNet weights are asked for, or the features have changed since the network was configured.
    """
    check_features(name, pretrained, hidden, features_version)
    width = landmark_features.features(torch.zeros(1, LANDMARK_COUNT, 2)).shape[1]
    layers: list[nn.Module] = [nn.BatchNorm1d(width, affine=False)]
    for size in hidden:
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers), width


def check_features(name: str, pretrained: bool, hidden: Sequence[int], features_version: int) -> None:
    """Raise `UserError` where a network of landmarks cannot be built as configured."""
    if pretrained:
        raise UserError(f"model.weights=imagenet does not fit {name}, which sees no pictures; use model.weights=none")
    if features_version != landmark_features.FEATURES_VERSION:
        raise UserError(
            f"{name} was made for landmark features of version {features_version}, this program computes version "
            f"{landmark_features.FEATURES_VERSION}; train again"
        )
    if not hidden:
        raise UserError("model.backbone.hidden is empty; give the width of one layer at least")


class LandmarkNetwork(Network):
    """A network of points (n, 21, 2) float32 in a unit that is the same for x and y."""

    def embed(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, width) of points."""
        return self.backbone(landmark_features.features(inputs))
