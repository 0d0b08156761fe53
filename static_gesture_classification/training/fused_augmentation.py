"""Random changes of crops and landmarks for the fused model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from static_gesture_classification.training.augmentation import Augmentation
from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation


class FusedAugmentation(nn.Module):
    """Changes landmarks, and crops likewise or, where their variants are precomputed, takes one of these.

    Args:
        crops, landmarks: the changes of each.
    """

    def __init__(self, crops: Augmentation, landmarks: LandmarkAugmentation) -> None:
        super().__init__()
        self.crops, self.landmarks = crops, landmarks

    @classmethod
    def from_config(cls, augs: Mapping[str, Any]) -> FusedAugmentation:
        """From the `augs` node. Raises `UserError` where it lacks a key."""
        own = {key: augs[key] for key in Augmentation.__init__.__annotations__ if key in augs}
        return cls(Augmentation(**own), LandmarkAugmentation.from_config(augs))

    @torch.no_grad()
    def forward(self, inputs: tuple[Tensor, Tensor], generator: Generator) -> tuple[Tensor, Tensor]:
        """Changed inputs: see `FusedNetwork`.

        Args:
            inputs: crops (n, 3, side, side) uint8 or their embeddings (n, variants, 1152), and points (n, 21, 2).
            generator: of the CPU.
        """
        crops, points = inputs
        if crops.ndim == 3:
            chosen = torch.randint(crops.shape[1], (len(crops),), generator=generator).to(crops.device)
            crops = crops[torch.arange(len(crops), device=crops.device), chosen]
        else:
            crops = self.crops(crops, generator)
        return crops, self.landmarks(points, generator)
