"""A small run, and a guard that lets no test reach the network."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import static_gesture_classification.torchvision_operators  # noqa: F401  before lightning, which imports torchvision
from static_gesture_classification.tracking.run_folder import RunFolder
from tests.support.small_runs import CONFIG, TAGS, log_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of this process, begun and empty."""
    project = tmp_path / "a project"
    project.mkdir()
    (project / "train.py").write_text("epochs = 2\n")
    return RunFolder.create(tmp_path / "runs", "first run", CONFIG, TAGS, project=project)


@pytest.fixture
def finished_run(run: RunFolder) -> RunFolder:
    """A run of two epochs that has finished."""
    log_run(run)
    run.set_status("finished")
    return run


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing may leave the machine: whoever tries to connect fails, and so does the test."""
    attempts: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        attempts.append(address)
        raise OSError(f"a test tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("NEPTUNE_API_TOKEN", raising=False)
    monkeypatch.delenv("NEPTUNE_MODE", raising=False)
    yield
    assert attempts == []
