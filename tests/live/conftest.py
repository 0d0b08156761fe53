"""Hands with what a model says of them, settings, and events."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.held_gestures import BEGIN, END, GestureEvent
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.live.settings import LiveSettings

Box = tuple[float, float, float, float]
VOCABULARY = Vocabulary(("BACKGROUND", "ONE", "TWO", "FIST"), "BACKGROUND")
BOX: Box = (0.3, 0.3, 0.6, 0.7)


@pytest.fixture(scope="session")
def composed(project: Path) -> DictConfig:
    """The project's configuration."""
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config")


@pytest.fixture
def settings(composed: DictConfig, tmp_path: Path) -> Callable[..., LiveSettings]:
    """Settings with sessions in temporary folders, and changes."""

    def changed(*changes: str) -> LiveSettings:
        usual = [
            f"recording.root={tmp_path / 'recorded'}",
            f"live.root={tmp_path / 'in_use'}",
            f"confusions.in_use={tmp_path / 'in_use'}",
        ]
        merged = OmegaConf.merge(composed, OmegaConf.from_dotlist([*usual, *changes]))
        assert isinstance(merged, DictConfig)
        made = LiveSettings.from_config(merged)
        rules = made.recording.model_copy(update={"vocabulary": VOCABULARY})
        return made.model_copy(update={"recording": rules})

    return changed


@pytest.fixture
def event() -> Callable[..., GestureEvent]:
    def made(gesture: str = "FIST", ends: bool = False) -> GestureEvent:
        return GestureEvent(END if ends else BEGIN, gesture, 0.97, "right", 1, BOX, 12.5, 1.5 if ends else 0.0)

    return made


def hand(says: str | Sequence[float], box: Box = BOX, pose: int = 0) -> RecognisedHand:
    """A hand; `says` is a gesture that the model is sure of, or probabilities. Another pose is another shape."""
    row = np.array(says, np.float32) if not isinstance(says, str) else sure_of(says)
    best = int(row.argmax())
    points = np.random.default_rng(pose).uniform(0.35, 0.55, (21, 2)).astype(np.float32)
    found = DetectedHand(box, 0.9, "right", points)
    return RecognisedHand(found, VOCABULARY.names[best], float(row[best]), row, None)


def sure_of(gesture: str) -> np.ndarray:
    """Probabilities of a model that is sure."""
    row = np.full(len(VOCABULARY), 0.01, np.float32)
    row[VOCABULARY.index(gesture)] = 1 - 0.01 * (len(VOCABULARY) - 1)
    return row
