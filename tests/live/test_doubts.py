"""What counts as a contradiction within a held pose."""

from dataclasses import replace

import numpy as np

from static_gesture_classification.live.doubts import DISAGREES, FLICKERS, UNSURE, Moment, find_doubt
from static_gesture_classification.recording.judging.novelty import Appearance
from tests.live.conftest import hand

MARGIN = 0.3


def moments(
    gestures: list[str], margin: float = 0.9, poses: list[int] | None = None, frame: float = 0.1
) -> list[Moment]:
    picture = np.zeros((24, 24), np.float32)
    shapes = [hand("FIST", pose=pose).hand.landmarks for pose in poses or [0] * len(gestures)]
    rows = zip(gestures, shapes, strict=True)
    return [
        Moment(n * frame, gesture, margin, Appearance(10 * shape, picture)) for n, (gesture, shape) in enumerate(rows)
    ]


def test_held_pose_whose_gesture_flickers_is_doubtful() -> None:
    doubt = find_doubt(moments(["FIST", "ONE"] * 8), MARGIN)
    assert doubt is not None
    assert doubt.kind == FLICKERS
    assert "FIST and ONE" in doubt.text


def test_held_pose_that_the_model_is_unsure_of_is_doubtful() -> None:
    doubt = find_doubt(moments(["ONE"] * 16, margin=0.1), MARGIN)
    assert doubt is not None
    assert doubt.kind == UNSURE


def test_held_pose_on_which_landmarks_and_crop_disagree_is_doubtful() -> None:
    steady = moments(["FIST"] * 16)
    disagree, agree = ({"landmarks": "FIST", "crop": crop} for crop in ("ONE", "FIST"))
    doubt = find_doubt([replace(moment, opinions=disagree) for moment in steady], MARGIN)
    assert doubt is not None
    assert (doubt.kind, doubt.text) == (DISAGREES, "a held pose is FIST by landmarks, ONE by crop")
    now_and_then = [replace(each, opinions=agree if n % 3 else disagree) for n, each in enumerate(steady)]
    assert find_doubt(now_and_then, MARGIN) is None


def test_sure_and_steady_model_is_not_doubted() -> None:
    assert find_doubt(moments(["FIST"] * 16), MARGIN) is None


def test_single_odd_picture_is_no_flicker() -> None:
    assert find_doubt(moments(["FIST"] * 8 + ["ONE"] + ["FIST"] * 8), MARGIN) is None


def test_gesture_that_changes_with_the_pose_is_no_contradiction() -> None:
    turns = moments(["FIST", "ONE"] * 8, margin=0.1, poses=[0, 1] * 8)
    assert find_doubt(turns, MARGIN) is None


def test_pose_that_is_held_too_shortly_is_not_doubted() -> None:
    assert find_doubt(moments(["FIST", "ONE"] * 4), MARGIN) is None
