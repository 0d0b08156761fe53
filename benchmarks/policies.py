"""What the recorder is compared with: choices on arrays, with no idea of files, cameras or networks.

None of these ships. `free_rows` records as one does without guidance: each gesture alike, every n-th frame. `at_random`
draws from everything there is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def at_random(candidates: Integers, count: int, random: np.random.Generator) -> Integers:
    """`count` of the candidates, each as likely as the other."""
    return random.permutation(candidates)[:count]


def free_rows(candidates: Integers, gestures: Integers, count: int, random: np.random.Generator) -> Integers:
    """`count` candidates, each gesture alike as far as there are frames, every n-th frame of each.

    Args:
        candidates: rows, in the order of their frames.
        gestures: (n,) of the candidates.
    """
    kinds = random.permutation(np.unique(gestures))
    shares = dealt_alike(np.array([(gestures == kind).sum() for kind in kinds]), count)
    parts = [
        candidates[gestures == kind][_every_nth(int((gestures == kind).sum()), share)]
        for kind, share in zip(kinds, shares, strict=True)
    ]
    return np.concatenate(parts).astype(np.int64)


def dealt_alike(limits: Integers, count: int) -> Integers:
    """`count` dealt one by one in turn, none above its limit: int (n,)."""
    dealt = np.zeros(len(limits), np.int64)
    for _ in range(min(count, int(limits.sum()))):
        open_ = np.flatnonzero(dealt < limits)
        dealt[open_[np.argmin(dealt[open_])]] += 1
    return dealt


def _every_nth(frames: int, count: int) -> Integers:
    return np.floor(np.arange(count) * (frames / max(count, 1))).astype(np.int64)
