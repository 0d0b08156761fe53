"""How much the judging model can learn from a frame of a performed gesture; hard mode ranks frames by it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles, Floats


def margin_of_performed(probabilities: Floats, gestures: npt.ArrayLike) -> Doubles:
    """Probability of the performed gesture minus the highest other: (n,) in -1..1.

    Negative where the model is wrong, near 0 where it is unsure, near 1 where it has nothing to learn.

    Args:
        gestures: class index of the gesture performed in each row (n,), or one for all rows.
    """
    p = np.array(probabilities, np.float64)
    rows = np.arange(len(p))
    performed = np.broadcast_to(np.asarray(gestures, np.int64), len(p))
    own = p[rows, performed]
    p[rows, performed] = -np.inf
    return own - p.max(axis=1)


def hardness(probabilities: Floats, gestures: npt.ArrayLike) -> Doubles:
    """How much the model still has to learn from a frame of a performed gesture: (n,) in 0..1.

    0 for sure and right, 0.5 for undecided, 1 for sure of another gesture: (1 - `margin_of_performed`) / 2.
    """
    return (1 - margin_of_performed(probabilities, gestures)) / 2
