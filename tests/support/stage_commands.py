"""The pipeline's commands, run in this process on little data: how they end, and what they print."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("no_gesture", "one", "peace", "three", "four", "palm", "like", "dislike", "ok", "fist")  # one per gesture
SUBJECTS = {"train": ("ada", "bo", "chloe", "dan"), "val": ("eve", "finn"), "test": ("gus", "hana")}
STAGES = {
    "index": "static_gesture_classification.preparation.index",
    "crops": "static_gesture_classification.preparation.crops",
    "split": "static_gesture_classification.preparation.split",
    "train": "train_static_gestures",
    "evaluate": "static_gesture_classification.evaluation.evaluate",
}
LITTLE = (
    "sources=[hagrid]", "sources.hagrid.root=photos", "crops.size=32", "train_hyperparams.epochs=1",
    "train_hyperparams.batch_size=16", "trainer.threads=1", "logger=[]", "evaluate.bootstrap=5",
    "model=timm", "model.name=test_resnet",
)  # fmt: skip
PIPELINE = ("evaluate.checkpoint=models/trained.ckpt", "evaluate.output=reports", "evaluate.crops=data/crops")
EVALUATE = (*PIPELINE, "evaluate.samples=data/splits/samples.parquet")


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit status, and all that it printed."""

    status: int
    printed: str


def run(stage: str, *overrides: str, project: Path) -> Outcome:
    """Run a stage's command in the current folder."""
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    command = importlib.import_module(STAGES[stage]).main
    printed, arguments, status = io.StringIO(), sys.argv, 0
    sys.argv = [stage, *LITTLE, *(EVALUATE if stage == "evaluate" else ()), *overrides]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            command()
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv = arguments
    return Outcome(status, printed.getvalue())


def save_photographs(root: Path, people: dict[str, Sequence[str]] = SUBJECTS, labels: Sequence[str] = LABELS) -> None:
    """A HaGRID folder: each person shows each gesture once, no two pictures alike."""
    random = np.random.default_rng(0)
    for label in labels:
        (root / label).mkdir(parents=True, exist_ok=True)
        for split, names in people.items():
            entries = {}
            for name in names:
                blocks = random.integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(blocks).resize((64, 64)).save(root / label / f"{name}-{label}.jpg")
                entries[f"{name}-{label}"] = {"bboxes": [[0.2, 0.2, 0.6, 0.6]], "labels": [label], "user_id": name}
            path = root / "annotations" / split / f"{label}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(entries))


def digests(*folders: Path) -> dict[str, str]:
    """Path -> hash of each file in the folders, without what is unfinished (it is gone on with, or overwritten)."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    files = sorted(path for path in found if not path.name.endswith((".partial", ".lock")))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in `folder` for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
