"""The default detector as it is configured, with the model file that tests have."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.detection.hands import HandDetector


@pytest.fixture(scope="session")
def configured(project: Path) -> Callable[..., Detector]:
    """A detector of the configuration, with overrides."""

    def build(*overrides: str) -> Detector:
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            return Detector.from_config(compose("config", overrides=list(overrides)))

    return build


@pytest.fixture(scope="session")
def detector(configured: Callable[..., Detector], hand_landmarker: Path) -> Iterator[HandDetector]:
    with configured(f"detector.model.path={hand_landmarker}") as built:
        assert isinstance(built, HandDetector)
        yield built
