"""A tracker that is one file and one YAML, of another project, follows a training."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

import tests.tracking.added
import train_static_gestures
from static_gesture_classification.tracking import trackers
from static_gesture_classification.training import callbacks

SEARCHED = f"hydra.searchpath=[file://{Path(tests.tracking.added.__file__).parent}/conf]"


def test_a_tracker_is_a_file_and_a_yaml(
    composed: Callable[..., DictConfig], prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_static_gestures, "EpochCallback", callbacks.Callback)
    config = composed(SEARCHED, "logger=[diary]", "train_hyperparams.epochs=2")
    assert [tracker.name for tracker in trackers.from_config(config)] == ["diary"]
    train_static_gestures.main.__wrapped__(config)
    lines = (prepared / "diary.txt").read_text(encoding="utf-8").splitlines()
    assert "conf/model/name = test_efficientnet" in lines
    steps = [line.partition(":")[0] for line in lines if line.startswith("training/val_weighted_F1 ")]
    assert steps == ["training/val_weighted_F1 0", "training/val_weighted_F1 1"]
    assert "file source_code/requirements" in lines
    assert lines[-1] == "status finished"
    assert [path.parent.name for path in prepared.glob("runs/*/run.json")] == [lines[0].removeprefix("run ")]
