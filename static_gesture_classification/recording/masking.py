"""No faces and rooms in recorded pictures: all but the hand is blurred beyond recognition, before it is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from static_gesture_classification.preparation.hand_pictures import HandPicture

# As shares of the hand's longer side. Landmarks lie inside the hand; half a finger's width is about 0.05.
MASK_MARGIN = 0.16  # what stays around the palm and the bones of the fingers
FEATHER = 0.05  # over which the picture passes into the blur
PATCH = 0.25  # side of the patches of which only the mean is left; a face as large as the hand has four by four
_PALM = (0, 1, 5, 9, 13, 17)  # landmarks around it
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))


def mask_surroundings(picture: HandPicture) -> HandPicture:
    """The same picture with all but the hand blurred.

    The palm, the fingers along their landmarks (without landmarks: the box), and `MASK_MARGIN` around them stay.
    So of a face behind the hand only what lies that near to a finger stays. Elsewhere only means of patches are left.
    """
    from static_gesture_classification.opencv import cv2

    height, width = picture.pixels.shape[:2]
    size = max(float(np.ptp(_points(picture) * (width, height), axis=0).max()), 1.0)
    distance = cv2.distanceTransform(_outside(picture), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    stays = np.clip((MASK_MARGIN * size - distance) / (FEATHER * size), 0, 1)[..., None]
    patches = tuple(max(1, round(side / (PATCH * size))) for side in (width, height))
    means = cv2.resize(picture.pixels, patches, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = (picture.pixels * stays + blurred * (1 - stays)).round().astype(np.uint8)
    return replace(picture, pixels=pixels)


def _points(picture: HandPicture) -> np.ndarray:
    """What spans the hand, float (n, 2), normalised: its landmarks, or the corners of its box."""
    if picture.landmarks is not None:
        return np.array(picture.landmarks, np.float64)
    x1, y1, x2, y2 = picture.box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64)


def _outside(picture: HandPicture) -> np.ndarray:
    """uint8 (height, width): 0 on the palm and along the fingers, or in the box; 1 elsewhere."""
    from static_gesture_classification.opencv import cv2

    height, width = picture.pixels.shape[:2]
    outside = np.ones((height, width), np.uint8)
    points = (_points(picture) * (width, height)).round().astype(np.int32)
    palm = points[list(_PALM)] if picture.landmarks is not None else points
    cv2.fillConvexPoly(outside, cv2.convexHull(palm), 0)
    if picture.landmarks is not None:
        cv2.polylines(outside, [points[list(finger)] for finger in _FINGERS], False, 0)
    return outside
