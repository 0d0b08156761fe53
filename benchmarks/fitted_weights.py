"""How a benchmark writes the weights that it has fitted into a JSON of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_weights(weights: np.ndarray, path: Path, digits: int) -> None:
    """Write a matrix, a line of text; its numbers have so many digits after the point."""
    rows = ", ".join(str([round(value, digits) for value in row]) for row in weights.tolist())
    path.write_text(f"[{rows}]\n", encoding="utf-8")
