"""A sample's hand as most of several looks see it.

One hand in fifty is found with fingers that are not where the picture shows them, and a single sample teaches nothing
then. Whoever adds a gesture shows few pictures, so there is time to look at each four times: at the whole picture and
around the hand, each as it is and mirrored. A look that errs errs by itself: the one that counts is nearest to the
others (the medoid).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.samples import Box

SAME_PLACE = 0.2  # least intersection over union of the boxes
APART = 0.5  # of the hand's extent: farther apart is not more wrong
_OTHER_SIDE = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class CloserLook:
    """What several looks at a hand say together.

    Args:
        hand: as the look sees it that is nearest to the others.
        apart: median distance of the others from it, as a share of the hand's extent (root mean square distance of its
            points from their centre), at most `APART`, which is also where no other look finds the hand.
    """

    hand: DetectedHand
    apart: float


def look_closer(image: np.ndarray, first: DetectedHand, detector: Detector) -> CloserLook:
    """Look at a hand again.

    Args:
        image: uint8 (height, width, 3), RGB.
        first: the hand as it was found, with landmarks.
    """
    found = [hand for hand in (first, *_look_again(image, first, detector)) if hand.landmarks is not None]
    apart = _distances(found, image.shape[1] / image.shape[0])
    nearest = int(apart.sum(axis=1).argmin())
    others = np.delete(apart[nearest], nearest)
    hand = found[nearest]
    if hand.world_landmarks is None:  # it was recorded without its depth, which the other looks have
        deep = [row for row in np.argsort(apart[nearest]).tolist() if found[row].world_landmarks is not None]
        hand = replace(hand, world_landmarks=found[deep[0]].world_landmarks) if deep else hand
    return CloserLook(hand, float(np.median(others)) if len(others) else APART)


def _look_again(image: np.ndarray, first: DetectedHand, detector: Detector) -> Iterator[DetectedHand]:
    """Around the hand, and at the picture as a whole where it was not found that way, both mirrored too."""
    mirrored, place = np.ascontiguousarray(image[:, ::-1]), _mirror_box(first.box)
    around = (detector.landmarks_in(image, first.box), detector.landmarks_in(mirrored, place))
    yield from _at(first.box, [around[0], *(detector.detect(image) if first.world_landmarks is None else [])])
    yield from map(_mirror, [*_at(place, [around[1]]), *_at(place, detector.detect(mirrored))])


def _at(box: Box, hands: Iterable[DetectedHand | None]) -> list[DetectedHand]:
    """Those hands that are where the box is."""
    return [hand for hand in hands if hand is not None and overlap(hand.box, box) >= SAME_PLACE]


def _mirror_box(box: Box) -> Box:
    x1, y1, x2, y2 = box
    return 1 - x2, y1, 1 - x1, y2


def _mirror(hand: DetectedHand) -> DetectedHand:
    """The hand as the picture has it whose mirror image it was found in."""
    landmarks, world = hand.landmarks, hand.world_landmarks
    return replace(
        hand,
        box=_mirror_box(hand.box),
        hand=_OTHER_SIDE.get(hand.hand, hand.hand),
        landmarks=None if landmarks is None else (landmarks * (-1, 1) + (1, 0)).astype(np.float32),
        world_landmarks=None if world is None else (world * (-1, 1, 1)).astype(np.float32),
    )


def _distances(hands: list[DetectedHand], aspect: float) -> np.ndarray:
    """How far hands are apart, each from each: mean distance of the points by the extent, at most `APART`; (n, n)."""
    points = np.stack([np.asarray(hand.landmarks) * (aspect, 1.0) for hand in hands])
    extents = np.sqrt(np.square(points - points.mean(axis=1, keepdims=True)).sum(axis=2).mean(axis=1))
    apart = np.linalg.norm(points[:, None] - points[None], axis=3).mean(axis=2) / max(float(np.median(extents)), 1e-9)
    return np.asarray(np.minimum(apart, APART))
