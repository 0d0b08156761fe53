"""How far each point of a hand is before or behind the others, estimated from its place in the picture.

A linear regression on the points in the palm's frame and the lengths of the bones, fitted to the world landmarks of the
hand finder by benchmarks/finder_errors.py, which writes lifted_hands.json. It explains about nine tenths of their
variance, and needs nothing but 2D points, so published landmarks and posed hands can be turned in depth as well. Depth
is that of a palm that faces the camera; of the back of a hand it is mirrored, which makes no difference to turns that
go either way.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from static_gesture_classification.file_data import read_json
from static_gesture_classification.training.finder_errors import palm_frame
from static_gesture_classification.training.models.landmark_features import BONE_ENDS, BONE_STARTS

DEPTHS_FILE = Path(__file__).with_suffix(".json")
_RIDGE = 1.0


def depths(hands: Tensor) -> Tensor:
    """Depths (n, 21) of the points of hands (n, 21, 2) of extent 1 about their centre, in the same unit."""
    return terms(hands) @ _weights().to(hands)


def fit_depths(hands: Tensor, measured: Tensor) -> Tensor:
    """Weights (63, 21) from hands (n, 21, 2) to their measured depths (n, 21), both of extent 1."""
    known = terms(hands).double()
    ridge = _RIDGE * torch.eye(known.shape[1], dtype=torch.float64)
    return torch.linalg.solve(known.T @ known + ridge, known.T @ measured.double())


def terms(hands: Tensor) -> Tensor:
    """What depths are computed from: coordinates in the palm's frame, lengths of bones, and 1."""
    own = hands @ palm_frame(hands).transpose(1, 2)
    lengths = (own[:, BONE_ENDS] - own[:, BONE_STARTS]).norm(dim=2)
    return torch.cat([own.flatten(1), lengths, torch.ones_like(lengths[:, :1])], dim=1)


@cache
def _weights() -> Tensor:
    content = read_json(DEPTHS_FILE, list[list[float]], "run benchmarks/finder_errors.py")
    return torch.from_numpy(np.array(content, np.float32))
