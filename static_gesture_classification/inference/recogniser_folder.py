"""A folder that holds a whole recogniser, for programs without torch and without a configuration.

model.onnx              the network, with its metadata (`onnx_classifier`)
finder.json             the settings of the hand finder (`detection.hands`), its model's size and hash
hand_landmarker.task    the finder's model
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from static_gesture_classification.detection.hands import HandDetector, HandSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.inference.predictor import Predictor

MODEL, FINDER, LANDMARKER = "model.onnx", "finder.json", "hand_landmarker.task"


def write_finder(finder: HandSettings, model: Path, folder: Path) -> None:
    """Write the finder's settings and its `model` to a folder that exists."""
    shutil.copyfile(model, folder / LANDMARKER)
    published = {key: finder.model.get(key) for key in ("size", "sha256")}
    values = {**finder.model_dump(mode="json"), "model": published, "running_mode": "image"}
    (folder / FINDER).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_recogniser(folder: Path) -> Predictor:
    """The recogniser of a folder; it fetches nothing.

    Raises:
        UserError: a file is missing or damaged; names it.
    """
    model = folder / LANDMARKER
    if not model.is_file():
        raise UserError(f"{model} is missing; copy the folder again, with its large files")
    values = read_json(folder / FINDER, dict[str, Any], "write the folder again: gestures demo-space")
    finder = HandDetector(**{**values, "model": {**dict(values.get("model") or {}), "path": str(model)}})
    return Predictor(load_onnx(folder / MODEL), finder)
