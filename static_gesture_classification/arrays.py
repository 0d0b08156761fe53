"""Names of the types of arrays and colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]  # of any precision
Halves = npt.NDArray[np.float16]
Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Colour = tuple[int, int, int]  # red, green, blue, 0..255
