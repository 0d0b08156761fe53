"""A detector that is one file and one YAML serves the landmarks stage, `predict`, the recorder and mining."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import Detector, DetectorSettings
from static_gesture_classification.inference import predict
from static_gesture_classification.preparation import landmarks
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.preparation.per_image import ALONE
from static_gesture_classification.recording.judging.observer import open_detector
from static_gesture_classification.recording.judging.settings import JudgeSettings
from static_gesture_classification.samples import write_samples
from tests.detection.added.everywhere import Everywhere
from tests.inference.conftest import checkpoint  # noqa: F401
from tests.support.photograph_table import sample, sample_table

BOX = (0.2, 0.2, 0.8, 0.8)
LONGEST = 300  # seconds; who takes longer hangs


def test_a_detector_is_a_file_and_a_yaml(
    tmp_path: Path,
    checkpoint: Callable[[str], Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    model = checkpoint("landmarks")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(
            "config",
            [
                f"hydra.searchpath=[file://{Path(__file__).parent}/added/conf]",
                "detector=everywhere",
                "landmarks.extract=always",
                f"predict.checkpoint={model}",
                "predict.input=picture.png",
                "predict.output=predictions.csv",
            ],
        )
    assert Detector.from_config(config).identity() == Everywhere(0.4).identity() != Everywhere(0.3).identity()
    hand = (
        DetectorSettings.from_config(config, config.recording.detector).build().landmarks_in(np.zeros((9, 9, 3)), BOX)
    )
    assert hand is not None
    assert isinstance(open_detector(JudgeSettings.from_config(config)), Everywhere)
    predict.main.__wrapped__(config)
    assert pd.read_csv("predictions.csv")["x1"].tolist() == [pytest.approx(8)]
    table = sample_table([sample("made", tmp_path, "picture.png", BOX, "ONE", split="train")])
    for folder in ("index", "splits"):
        write_samples(table, tmp_path / "data" / folder / "samples.parquet")
    landmarks.main.__wrapped__(config)
    points, _ = open_landmarks(tmp_path / "data/landmarks")
    assert points[0] == pytest.approx(np.stack([np.linspace(0.1, 0.9, 21) * 80 / 60, np.linspace(0.1, 0.9, 21)], 1))


def test_stage_with_worker_processes_ends_and_each_process_builds_one_detector(project: Path, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(ALONE + 1)]
    for number, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / name)
    table = sample_table([sample("made", tmp_path, name, BOX, "ONE", split="train") for name in names])
    for folder in ("index", "splits"):
        write_samples(table, tmp_path / "data" / folder / "samples.parquet")
    log = tmp_path / "log"
    settings = ("detector=counted", f"detector.log={log}", "landmarks.extract=always")
    searched = f"hydra.searchpath=[file://{Path(__file__).parent}/added/conf]"
    subprocess.run(
        [sys.executable, "-m", landmarks.__name__, searched, *settings],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(project), "LOKY_MAX_CPU_COUNT": "2"},
        check=True,
        timeout=LONGEST,
    )
    builders = log.read_text().split()
    assert len(builders) == len(set(builders)) > 1
    points, _ = open_landmarks(tmp_path / "data/landmarks")
    assert np.isfinite(points).all()
    assert len(points) == len(names)
