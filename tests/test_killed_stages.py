"""Stages that are killed at random moments and repeated end with the bytes of an undisturbed run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 6
SMALL = ["synthetic.images=60", "synthetic.subjects=12", "sources=[synthetic]", "crops.size=32", "logger=[]"]
TRAINING = ["train_hyperparams.epochs=3", "train_hyperparams.batch_size=16"]
STAGES = {
    "synthetic": (["-m", "static_gesture_classification.synthetic.generate"], "data/synthetic"),
    "index": (["-m", "static_gesture_classification.preparation.index"], "data/index"),
    "crops": (["-m", "static_gesture_classification.preparation.crops"], "data/crops"),
    "split": (["-m", "static_gesture_classification.preparation.split"], "data/splits"),
    "train": (["train_static_gestures.py", *TRAINING], "models"),
}


def command(stage: str, project: Path) -> list[str]:
    start, *rest = STAGES[stage][0]
    script = [str(project / start)] if start.endswith(".py") else [start]
    return [sys.executable, *script, *rest, *SMALL]


def environment(project: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}


def run(stage: str, project: Path, folder: Path) -> float:
    start = time.perf_counter()
    result = subprocess.run(
        command(stage, project), cwd=folder, env=environment(project), capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return time.perf_counter() - start


def digests(folder: Path) -> dict[str, str]:
    """Content hash of every file that is compared; what the crops stage remembers of file times is its own affair."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".records.npy" and path.suffix != ".lock"
    }


@pytest.mark.full
@pytest.mark.parametrize("stage", STAGES)
def test_killed_stage_repeated_gives_the_undisturbed_result(stage: str, project: Path, tmp_path: Path) -> None:
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    calm.mkdir()
    for earlier in list(STAGES)[: list(STAGES).index(stage)]:
        run(earlier, project, calm)
    shutil.copytree(calm, rough)
    seconds = run(stage, project, calm)
    dice = random.Random(0)
    for _ in range(KILLS):
        process = subprocess.Popen(
            command(stage, project),
            cwd=rough,
            env=environment(project),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=dice.uniform(0.1, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    run(stage, project, rough)
    assert digests(rough / STAGES[stage][1]) == digests(calm / STAGES[stage][1])
