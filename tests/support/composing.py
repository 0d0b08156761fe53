"""The configuration with some overrides."""

from functools import cache

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF


@cache
def composed(*overrides: str) -> DictConfig:
    """Not to be changed."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))
