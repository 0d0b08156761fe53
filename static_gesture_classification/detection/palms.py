"""From the palm network's output to palms.

After MediaPipe's published graph (Apache-2.0), its anchors, thresholds and weighted suppression of duplicates:
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/cc/vision/hand_detector/hand_detector_graph.cc
with calculators/tflite/ssd_anchors_calculator.cc, calculators/tensor/tensors_to_detections_calculator.cc and
calculators/util/non_max_suppression_calculator.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from static_gesture_classification.detection.networks import PALM_SIDE

GRIDS = ((24, 2), (12, 6))  # cells per side, anchors per cell: strides 8, and three times 16 with two anchors each
SAME_BOX = 0.3  # intersection over union above which two boxes are of one palm
SURE = 100.0  # scores before the sigmoid are cut here
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
    scores = 1 / (1 + np.exp(-np.clip(scores.astype(np.float64), -SURE, SURE)))
    rows = np.flatnonzero(scores >= least)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    pairs = output[rows].astype(np.float64).reshape(-1, 9, 2) / PALM_SIDE  # middle, size, seven points
    middles, points = pairs[:, 0] + anchors()[rows], pairs[:, 2:] + anchors()[rows, None]
    boxes = np.stack([middles - pairs[:, 1] / 2, middles + pairs[:, 1] / 2], axis=1)
    return list(_without_duplicates(boxes, points, scores[rows]))


def _without_duplicates(boxes: np.ndarray, points: np.ndarray, scores: np.ndarray) -> list[Palm]:
    """Each group of overlapping boxes as one palm, their mean weighted by score; all are sorted by falling score."""
    palms, left = [], np.arange(len(scores))
    while len(left):
        same = _overlaps(boxes[left], boxes[left[0]]) > SAME_BOX
        same[0] = True  # also a box without an area
        group = left[same]
        box, middle_points = (np.average(each[group], axis=0, weights=scores[group]) for each in (boxes, points))
        palms.append(Palm(box, middle_points, float(scores[left[0]])))
        left = left[~same]
    return palms


def _overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 2, 2) with one box (2, 2)."""
    sides = np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = np.clip(boxes[:, 1] - boxes[:, 0], 0, None).prod(axis=1)
    area = np.clip(box[1] - box[0], 0, None).prod()
    return shared / np.maximum(areas + area - shared, 1e-12)
