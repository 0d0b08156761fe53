from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from static_gesture_classification.deployment.skin_tones import ToneSettings, score_tones
from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.synthetic.subjects import TONES, draw_subject, with_tone

EVERYWHERE = BoxDetector([0, 0, 1, 1])


def test_another_tone_changes_the_skin_alone() -> None:
    subject = draw_subject(3, "somebody", np.random.default_rng(0))
    light, dark = with_tone(subject, 0), with_tone(subject, len(TONES) - 1)
    assert replace(light, skin=subject.skin) == subject
    assert dark.skin.back.max() < light.skin.back.min()
    assert with_tone(subject, 0).skin.back.tolist() == light.skin.back.tolist()


@pytest.mark.full
def test_every_tone_is_scored_on_the_same_hands(project: Path, checkpoint: Callable[[str], Path]) -> None:
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        config = compose("config", ["export_onnx.tones=1"])
    with open_dict(config):
        config.poses.gestures = {name: config.poses.gestures[name] for name in ("ONE", "FIST")}
    scores = score_tones(Predictor.load(checkpoint("crops"), EVERYWHERE), ToneSettings.from_config(config), 10, 0)
    assert scores is not None
    assert [each.samples for each in scores.scores] == [2] * len(TONES)
    assert scores.gestures == ("ONE", "FIST")  # BACKGROUND has no pose here
    assert all(each.missed == 0 for each in scores.scores)
