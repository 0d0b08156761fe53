"""From the end of a recording to the new confusion matrix: the quick loop on 5,000 samples, of which 30 are new.

    python benchmarks/quick_retrain.py [FOLDER]

Prepares a project in FOLDER (a temporary one by default): the photographs beside the project, drawn hands up to 4,970
samples, and a first round, so that crops, landmarks and embeddings are known. Then, for each method, 30 frames of the
webcam video are added as a recorded session, and the whole command is timed, the start of Python included. The crop
model is EfficientNet-Lite0 from ImageNet's weights, untrained on gestures: the time does not depend on what it knows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.configuration import CONF
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.performer import frames_by_gesture, write_held_out
from static_gesture_classification.sources.recorded import SESSION_FILE
from static_gesture_classification.training.checkpoint import Origin, build_network, plain_model, save

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "quick_retrain.md"
SAMPLES, NEW, LIMIT = 5000, 30, 60
METHODS = ("landmarks", "head", "finetune")
HEADER = f"""# The quick loop

From the end of a recording to the new confusion matrix, {SAMPLES:,} samples of which {NEW} are new; at most {LIMIT} s
are wanted on two cores. Seconds of the whole command, the start of Python included. Printed by
`python benchmarks/quick_retrain.py`.

"""
STAGES = ("index", "crops", "split", "landmarks", "train", "evaluate", "compare")


def main() -> None:
    """Prepare, time each method, keep the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder)
        rows = [measured(folder, method) for method in METHODS]
    table = [f"| method | all | {' | '.join(STAGES)} | start, end |", "|---|" + "---|" * (len(STAGES) + 2), *rows]
    about = f"{measured_on('torch')}, load before {os.getloadavg()[0]:.1f}."
    RESULT.write_text(HEADER + "\n".join([*table, "", about]) + "\n", encoding="utf-8")
    print("\n".join([*table, "", about]))


def prepare(folder: Path) -> None:
    """All that is there before the recording; what a broken-off call prepared is used."""
    if not (folder / "models/best.ckpt").is_file():
        retrain(folder, "landmarks")  # of the photographs alone: how many are there?
        known = json.loads((folder / "reports/quick/retrain.json").read_text())["samples"]
        drawn = f"synthetic.images={SAMPLES - NEW - known}"
        run(folder, "static_gesture_classification.synthetic.generate", drawn, "synthetic.subjects=120")
        for name in ("data/quick", "models", "runs", "reports"):
            shutil.rmtree(folder / name, ignore_errors=True)
        write_crop_model(folder / "models/best.ckpt")
    for name in ("data/recorded", "runs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    retrain(folder, "head")  # embeddings are known
    shutil.rmtree(folder / "models/quick")
    retrain(folder, "landmarks")  # and the best one so far is a landmark model
    shutil.copytree(folder / "data/quick/splits", folder / "data/splits", dirs_exist_ok=True)


def measured(folder: Path, method: str) -> str:
    """The row of one method, after 30 frames were recorded for it."""
    record(folder, method)
    start = time.perf_counter()
    retrain(folder, method)
    whole = time.perf_counter() - start
    summary = json.loads((folder / "reports/quick/retrain.json").read_text())
    assert summary["new_samples"] == NEW, summary
    spent = [summary["seconds"].get(stage) for stage in STAGES]
    cells = ["" if seconds is None else f"{seconds:.1f}" for seconds in spent]
    rest = whole - sum(summary["seconds"].values())
    return f"| {method} | **{whole:.1f}** | {' | '.join(cells)} | {rest:.1f} |"


def record(folder: Path, method: str) -> None:
    """A recorded session for train of 30 frames that no other method was given."""
    vocabulary = Vocabulary.from_config(configuration())
    video = SHARED / "data/videos/webcam.mp4"
    seen = frames_by_gesture(video, video.with_suffix(".json"), folder / "frames", vocabulary)
    gesture, shots = max(seen.items(), key=lambda each: len(each[1]))
    first = NEW * METHODS.index(method) % max(1, len(shots) - NEW)
    session = folder / "data/recorded" / method
    write_held_out(session, gesture, shots[first : first + NEW])
    for path in session.glob("*.jpg"):  # pictures that no earlier call has looked at
        picture = np.array(Image.open(path))
        picture[:8, :8] = np.random.default_rng().integers(0, 256, 3)
        Image.fromarray(picture).save(path, quality=95)
    content = json.loads((session / SESSION_FILE).read_text())
    (session / SESSION_FILE).write_text(json.dumps({**content, "split": "train", "subject": f"performer {method}"}))


def retrain(folder: Path, method: str) -> None:
    """The command."""
    data = SHARED / "data"
    sources = ["sources=[synthetic,hagrid,hands,recorded_legacy,recorded]"]
    sources += [f"sources.hagrid.root={data / 'hagrid_mini'}", f"sources.hands.root={data / 'hands_mini'}"]
    sources += [f"sources.recorded_legacy.root={data / 'recorded_legacy'}"]
    model = f"detector.model.path={SHARED / 'models/hand_landmarker.task'}"
    run(
        folder,
        "static_gesture_classification.active_learning.retraining.retrain",
        *sources,
        model,
        f"retrain.method={method}",
    )


def run(folder: Path, module: str, *overrides: str) -> None:
    """Run a module in the folder; its output is shown when it fails."""
    command = [sys.executable, "-m", module, *overrides]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}")


def write_crop_model(path: Path) -> None:
    """EfficientNet-Lite0 with ImageNet's backbone and a random head."""
    torch.manual_seed(0)
    config = configuration("model=efficientnet_lite0")
    vocabulary = Vocabulary.from_config(config)
    model = plain_model(config.model)
    origin = Origin(model, vocabulary, int(config.crops.size), float(config.crops.margin))
    network = build_network({**model, "weights": "imagenet"}, len(vocabulary))
    path.parent.mkdir(parents=True, exist_ok=True)
    save({**origin.header(), "epoch": 0, "scores": None, "state_dict": network.state_dict()}, path)


def configuration(*overrides: str) -> DictConfig:
    """The composed configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*overrides])


if __name__ == "__main__":
    main()
