"""Gesture networks: a backbone that computes embeddings, and a linear head that computes logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from static_gesture_classification.training.models.small_maps import speed_up_small_maps


class Network(nn.Module):
    """Backbone and head, so that embeddings and logits come out of the same pass.

    Args:
        backbone: computes embeddings (n, width).
        width: length of an embedding.
        classes: number of gestures.
    """

    def __init__(self, backbone: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, classes)

    def embed(self, inputs: Any) -> Tensor:
        """Embeddings (n, width) of a batch, as the model's input kind makes it (see `inputs`)."""
        return self.backbone(inputs)

    def forward(self, inputs: Any) -> Tensor:
        """Logits (n, classes) of a batch."""
        return self.head(self.embed(inputs))


class CropNetwork(Network):
    """A network of RGB images (n, 3, size, size), uint8 or float, 0 to 255, which it normalises.

    Args:
        backbone, width, classes: see `Network`.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, width: int, classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__(backbone, width, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        speed_up_small_maps(self)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def embed(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, width) of images."""
        return self.backbone((inputs - self.mean) / self.std)
