import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
import yaml
from hydra import initialize_config_dir

from static_gesture_classification import configuration
from static_gesture_classification.errors import UserError


def compose(cwd: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "static_gesture_classification.configuration", *overrides]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)


def test_params_hold_the_composed_and_resolved_configuration(tmp_path: Path) -> None:
    overrides = ["crops.size=64", "sources=[hagrid]", "sources.hagrid.root=elsewhere", "output=~/results"]
    result = compose(tmp_path, *overrides, HOME="/home/anna")
    assert result.returncode == 0, result.stderr
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert params["crops"]["size"] == 64
    assert list(params["sources"]) == ["hagrid"]
    assert params["sources"]["hagrid"]["root"] == "elsewhere"
    assert params["output"] == "/home/anna/results"  # a shell leaves ~ alone within a word
    assert "${" not in (tmp_path / "params.yaml").read_text()


def test_params_of_an_experiment_are_left_as_dvc_composed_them(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    assert compose(tmp_path, DVC_EXP_NAME="quiet-owl").returncode == 0
    assert (tmp_path / "params.yaml").read_text() == "seed: 7\n"


def test_commands_leave_no_files_of_hydra_behind(tmp_path: Path) -> None:
    compose(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"params.yaml", "data"}


def test_another_kind_of_input_asks_for_a_second_dvc_repro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "compose")
    with initialize_config_dir(str(configuration.CONF), version_base="1.3"):
        crops, landmarks, less = (
            hydra.compose("config", overrides) for overrides in ([], ["model=landmarks"], ["sources=[hands]"])
        )
    run = configuration.main.__wrapped__
    with pytest.raises(UserError, match="not None"):  # there was no params.yaml that dvc could have read
        run(crops)
    run(crops)
    run(less)
    with pytest.raises(UserError, match=r"the model sees data/landmarks now, not data/crops; .* repeat dvc repro"):
        run(landmarks)
    run(landmarks)
