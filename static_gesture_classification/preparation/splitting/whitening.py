"""Descriptors to search candidates by: histograms of gradients as 64 whitened principal components.

That removes the structure that all hands share.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from static_gesture_classification.arrays import Singles
from static_gesture_classification.preparation.splitting.descriptors import unit_rows
from static_gesture_classification.row_arrays import Rows, array_on_disk, give_back

COMPONENTS = 64
FIT_ROWS = 20_000  # that the principal components are fitted to
GRADIENTS_AT_ONCE = 8192


def whiten(gradients: Rows, seed: int, scratch: Path | None = None) -> Singles:
    """Gradients (n, 128) as principal components at unit variance: float32 (n, components), of unit length.

    Args:
        gradients: see `CropFacts`.
        seed: draws the rows that the components are fitted to, `FIT_ROWS` at most.
        scratch: a folder where they lie in a file that goes with the array; None: in memory.

    Raises:
        OutputError: the disk is full.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(gradients))[:FIT_ROWS])
    mean, axes = _fit_whitening(gradients[rows])

    def blocks() -> Iterator[Singles]:
        for start in range(0, len(gradients), GRADIENTS_AT_ONCE):
            yield unit_rows((gradients[start : start + GRADIENTS_AT_ONCE] - mean) @ axes)
            give_back(gradients)

    return np.concatenate(list(blocks())) if scratch is None else array_on_disk(blocks(), scratch)


def _fit_whitening(gradients: Singles) -> tuple[Singles, Singles]:
    """The mean (d,), and the projection to principal components at unit variance (d, components)."""
    mean: Singles = gradients.mean(axis=0)
    covariance = np.cov(gradients - mean, rowvar=False).astype(np.float64)
    variance, axes = np.linalg.eigh(np.nan_to_num(covariance))
    leading = np.argsort(-variance, kind="stable")[:COMPONENTS]
    scale = 1 / np.sqrt(variance[leading] + 1e-3 * max(float(variance.max()), 1e-12))
    return mean, (axes[:, leading] * scale).astype(np.float32)
