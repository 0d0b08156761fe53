"""How many pictures a second come or are processed."""

from __future__ import annotations

import time
from collections import deque

OVER = 30  # number of pictures that it is measured over


class Rate:
    """Measures a rate over the latest pictures."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=OVER)

    def count(self) -> None:
        """Count a picture, now."""
        self._times.append(time.monotonic())

    @property
    def value(self) -> float:
        """Pictures a second; 0 before the second one."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
