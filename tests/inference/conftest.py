"""A tiny classifier of each input kind, untrained: what they say is of no use, but always the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.checkpoint import Origin, build_network, plain_model, save

VOCABULARY = Vocabulary(("BACKGROUND", "ONE", "FIST"), "BACKGROUND")
SIZE, MARGIN = 48, 0.2


@pytest.fixture(scope="session")
def checkpoint(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The path of a checkpoint that sees "crops", "landmarks" or both ("fused")."""
    folder = tmp_path_factory.mktemp("checkpoints")
    choices = {
        "crops": ["model=timm", "model.name=test_efficientnet"],
        "landmarks": ["model=landmarks"],
        "fused": ["model=fused", "model.backbone.size=32"],
    }

    def made(kind: str) -> Path:
        path = folder / f"{kind}.ckpt"
        if not path.exists():
            with initialize_config_dir(str(project / "conf"), version_base="1.3"):
                model = plain_model(compose("config", choices[kind]).model)
            torch.manual_seed(0)
            network = build_network({**model, "weights": "none"}, len(VOCABULARY))
            header = Origin(model, VOCABULARY, SIZE, MARGIN).header()
            calibration = {"temperature": 1.5, "advantage": 0.25}
            entries = {**header, "epoch": 0, "scores": None, "calibration": calibration}
            save({**entries, "state_dict": network.state_dict()}, path)
        return path

    return made


@pytest.fixture(scope="session")
def detector(project: Path, hand_landmarker: Path) -> Iterator[Detector]:
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        config = compose("config", [f"detector.model.path={hand_landmarker}"])
    with Detector.from_config(config) as built:
        yield built
