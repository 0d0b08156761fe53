"""Posed hands of a gesture: landmarks by the hundred, and a picture of a fitted hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.synthetic.fitting import FittedHand, pose_variant
from static_gesture_classification.synthetic.poses import PoseBook, read_poses
from static_gesture_classification.synthetic.scenes import draw_hand, photograph
from static_gesture_classification.synthetic.seen_points import as_seen
from static_gesture_classification.synthetic.subjects import draw_subject

PHOTO_SIZE = 192  # pixels of a picture
STUDIO = 0.0  # variety of the picture's room and light


def pose_hands(
    poses: Mapping[str, Any], gesture: str, count: int, seed: int, vocabulary: Sequence[str] = ()
) -> np.ndarray:
    """Landmarks of posed hands, each of another subject, left and right ones: float32 (count, 21, 2), y downwards.

    They are drawn, and placed where the hand finder would, as by the source `synthetic_landmarks`.

    Args:
        poses: the node `poses` (see `synthetic.poses`), with variants of the gesture.
        vocabulary: other gestures, which end variants of this one (`until`).

    Raises:
        UserError: the gesture has no poses, or impossible ones.
    """
    book = read_poses(poses, [gesture], [gesture, *vocabulary])
    return as_seen(np.stack([_pose(book, gesture, [seed, number]) for number in range(count)])).astype(np.float32)


def pose_variants(
    variants: Sequence[Mapping[str, Any]], gesture: str, poses: Mapping[str, Any], count: int, seed: int
) -> np.ndarray:
    """Landmarks (count, 21, 2) float32 of posed hands of these variants."""
    own = {**(poses.get("gestures") or {}), gesture: list(variants)}
    return pose_hands({**poses, "gestures": own}, gesture, count, seed)


def _pose(book: PoseBook, gesture: str, seed: Sequence[int]) -> Doubles:
    rng = np.random.default_rng(seed)
    subject = draw_subject(0, "", rng)
    return draw_hand(gesture, subject, partial(book.draw, gesture), PHOTO_SIZE, rng).landmarks


def photograph_fitted(fit: FittedHand, poses: Mapping[str, Any], seed: int) -> np.ndarray:
    """A photograph of a fitted hand as the sample's camera sees it: uint8 (SIZE, SIZE, 3), RGB."""
    exact = {**poses, "gestures": {"fitted": [pose_variant(fit, 0.0, (0.0, 0.0, 0.0))]}}
    rng = np.random.default_rng(seed)
    subject = draw_subject(0, "", rng)
    draw = partial(read_poses(exact, ["fitted"]).draw, "fitted")
    hand = draw_hand("fitted", subject, draw, PHOTO_SIZE, rng, STUDIO)
    picture = photograph(hand, rng, STUDIO)
    return picture if (hand.handedness == "left") == fit.is_left else picture[:, ::-1]
