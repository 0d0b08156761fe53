"""Whether a hand in a picture is fit to be a sample: whole, large enough and sharp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from static_gesture_classification.recording.judging.settings import SelectionSettings

HAND_SIZE = 96  # pixels; a larger hand is reduced to this before its sharpness is measured
NOISE = 25.0  # grey levels squared, of a camera's noise: a blank wall is not sharp because of it


def quality_problem(image: np.ndarray, box: Sequence[float], settings: SelectionSettings) -> str | None:
    """Why the hand in `box` is not fit, in words for the user; None if it is fit.

    Args:
        image: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2, normalised.
        settings: the thresholds.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    cut_edges = [name for name, near in zip(("left", "top"), (x1, y1), strict=True) if near <= settings.edge]
    cut_edges += [name for name, near in zip(("right", "bottom"), (x2, y2), strict=True) if near >= 1 - settings.edge]
    if cut_edges:
        return "the hand is cut off: bring all of it into the picture"
    if max((x2 - x1) * width, (y2 - y1) * height) < settings.min_hand:
        return "the hand is too small: come closer"
    if sharpness(image, box) < settings.min_sharpness:
        return "the hand is blurred: hold still, or get more light"
    return None


def sharpness(image: np.ndarray, box: Sequence[float]) -> float:
    """Variance of the Laplacian of the hand in `box`, relative to the variance of its grey levels.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (ICPR 2000). It is relative and at a fixed
    size, so that neither contrast nor distance counts as sharpness. The least sharp of 401 hands in webcam frames has
    0.04; blurred by a Gaussian of 2 pixels at that size, 95 % have less than 0.015.
    """
    from static_gesture_classification.opencv import cv2

    height, width = image.shape[:2]
    x1, y1, x2, y2 = (round(value * size) for value, size in zip(box, (width, height, width, height), strict=True))
    hand = np.ascontiguousarray(image[max(y1, 0) : y2, max(x1, 0) : x2])
    if min(hand.shape[:2]) < 3:
        return 0.0
    scale = HAND_SIZE / max(hand.shape[:2])
    if scale < 1:
        hand = cv2.resize(hand, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(hand, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / (grey.var() + NOISE))
