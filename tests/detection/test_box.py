from collections.abc import Callable

import numpy as np
import pytest

from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.errors import UserError

FRAME = np.zeros((100, 200, 3), np.uint8)


def test_box_detector_is_chosen_in_the_configuration(configured: Callable[..., Detector]) -> None:
    (hand,) = configured("detector=box", "detector.box=[0.1,0.2,0.3,0.4]").detect(FRAME)
    assert hand.box == (0.1, 0.2, 0.3, 0.4)
    assert hand.landmarks is None


def test_box_may_be_given_in_pixels() -> None:
    assert BoxDetector([20, 10, 100, 60]).detect(FRAME)[0].box == (0.1, 0.1, 0.5, 0.6)


def test_box_may_be_given_in_shares() -> None:
    assert BoxDetector([0, 0, 1, 1]).detect(FRAME)[0].box == (0, 0, 1, 1)


def test_box_that_reaches_beyond_the_image_ends_at_its_edge() -> None:
    assert BoxDetector([100, 50, 400, 400]).detect(FRAME)[0].box == (0.5, 0.5, 1, 1)


def test_box_outside_the_image_is_an_error_that_names_both() -> None:
    with pytest.raises(UserError, match=r"\[300.0, 50.0, 400.0, 90.0\] is outside an image of 200 x 100"):
        BoxDetector([300, 50, 400, 90]).detect(FRAME)


@pytest.mark.parametrize("box", [[0.5, 0.2, 0.5, 0.4], [0.5, 0.2, 0.1, 0.4], [-5, 0, 10, 10], [0, 0, float("nan"), 1]])
def test_box_that_encloses_nothing_is_refused(box: list[float]) -> None:
    with pytest.raises(UserError, match="encloses nothing"):
        BoxDetector(box)


@pytest.mark.parametrize("box", [None, [1, 2, 3], "left", ["a", "b", "c", "d"]])
def test_what_is_not_a_box_is_refused_as_the_user_wrote_it(configured: Callable[..., Detector], box: object) -> None:
    with pytest.raises(UserError, match=r"detector.box is .*four numbers"):
        BoxDetector(box)  # type: ignore[arg-type]


def test_detector_that_is_none_is_refused(configured: Callable[..., Detector]) -> None:
    with pytest.raises(UserError, match="no hand detector"):
        configured("detector._target_=builtins.dict")


def test_unknown_parameter_of_a_detector_is_an_error_of_the_user_s(configured: Callable[..., Detector]) -> None:
    with pytest.raises(UserError, match="colour"):
        configured("detector=box", "+detector.colour=red")
