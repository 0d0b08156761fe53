"""Crops that are small at the beginning of training and grow: the first steps, which learn the coarse, cost little.

Progressive resizing, as in fast.ai's entry to DAWNBench (2018); EfficientNetV2 (Tan and Le, ICML 2021) made it part of
its recipe. Validation always sees whole crops.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

GROWN_AFTER = 0.6  # of training: the rest is at full size, which validation and use have
STEP = 16  # pixels; few sizes, since each has to be prepared by the processor's library
SMALLEST = 32  # pixels


@dataclass(frozen=True)
class Growth:
    """How crops grow.

    Args:
        first: share of the side that they have at first, above 0; 1: they do not grow.
    """

    first: float = 1.0

    def side(self, size: int, progress: float) -> int:
        """The side in pixels at some progress of training (0 to 1) of crops of `size` pixels.

        >>> [Growth(0.5).side(128, progress) for progress in (0, 0.2, 0.4, 0.6, 1)]
        [64, 80, 112, 128, 128]
        """
        share = self.first + (1 - self.first) * min(progress / GROWN_AFTER, 1)
        return min(size, max(SMALLEST, STEP * round(size * share / STEP)))

    def __call__(self, crops: Tensor, progress: float) -> Tensor:
        """Crops (n, 3, size, size) at that side; float32, if they are smaller."""
        side = self.side(crops.shape[-1], progress)
        if side == crops.shape[-1]:
            return crops
        return interpolate(crops.float(), size=(side, side), mode="bilinear", antialias=True)
