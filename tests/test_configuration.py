import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal.hydra import Hydra

from static_gesture_classification.configuration import entry_point


def compose(cwd: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "static_gesture_classification.configuration", *overrides]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)


def test_params_hold_the_composed_and_resolved_configuration(tmp_path: Path) -> None:
    overrides = ["crops.size=64", "sources=[hagrid]", "sources.hagrid.root=elsewhere", "evaluate.output=~/results"]
    result = compose(tmp_path, *overrides, HOME="/home/anna")
    assert result.returncode == 0, result.stderr
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert params["crops"]["size"] == 64
    assert list(params["sources"]) == ["hagrid"]
    assert params["sources"]["hagrid"]["root"] == "elsewhere"
    assert params["evaluate"]["output"] == "/home/anna/results"  # a shell leaves ~ alone within a word
    assert "${" not in (tmp_path / "params.yaml").read_text()


def test_params_of_an_experiment_are_left_as_dvc_composed_them(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    assert compose(tmp_path, DVC_EXP_NAME="quiet-owl").returncode == 0
    assert (tmp_path / "params.yaml").read_text() == "seed: 7\n"


def test_commands_leave_no_files_of_hydra_behind(tmp_path: Path) -> None:
    compose(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"params.yaml", "data"}


def test_a_working_folder_without_a_checkout_has_settings_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/model").mkdir()
    (tmp_path / "conf/local/default.yaml").write_text(
        "defaults:\n  - override /model: mine\nsynthetic: {images: 700}\n"
    )
    (tmp_path / "conf/model/mine.yaml").write_text("defaults: [resnet18]\nname: resnet34\n")
    result = compose(tmp_path)
    assert result.returncode == 0, result.stderr
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert (params["synthetic"]["images"], params["model"]["name"]) == (700, "resnet34")


@pytest.mark.parametrize(("typed", "seeds"), [([], [0]), (["-m", "seed=1,2"], [1, 2])])
def test_a_command_composes_its_configuration_once_for_each_run(
    typed: list[str], seeds: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    composed, ran = [], []
    compose = Hydra.compose_config

    def counted(*arguments: Any, **named: Any) -> Any:
        composed.append(named)
        return compose(*arguments, **named)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Hydra, "compose_config", counted)
    monkeypatch.setattr(sys, "argv", ["command", *typed])
    entry_point(lambda config: ran.append(config.seed))()
    assert ran == seeds
    assert len(composed) <= len(seeds)
