"""From the palm network's output to palms.

After MediaPipe's published graph (Apache-2.0), its anchors, thresholds and weighted suppression of duplicates:
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/cc/vision/hand_detector/hand_detector_graph.cc
with calculators/tflite/ssd_anchors_calculator.cc, calculators/tensor/tensors_to_detections_calculator.cc and
calculators/util/non_max_suppression_calculator.cc.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from static_gesture_classification.detection.networks import PALM_SIDE
from static_gesture_classification.detection.regions import overlap

GRIDS = ((24, 2), (12, 6))  # cells per side, anchors per cell: strides 8, and three times 16 with two anchors each
SAME_BOX = 0.3  # intersection over union above which two boxes are of one palm
SURE = 100.0  # scores before the sigmoid are cut here
LESS_THAN_ONE = 30.0  # scores before the sigmoid that are lower are less than 1 after it
PLACED = [0, *range(2, 9)]  # of what the network says of an anchor: places, but not the box's size
PALM_WRIST, PALM_MIDDLE = 0, 2  # of a palm's seven points


@dataclass(frozen=True, eq=False)
class Palm:
    """A palm in the picture that the network saw.

    Args:
        box: float64 (2, 2), the corners x1, y1 and x2, y2, 0..1 of the picture's side.
        points: float64 (7, 2), likewise; the wrist's middle is the first, the middle finger's base the third.
        score: 0..1.
    """

    box: np.ndarray
    points: np.ndarray
    score: float


@cache
def anchors() -> np.ndarray:
    """Middles of the network's anchors, 0..1 of the picture's side: float64 (2016, 2), x and y."""
    layers = []
    for cells, count in GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middles, middles, indexing="ij")
        layers.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), count, axis=0))
    return np.concatenate(layers)


def palms_of(output: np.ndarray, scores: np.ndarray, least: float) -> list[Palm]:
    """The palms in the network's output, the surest first.

    Args:
        output: float32 (2016, 18), scores: float32 (2016,); see `Networks.palms`.
        least: least score, 0..1.
    """
    rows = (scores >= _before_sigmoid(least)).nonzero()[0]
    sure = [1 / (1 + math.exp(-min(max(score, -SURE), SURE))) for score in scores[rows].tolist()]
    order = sorted((row for row, score in enumerate(sure) if score >= least), key=lambda row: -sure[row])
    if not order:
        return []
    places = output[rows].reshape(-1, 9, 2) / np.float64(PALM_SIDE)  # middle, size, seven points
    places[:, PLACED] += anchors()[rows, None]
    return list(_without_duplicates(places, sure, order))


def _before_sigmoid(score: float) -> float:
    """A little less than what gives a score, so that few anchors are left to look at closely."""
    if score <= 0:
        return -math.inf
    return math.log(score / (1 - score)) - 1e-3 if score < 1 else LESS_THAN_ONE


def _without_duplicates(places: np.ndarray, scores: Sequence[float], order: Sequence[int]) -> Iterator[Palm]:
    """Each group of overlapping boxes as one palm, their mean weighted by score.

    Args:
        places: float64 (n, 9, 2), a box's middle and size and the seven points.
        scores: n.
        order: the rows of both, the surest first.
    """
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in places[:, :2].tolist()]
    left = list(order)
    while left:
        first = left[0]
        same = [row for row in left if row == first or overlap(boxes[row], boxes[first]) > SAME_BOX]
        weights = np.array([scores[row] for row in same])
        mean = ((weights / weights.sum()) @ places[same].reshape(len(same), -1)).reshape(-1, 2)
        half = mean[1] / 2
        yield Palm(np.array((mean[0] - half, mean[0] + half)), mean[2:], scores[first])
        left = [row for row in left if row not in same]
