"""A local server, and a connection that does not wait long between attempts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.downloads.connection import Connection
from tests.support.download_server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection() -> Connection:
    return Connection(attempts=4, wait=0.01, longest_wait=0.02, timeout=5)


@pytest.fixture(scope="session")
def noise() -> bytes:
    """200,000 bytes of which no part repeats another."""
    return np.random.default_rng(0).bytes(200_000)


@pytest.fixture(scope="session")
def composed(project: Path) -> DictConfig:
    """The configuration as it is in conf/."""
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config")
