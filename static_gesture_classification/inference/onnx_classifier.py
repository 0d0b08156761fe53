"""A trained network as an ONNX file: what the file says about itself, and how it becomes a classifier.

input         crops        uint8 (n, size, size, 3), RGB, for a network that sees pictures; or
              points       float32 (n, 21, 2), in a unit that is the same for x and y, for one that sees landmarks
outputs       probabilities float32 (n, classes), embedding float32 (n, features)
metadata      onnx_version, and JSON: gestures (names, background), input (crops or landmarks), crop (size, margin),
              model (its name)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from static_gesture_classification.errors import UserError
from static_gesture_classification.file_data import checked, parsed_json
from static_gesture_classification.gestures import Vocabulary

SUFFIX = ".onnx"
VERSION = "1"
CROPS, LANDMARKS = "crops", "landmarks"  # what a network sees
INPUT_NAMES = {CROPS: "crops", LANDMARKS: "points"}
OUTPUT_NAMES = ("probabilities", "embedding")
EXPORT = "gestures export-onnx checkpoint=FILE.ckpt output=FILE.onnx"
_BATCH = {CROPS: 64, LANDMARKS: 16_384}


class Gestures(TypedDict):
    """The vocabulary, as the file says it."""

    names: list[str]
    background: str | None


@dataclass(frozen=True)
class Crop:
    """How crops are cut, as the file says it: pixels, and share of the box's longer side; 0 for landmarks."""

    size: Annotated[int, Field(ge=0, le=4096)]
    margin: Annotated[float, Field(ge=0, le=10)]


Seen: Any = Literal["crops", "landmarks"]


class AnyClassifier(Protocol):
    """What `training.checkpoint.Classifier` and `OnnxClassifier` have in common."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The gestures, in class order."""

    @property
    def input(self) -> str:
        """What it sees: "crops" or "landmarks"."""

    @property
    def crop_size(self) -> int:
        """Side of a crop in pixels."""

    @property
    def crop_margin(self) -> float:
        """Added on each side of the square crop, as a share of the box's longer side."""

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, classes) and embeddings (n, features), float32, of crops or points."""


@dataclass(frozen=True)
class OnnxClassifier:
    """A network of an ONNX file, run by onnxruntime on the processor. See `AnyClassifier`."""

    session: Any
    vocabulary: Vocabulary
    input: str
    crop_size: int
    crop_margin: float

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `AnyClassifier.predict`."""
        kind = np.uint8 if self.input == CROPS else np.float32
        name, size = INPUT_NAMES[self.input], _BATCH[self.input]
        parts = [
            self.session.run(OUTPUT_NAMES, {name: np.ascontiguousarray(inputs[start : start + size], kind)})
            for start in range(0, len(inputs), size)
        ]
        if not parts:
            probabilities, embeddings = (
                np.zeros((0, output.shape[1]), np.float32) for output in self.session.get_outputs()
            )
            return probabilities, embeddings
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def load_onnx(path: Path, threads: int = 1) -> OnnxClassifier:
    """Load an exported network.

    Args:
        path: the ONNX file.
        threads: processor threads that one call may use.

    Raises:
        UserError: the file is missing, damaged, or was not exported by this program.
    """
    from static_gesture_classification.onnx_runtime import onnxruntime

    if not path.is_file():
        raise UserError(f"no ONNX file at {path}; export one: {EXPORT}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common class, and all mean an unusable file
        raise UserError(f"{path} is not a readable ONNX file ({error}); export it again: {EXPORT}") from error
    said = session.get_modelmeta().custom_metadata_map
    if said.get("onnx_version") != VERSION:
        raise UserError(
            f"{path} says {said.get('onnx_version', 'nothing')} as its onnx_version, this program reads {VERSION}; "
            f"export it again: {EXPORT}"
        )
    way_out = f"export it again: {EXPORT}"
    crop = parsed_json(said.get("crop", ""), Crop, f"{path}, its crop", way_out)
    gestures = parsed_json(said.get("gestures", ""), Gestures, f"{path}, its gestures", way_out)
    seen = checked(said.get("input"), Seen, f"{path}, its input", way_out)
    vocabulary = Vocabulary.from_config(gestures)
    _check_graph(session, seen, crop, vocabulary, path)
    return OnnxClassifier(session, vocabulary, str(seen), crop.size, crop.margin)


def _check_graph(session: Any, seen: str, crop: Crop, vocabulary: Vocabulary, path: Path) -> None:
    """Raise `UserError` where the network does not take and give what the file says about it."""
    side = [crop.size, crop.size, 3] if seen == CROPS else [21, 2]
    takes = [(each.name, list(each.shape[1:])) for each in session.get_inputs()]
    gives = {each.name: each.shape for each in session.get_outputs()}
    names = gives.get(OUTPUT_NAMES[0], ())
    if takes != [(INPUT_NAMES[seen], side)] or not {*OUTPUT_NAMES} <= {*gives} or names[-1:] != [len(vocabulary)]:
        raise UserError(f"the network in {path} is not the one that the file describes; export it again: {EXPORT}")
