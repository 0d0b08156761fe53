from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF
from tests.support.patches import write_patches

# What the tests below train: a network of timm with 100,000 parameters, on patches.
SMALL = [
    "gestures.names=[BACKGROUND,ONE,TWO,FIST]",
    "model=timm",
    "model.name=test_efficientnet",
    "crops.size=32",
    "train_hyperparams=default",
    "train_hyperparams.lr=0.05",
    "train_hyperparams.batch_size=8",
    "train_hyperparams.epochs=3",
    "augs.shift=0.02",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "logger=[]",
]


@pytest.fixture
def composed() -> Callable[..., DictConfig]:
    """Compose the configuration of a small training, with further overrides."""

    def compose_small(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", [*SMALL, *overrides])

    return compose_small


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with crops and splits of patches in it."""
    write_patches(tmp_path, {"train": 12, "val": 5, "test": 5})
    monkeypatch.chdir(tmp_path)
    return tmp_path
