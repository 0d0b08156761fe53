"""A gesture network: normalisation, a backbone that makes features, and a linear head that makes logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GestureNetwork(nn.Module):
    """Backbone and head, so that embeddings and logits come out of the same pass.

    Args:
        backbone: takes normalised images (n, 3, size, size), gives features (n, features).
        features: length of a feature vector.
        classes: number of gestures.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, features: int, classes: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(features, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def embed(self, images: Tensor) -> Tensor:
        """Penultimate features (n, features) of RGB images (n, 3, size, size), uint8 or float, 0 to 255."""
        return self.backbone((images - self.mean) / self.std)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of RGB images (n, 3, size, size), uint8 or float, 0 to 255."""
        return self.head(self.embed(images))
