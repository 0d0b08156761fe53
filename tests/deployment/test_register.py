"""A checkpoint becomes a version in MLflow's registry, once, and comes back as it was."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from static_gesture_classification.deployment.register import RegisterSettings, register
from static_gesture_classification.errors import UserError
from tests.support.composing import composed

pytestmark = pytest.mark.full


def settings(folder: Path, checkpoint: Path) -> RegisterSettings:
    node = RegisterSettings.from_config(composed())
    return node.model_copy(update={"checkpoint": checkpoint, "artifact_location": (folder / "files").as_uri()})


def test_registered_checkpoint_comes_back_by_its_alias_and_is_registered_once(
    calibrated: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    first, second = (settings(tmp_path, calibrated(kind)) for kind in ("crops", "landmarks"))
    assert [register(each) for each in (first, first, second, first)] == ["1", "1", "2", "1"]
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    client = MlflowClient()
    assert client.get_model_version_by_alias("gesture-classifier", "best").version in (1, "1")
    assert client.get_model_version("gesture-classifier", "2").tags["gestures"] == "BACKGROUND, ONE, FIST"
    fetched = Path(download_artifacts("models:/gesture-classifier/2", dst_path=str(tmp_path / "got")))
    assert (fetched / second.checkpoint.name).read_bytes() == second.checkpoint.read_bytes()


def test_without_mlflow_the_way_out_is_said(
    calibrated: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'static-gesture-classification\[mlflow\]'"):
        register(settings(tmp_path, calibrated("crops")))
