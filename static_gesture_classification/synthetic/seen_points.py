"""Where the hand finder places the points of a posed hand.

The landmarks of a posed hand are the joints of its skeleton. The hand finder places points a little otherwise: a
fingertip nearer to its joint, the wrist farther up, fingers that touch apart. Where it does so was measured on rendered
hands, of which both are known, by benchmarks/posed_hands.py, which writes seen_points.json: a linear regression, in the
palm's frame, of how far each point is moved. So posed hands teach what a model will be shown
(benchmarks/results/strangers.md).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.file_data import read_json
from static_gesture_classification.hand_points import INDEX_BASE, LANDMARK_COUNT, LITTLE_BASE, MIDDLE_BASE, WRIST

SEEN_POINTS_FILE = Path(__file__).with_suffix(".json")
_ENDS = np.arange(1, LANDMARK_COUNT)  # of the 20 bones
_STARTS = np.where(_ENDS % 4 == 1, WRIST, _ENDS - 1)
_RIDGE = 3.0
_SMALLEST = 1e-9


def as_seen(hands: Doubles) -> Doubles:
    """The points that the hand finder gives for posed hands (n, 21, 2), in the same unit, equal for x and y."""
    return move_points(hands, _weights())


def fit_moves(posed: Doubles, found: Doubles) -> Doubles:
    """Weights (63, 42) from posed hands (n, 21, 2) to how far the finder's points (n, 21, 2) are moved."""
    shapes, centres, extents = _normalise(posed)
    moves = ((found - centres) / extents - shapes) @ _palm_frames(shapes).transpose(0, 2, 1)
    known = _terms(shapes)
    ridge = _RIDGE * np.diag([1.0] * (known.shape[1] - 1) + [0.0])  # the mean move is not drawn towards 0
    return np.asarray(np.linalg.solve(known.T @ known + ridge, known.T @ moves.reshape(len(moves), -1)), np.float64)


def move_points(hands: Doubles, weights: Doubles) -> Doubles:
    """Hands (n, 21, 2) with their points moved by weights of `fit_moves`."""
    shapes, centres, extents = _normalise(hands)
    moves = (_terms(shapes) @ weights).reshape(shapes.shape) @ _palm_frames(shapes)
    moved: Doubles = centres + extents * (shapes + moves)
    return moved


def _normalise(hands: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Hands about their centre and of extent 1 (root mean square distance of the points); centres and extents."""
    centres = hands.mean(axis=1, keepdims=True)
    extents = np.sqrt(np.square(hands - centres).sum(axis=2).mean(axis=1))[:, None, None]
    return (hands - centres) / np.maximum(extents, _SMALLEST), centres, extents


def _palm_frames(shapes: Doubles) -> Doubles:
    """The palm's own directions (n, 2, 2) in rows: across to the index finger's side, along to the middle knuckle."""
    along = shapes[:, MIDDLE_BASE] - shapes[:, WRIST]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), _SMALLEST)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    index = ((shapes[:, INDEX_BASE] - shapes[:, LITTLE_BASE]) * across).sum(axis=1, keepdims=True)
    return np.stack([np.where(index < 0, -across, across), along], axis=1)


def _terms(shapes: Doubles) -> Doubles:
    """What moves are computed from (n, 63): coordinates in the palm's frame, lengths of bones, and 1."""
    own = shapes @ _palm_frames(shapes).transpose(0, 2, 1)
    lengths = np.linalg.norm(own[:, _ENDS] - own[:, _STARTS], axis=2)
    return np.concatenate([own.reshape(len(own), -1), lengths, np.ones((len(own), 1))], axis=1)


@cache
def _weights() -> Doubles:
    return np.array(read_json(SEEN_POINTS_FILE, list[list[float]], "run benchmarks/posed_hands.py"), np.float64)
