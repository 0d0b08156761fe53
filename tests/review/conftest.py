"""A page's server in this process, without its pages: cheap, for what a browser sends by itself."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from starlette.testclient import TestClient

from static_gesture_classification.review.camera import sockets
from static_gesture_classification.review.review import Review

Served = Callable[..., TestClient]
LOCAL, PHONE = ("127.0.0.1", 5000), ("192.168.0.7", 5000)
EASY = (  # a recorder that keeps each picture of a box at once, without a model
    "detector=box", "recording.min_sharpness=0", "recording.interval=0", "recording.near_identical=0",
    "recording.countdown=0", "recording.other_checkpoints=[]", "recording.subject=anna", "recording.room=kitchen",
)  # fmt: skip


@pytest.fixture(scope="session")
def easy(project: Path) -> DictConfig:
    """The configuration with `EASY`."""
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config", [*EASY])


@pytest.fixture
def served(easy: DictConfig, tmp_path: Path) -> Iterator[Served]:
    """A client of the camera's addresses; the working folder is a temporary one."""

    def client(*overrides: str, address: tuple[str, int] = LOCAL) -> TestClient:
        config = OmegaConf.merge(easy, OmegaConf.from_dotlist(list(overrides)))
        assert isinstance(config, DictConfig)
        app = FastAPI()
        sockets.serve(Review.from_config(config), app)
        return TestClient(app, client=address)

    with contextlib.chdir(tmp_path):
        yield client
