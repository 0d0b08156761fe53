"""What the landmark network sees of a hand: numbers that do not depend on where it is, how large, or how many pixels.

MediaPipe's order of the 21 points: 0 wrist; four of each finger from the palm to the tip: thumb 1 to 4, index 5 to 8,
middle 9 to 12, ring 13 to 16, little finger 17 to 20.
"""

from __future__ import annotations

import torch
from torch import Tensor

VERSION = 1  # raise it when the same points give other features; older checkpoints are then refused
TIPS = (4, 8, 12, 16, 20)
WRIST = 0
_SMALLEST = 1e-6


def features(points: Tensor) -> Tensor:
    """Features (n, F) float32 of points (n, 21, 2) in any unit that is the same for x and y.

    Coordinates about the points' centre, in units of their root mean square distance from it, then the distances
    between fingertips and of each fingertip from the wrist, in the same unit.
    """
    points = points.float()
    centred = points - points.mean(dim=1, keepdim=True)
    scale = centred.square().sum(dim=2).mean(dim=1).sqrt().clamp_min(_SMALLEST)
    unit = centred / scale.view(-1, 1, 1)
    return torch.cat([unit.flatten(1), _distances(unit[:, [WRIST, *TIPS]])], dim=1)


def _distances(points: Tensor) -> Tensor:
    """Distances between all pairs of k points (n, k, 2): (n, k (k - 1) / 2)."""
    first, second = torch.triu_indices(points.shape[1], points.shape[1], offset=1, device=points.device).unbind()
    return (points[:, first] - points[:, second]).square().sum(dim=2).clamp_min(_SMALLEST**2).sqrt()
