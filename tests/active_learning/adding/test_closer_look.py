"""A sample's hand as most of several looks see it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.active_learning.adding.closer_look import APART, look_closer
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.images import read_image
from tests.support.composing import composed


@pytest.fixture(scope="module")
def detector(hand_landmarker: Path) -> Iterator[Detector]:
    with Detector.from_config(composed(f"detector.model.path={hand_landmarker}")) as built:
        yield built


@pytest.fixture(scope="module")
def image(photographs: Path) -> np.ndarray:
    return np.ascontiguousarray(read_image(photographs / "hagrid_people/rock/rock_00008.jpg"))


def found(detector: Detector, image: np.ndarray) -> DetectedHand:
    return max(detector.detect(image), key=lambda hand: hand.area)


def test_looks_agree_on_a_hand_that_is_plain_to_see(detector: Detector, image: np.ndarray) -> None:
    first = found(detector, image)
    look = look_closer(image, first, detector)
    assert look.apart < 0.1
    assert look.hand.hand == first.hand
    assert np.abs(look.hand.landmarks - first.landmarks).max() < 0.05


def test_a_look_that_sees_other_fingers_is_outvoted(detector: Detector, image: np.ndarray) -> None:
    right = found(detector, image)
    wrong = right.landmarks.copy()
    wrong[5:9] = wrong[5]  # the index finger is straight in the picture
    look = look_closer(image, replace(right, landmarks=wrong), detector)
    assert np.abs(look.hand.landmarks - right.landmarks).max() < 0.05


def test_a_recorded_hand_gets_its_depth(detector: Detector, image: np.ndarray) -> None:
    first = found(detector, image)
    hand = look_closer(image, replace(first, world_landmarks=None), detector).hand
    off = hand.world_landmarks - first.world_landmarks
    assert np.abs(off - off.mean(axis=0)).max() < 0.03  # metres; a mirrored hand would be off by its width


def test_nobody_else_sees_a_hand_in_an_empty_picture(detector: Detector, image: np.ndarray) -> None:
    look = look_closer(np.zeros_like(image), found(detector, image), detector)
    assert look.apart == APART
