"""Random changes of training landmarks: a whole batch at once, every hand with its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from static_gesture_classification.errors import UserError


class LandmarkAugmentation(nn.Module):
    """Rotation, shear, mirroring and noise.

    Args:
        probability: of a hand being turned and sheared.
        rotation, shear: up to this many degrees, either way.
        horizontal_flip: probability of mirroring, which turns left hands into right ones.
        noise: standard deviation of each coordinate's error, as a share of the hand's extent.
    """

    def __init__(
        self, probability: float, rotation: float, shear: float, horizontal_flip: float, noise: float = 0.0
    ) -> None:
        super().__init__()
        self.probability, self.rotation, self.shear = probability, rotation, shear
        self.horizontal_flip, self.noise = horizontal_flip, noise

    @classmethod
    def from_config(cls, augs: Mapping[str, Any]) -> LandmarkAugmentation:
        """From the `augs` node; what it says about colours, shift and size does not concern landmarks.

        Raises:
            UserError: the node lacks a key that is needed.
        """
        needed = ("probability", "rotation", "shear", "horizontal_flip")
        missing = [key for key in needed if key not in augs]
        if missing:
            raise UserError(f"augs lacks {', '.join(missing)}; choose augs=landmarks, default, strong or none")
        return cls(**{key: float(augs[key]) for key in needed}, noise=float(augs.get("noise", 0.0)))

    @torch.no_grad()
    def forward(self, points: Tensor, generator: Generator) -> Tensor:
        """Changed points (n, 21, 2) float32.

        Args:
            points: float32 (n, 21, 2) in a unit that is the same for x and y, on any device.
            generator: of the CPU; parameters are drawn there, so they are the same on every device.
        """
        centre = points.mean(dim=1, keepdim=True)
        changed = (points - centre) @ self._maps(len(points), generator).to(points.device)
        if self.noise:
            extent = (points - centre).square().sum(dim=2).mean(dim=1).sqrt().view(-1, 1, 1)
            changed = changed + self.noise * extent * torch.randn(points.shape, generator=generator).to(points.device)
        return centre + changed

    def _maps(self, count: int, generator: Generator) -> Tensor:
        """Draw linear maps (n, 2, 2), applied to points from the right."""
        chosen = (torch.rand(count, generator=generator) < self.probability).float()
        angle = chosen * torch.deg2rad(_either_way(self.rotation, count, generator))
        shear = chosen * torch.deg2rad(_either_way(self.shear, count, generator)).tan()
        mirrored = 1 - 2 * (torch.rand(count, generator=generator) < self.horizontal_flip).float()
        turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
        lean = torch.eye(2).repeat(count, 1, 1)
        lean[:, 0, 0] = mirrored
        lean[:, 1, 0] = shear
        return lean @ turn


def _either_way(extent: float, count: int, generator: Generator) -> Tensor:
    return extent * (2 * torch.rand(count, generator=generator) - 1)
