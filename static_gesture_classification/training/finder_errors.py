"""How the hand finder errs: where it places a hand's points when it sees the same hand in another picture.

Measured by benchmarks/finder_errors.py, which writes finder_errors.json: photographs are turned, shifted, scaled,
mirrored, brightened and compressed, and hands are found in them anew. Errors are no white noise. Points of one finger
err together, fingertips and wrist err most, and a few hands err ten times as far as most. So an error is

    size of the hand's errors (log-normal)  x  shape (normal, with the measured covariance of all 42 coordinates)

in the frame of the palm, as a share of the hand's extent (root mean square distance of its points from their centre).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from static_gesture_classification.file_data import read_json
from static_gesture_classification.samples import INDEX_BASE, LANDMARK_COUNT, LITTLE_BASE, MIDDLE_BASE, WRIST

FINDER_ERRORS_FILE = Path(__file__).with_suffix(".json")
FAILED = 0.5  # root mean square error from which the hand was not found at all: no error, another hand or none
_PARTS = 16  # principal components of the covariance that are kept
_DIGITS = 3


@dataclass(frozen=True, eq=False)
class FinderErrors:
    """A distribution of errors.

    Args:
        median: of hands' root mean square errors, as a share of the hand's extent.
        spread: standard deviation of the logarithm of hands' root mean square errors.
        shape: float32 (42, k): normal numbers (k,) times it are errors with a root mean square of 1 on average.
    """

    median: float
    spread: float
    shape: Tensor

    @classmethod
    def of(cls, errors: np.ndarray) -> FinderErrors:
        """Fitted to errors (n, 21, 2) in the frame of the palm, as shares of extents; without those that `FAILED`."""
        sizes = np.sqrt(np.square(errors).mean(axis=(1, 2)))
        found = (sizes > 0) & (sizes < FAILED)
        sizes, shapes = sizes[found], (errors[found] / sizes[found, None, None]).reshape(-1, 2 * LANDMARK_COUNT)
        values, vectors = np.linalg.eigh(shapes.T @ shapes / len(shapes))
        shape = (vectors * np.sqrt(values.clip(0)))[:, ::-1][:, :_PARTS]
        shape = shape * math.sqrt(2 * LANDMARK_COUNT / np.square(shape).sum())  # also contiguous, as torch wants it
        median = float(np.median(sizes))
        return cls(median, float(np.log(sizes / median).std()), torch.tensor(shape, dtype=torch.float32))

    @classmethod
    def read(cls) -> FinderErrors:
        """The measured ones."""
        content = read_json(FINDER_ERRORS_FILE, dict[str, float | list[list[float]]], "run benchmarks/finder_errors.py")
        shape = torch.tensor(content["shape"], dtype=torch.float32)
        return cls(float(content["median"]), float(content["spread"]), shape)  # type: ignore[arg-type]

    def content(self) -> dict[str, float | list[list[float]]]:
        """What `read` reads."""
        rounded = [[round(value, _DIGITS) for value in row] for row in self.shape.tolist()]
        return {"median": round(self.median, 4), "spread": round(self.spread, 3), "shape": rounded}

    def draw(self, hands: Tensor, generator: Generator) -> Tensor:
        """Errors (n, 21, 2) of hands (n, 21, 2) that are scaled to extent 1; none is larger than a found hand's.

        Args:
            hands: on any device.
            generator: of the CPU.
        """
        count = len(hands)
        sizes = self.median * torch.exp(self.spread * torch.randn((count, 1, 1), generator=generator))
        shapes = torch.randn((count, self.shape.shape[1]), generator=generator) @ self.shape.T
        errors = (sizes.clamp_max(FAILED) * shapes.view(count, LANDMARK_COUNT, 2)).to(hands.device)
        return errors @ palm_frame(hands)


@cache
def measured() -> FinderErrors:
    """`FinderErrors.read`, once."""
    return FinderErrors.read()


def palm_frame(hands: Tensor) -> Tensor:
    """The palm's own directions, of length 1: across to the index finger's side, and along to the middle knuckle.

    Args:
        hands: (n, 21, 2).

    Returns:
        (n, 2, 2), the two directions in rows: vectors in the palm's frame times it are vectors in the picture.
    """
    along = hands[:, MIDDLE_BASE] - hands[:, WRIST]
    along = along / along.norm(dim=1, keepdim=True).clamp_min(1e-6)
    across = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    index = ((hands[:, INDEX_BASE] - hands[:, LITTLE_BASE]) * across).sum(dim=1, keepdim=True)
    return torch.stack([torch.where(index < 0, -across, across), along], dim=1)
