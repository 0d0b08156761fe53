import numpy as np

from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.recording.judging.novelty import appearance, difference, least_difference

RANDOM = np.random.default_rng(0)
IMAGE = np.kron(RANDOM.integers(0, 255, (24, 32, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
MARKS = RANDOM.uniform(0.3, 0.7, (21, 2)).astype(np.float32)
HAND = DetectedHand((0.25, 0.25, 0.75, 0.75), 1.0, "", MARKS)


def test_noise_of_the_camera_and_of_the_landmarks_makes_no_new_picture() -> None:
    noisy = (IMAGE + RANDOM.normal(0, 4, IMAGE.shape)).clip(0, 255).astype(np.uint8)
    trembling = DetectedHand(HAND.box, 1.0, "", MARKS + RANDOM.normal(0, 0.001, MARKS.shape).astype(np.float32))
    assert difference(appearance(IMAGE, HAND), appearance(noisy, trembling)) < 1


def test_another_pose_is_a_new_picture_though_the_pixels_are_the_same() -> None:
    bent = MARKS.copy()
    bent[5:9] += 0.15
    assert difference(appearance(IMAGE, HAND), appearance(IMAGE, DetectedHand(HAND.box, 1.0, "", bent))) > 1


def test_another_background_is_a_new_picture_though_the_pose_is_the_same() -> None:
    assert difference(appearance(IMAGE, HAND), appearance(IMAGE[::-1, ::-1], HAND)) > 1


def test_brighter_picture_of_the_same_moment_is_not_new() -> None:
    brighter = (IMAGE * 0.7 + 40).astype(np.uint8)
    assert difference(appearance(IMAGE, HAND), appearance(brighter, HAND)) < 0.1


def test_first_picture_is_new_and_without_landmarks_pixels_decide() -> None:
    boxed = DetectedHand(HAND.box, 1.0)
    assert least_difference(appearance(IMAGE, boxed), []) == float("inf")
    assert least_difference(appearance(IMAGE, boxed), [appearance(IMAGE, HAND)]) < 1e-3
