"""A project as the page sees it: runs, checkpoints, predictions on val, and prepared data."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pandas as pd
from PIL import Image

from static_gesture_classification.active_learning.labels.find_issues import SUGGESTIONS
from static_gesture_classification.active_learning.labels.suggestions import Suggestion, write_suggestions
from static_gesture_classification.evaluation.epochs import predictions_file
from static_gesture_classification.samples import read_rows
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.checkpoint import export_checkpoint

RUNS, QUICK = "runs", "runs/quick"


def write_project(folder: Path, prepared: Path, trained: RunFolder) -> None:
    """Two runs of the pipeline, one of the quick loop with the first one's id, and prepared data."""
    shutil.copytree(prepared, folder / "data")
    for place, name, score in ((RUNS, "first", None), (RUNS, "second", 0.25), (QUICK, "first", 0.5)):
        run = RunFolder(folder / place / name)
        shutil.copytree(trained.path, run.path)
        record = {**run.record(), "run_id": name, "created": run.created + (name == "second")}
        (run.path / "run.json").write_text(json.dumps(record))
        run.set_tags(["resnet", f"tag_{name}"])
        (run.path / "status").write_text("finished")
        if score is not None:
            (run.path / "config.yaml").write_text((run.path / "config.yaml").read_text().replace("lr: 0.02", "lr: 0.5"))


def evaluate_project(folder: Path, epoch: int) -> None:
    """A trained checkpoint, the predictions of a run's epoch as those of val, and two labels in doubt."""
    run = RunFolder(folder / RUNS / "first")
    (folder / "models").mkdir()
    export_checkpoint(run.best_checkpoint(), folder / "models" / "trained.ckpt")
    predictions = folder / "reports" / "predictions" / "val.parquet"
    predictions.parent.mkdir(parents=True)
    shutil.copy(predictions_file(run, "val", epoch), predictions)
    samples = read_rows(folder / "data" / "splits" / "samples.parquet")
    write_images(samples, folder)
    doubtful = [
        Suggestion(row.sample_id, row.gesture, "FIST", 0.1, True, "cross-validation 0.90", row.split, row.source,
                   row.subject, row.image)
        for row in samples[samples["split"] == "train"].head(2).itertuples()
    ]  # fmt: skip
    write_suggestions(doubtful, folder / "reports" / "label_issues" / SUGGESTIONS)


def write_images(samples: pd.DataFrame, folder: Path) -> None:
    """An image for each sample, all the same."""
    content = io.BytesIO()
    Image.new("RGB", (64, 48), (30, 100, 200)).save(content, "JPEG")
    for root, image in zip(samples["root"], samples["image"], strict=True):
        (folder / root).mkdir(parents=True, exist_ok=True)
        (folder / root / image).write_bytes(content.getvalue())
