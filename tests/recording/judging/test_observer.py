from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.follower import HandFollower
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.learning_head import last_layer
from static_gesture_classification.recording.judging.observer import (
    Observer,
    choose_hand,
    fast_model,
    judging_checkpoint,
)
from static_gesture_classification.recording.judging.settings import JudgeSettings
from static_gesture_classification.training.checkpoint import Origin, build_network, save

IMAGE = np.zeros((48, 64, 3), np.uint8)
LARGE = DetectedHand((0.1, 0.1, 0.6, 0.9), 0.7, "left")
SURE = DetectedHand((0.7, 0.4, 0.9, 0.8), 0.99, "right")


class Always(Detector):
    """Finds the same hands in every picture, and counts how often it was asked."""

    gives_landmarks = True

    def __init__(self, *hands: DetectedHand) -> None:
        self.hands, self.asked = list(hands), 0

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        self.asked += 1
        return self.hands


@pytest.mark.parametrize(("rule", "hand"), [("largest", LARGE), ("surest", SURE), ("left", LARGE), ("right", SURE)])
def test_rule_says_which_of_two_hands_counts(rule: str, hand: DetectedHand) -> None:
    assert choose_hand([LARGE, SURE], rule) is hand
    assert choose_hand([], rule) is None


def test_hand_that_the_rule_leaves_out_does_not_count() -> None:
    assert choose_hand([LARGE], "right") is None


def test_one_hand_is_followed_and_more_are_looked_for_now_and_then() -> None:
    one, many = Always(LARGE), Always(LARGE)
    follower = HandFollower(one, many, every=4)
    for _ in range(10):
        follower.detect(IMAGE)
    assert (one.asked, many.asked) == (8, 2)


def test_two_hands_stay_two() -> None:
    one, many = Always(LARGE), Always(LARGE, SURE)
    follower = HandFollower(one, many, every=4)
    assert [len(follower.detect(IMAGE)) for _ in range(5)] == [2] * 5
    assert one.asked == 0


def test_judge_is_the_one_asked_for_then_the_plans_then_the_chosen_one(
    configuration: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the checkout may have checkpoints of its own
    judge = lambda *changes: JudgeSettings.from_config(configuration(*changes))  # noqa: E731
    config = judge(f"paths.models={tmp_path}")
    assert judging_checkpoint(config, "") is None
    (tmp_path / "best.ckpt").touch()
    assert judging_checkpoint(config, "gone.ckpt") == tmp_path / "best.ckpt"
    (tmp_path / "plan.ckpt").touch()
    assert judging_checkpoint(config, str(tmp_path / "plan.ckpt")) == tmp_path / "plan.ckpt"
    asked = judge(f"recording.checkpoint={tmp_path / 'best.ckpt'}")
    assert judging_checkpoint(asked, str(tmp_path / "plan.ckpt")) == tmp_path / "best.ckpt"
    with pytest.raises(UserError, match=r"no\.ckpt, which does not exist"):
        judging_checkpoint(judge("recording.checkpoint=no.ckpt"), "")


def test_checkpoint_is_exported_once_and_judges_what_is_seen(project: Path, tmp_path: Path) -> None:
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        config = compose("config", ["model=landmarks"])
    model: dict[str, Any] = OmegaConf.to_container(config.model, resolve=True) | {"weights": "none"}  # type: ignore[operator]
    vocabulary = Vocabulary(("BACKGROUND", "ONE"))
    state = build_network(model, 2).state_dict()
    path = tmp_path / "best.ckpt"
    save(Origin(model, vocabulary, 32, 0.15).header() | {"state_dict": state, "epoch": 0, "scores": None}, path)
    exported = fast_model(path)
    assert exported.parent == tmp_path
    assert exported.name.startswith(".best.")
    assert load_onnx(exported).vocabulary == vocabulary
    np.testing.assert_array_equal(last_layer(exported).weights, last_layer(path).weights)
    np.testing.assert_array_equal(last_layer(exported).bias, last_layer(path).bias)
    written = exported.stat().st_mtime_ns
    assert fast_model(path) == exported
    assert exported.stat().st_mtime_ns == written
    marked = DetectedHand(LARGE.box, 0.7, "left", np.random.default_rng(0).random((21, 2), np.float32))
    detector = Always(marked)
    observer = Observer(detector, Predictor.load(exported, detector), "largest", str(path))
    sight = observer.look(Captured(IMAGE, 0, 0.0))
    assert sight.hand is marked
    assert sight.recognised is not None
    assert sight.recognised.probabilities.sum() == pytest.approx(1, abs=1e-4)
