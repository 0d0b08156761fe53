"""A trained network as an ONNX file: its metadata, and how it becomes a classifier.

inputs        those of the input kind (`InputKind.feed`): crops, uint8 (n, size, size, 3), RGB; or points, float32
              (n, 21, 2), in a unit that is the same for x and y
outputs       float32: probabilities (n, classes), embedding (n, features), strangeness (n,); see `training.answers`
metadata      onnx_version, model (its name), input (the kind), and JSON:
                gestures         names, background
                crop             size (pixels), margin (of the box's longer side); 0 where it sees no crops
                calibration      temperature, and advantage of the background; in the graph
                normalisation    mean, std of pixels scaled to 0..1; in the graph; null where it sees no crops
              and, by `gestures export-onnx`, for people (this module reads none of it):
                precision        float32 or int8
                checkpoint       its SHA-256
                data             version (`checkpoint_record.data_version`), sources (hands, subjects, licence)
                scores           per split: weighted F1 with its interval, per source and per gesture
                parity           the largest difference from the checkpoint's answers, and on how many samples
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from static_gesture_classification.errors import UserError
from static_gesture_classification.file_data import parse_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.answers import Answers, Calibration
from static_gesture_classification.training.inputs import InputKind, input_kind

SUFFIX = ".onnx"
ONNX_VERSION = "2"
OUTPUT_NAMES = ("probabilities", "embedding", "strangeness")
EXPORT = "gestures export-onnx checkpoint=FILE.ckpt output=FILE.onnx"


class OnnxGestures(TypedDict):
    """The vocabulary in the file's metadata."""

    names: list[str]
    background: str | None


@dataclass(frozen=True)
class OnnxCrop:
    """How crops are cut: pixels, and share of the box's longer side; 0 for landmark models."""

    size: Annotated[int, Field(ge=0, le=4096)]
    margin: Annotated[float, Field(ge=0, le=10)]


@dataclass(frozen=True)
class OnnxCalibration:
    """How the file's logits become probabilities."""

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    advantage: Annotated[float, Field(allow_inf_nan=False)]


class AnyClassifier(Protocol):
    """The interface of `training.checkpoint.Classifier` and `OnnxClassifier`."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The gestures, in class order."""

    @property
    def input(self) -> str:
        """The name of its input kind."""

    @property
    def kind(self) -> InputKind:
        """Its input kind."""

    @property
    def crop_size(self) -> int:
        """Size of a square crop in pixels."""

    @property
    def crop_margin(self) -> float:
        """Added around the square crop, as a share of the box's longer side."""

    @property
    def calibration(self) -> Calibration:
        """How its logits become probabilities."""

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, classes) and embeddings (n, features), float32, of inputs by `InputKind.join`."""

    def answers(self, inputs: np.ndarray) -> Answers:
        """The answers for hands, of inputs by `InputKind.join`."""


@dataclass(frozen=True)
class OnnxClassifier:
    """A network of an ONNX file, run by onnxruntime on the processor. See `AnyClassifier`."""

    session: Any
    vocabulary: Vocabulary
    input: str
    crop_size: int
    crop_margin: float
    calibration: Calibration

    @property
    def kind(self) -> InputKind:
        """See `AnyClassifier.kind`."""
        return input_kind(self.input)

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `AnyClassifier.predict`."""
        answers = self.answers(inputs)
        return answers.probabilities, answers.embeddings

    def answers(self, inputs: np.ndarray) -> Answers:
        """See `AnyClassifier.answers`."""
        if not len(inputs):
            shapes = {output.name: output.shape[1:] for output in self.session.get_outputs()}
            return Answers(*(np.zeros((0, *shapes[name]), np.float32) for name in OUTPUT_NAMES))
        return Answers.join(
            [Answers(*self.session.run(OUTPUT_NAMES, self._feed(some))) for some in self.kind.batches(inputs)]
        )

    def _feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(array) for name, array in self.kind.feed(inputs).items()}


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
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common class, and all mean an unusable file
        raise UserError(f"{path} is not a readable ONNX file ({error}); export it again: {EXPORT}") from error
    about = session.get_modelmeta().custom_metadata_map
    if about.get("onnx_version") != ONNX_VERSION:
        raise UserError(
            f"{path} says {about.get('onnx_version', 'nothing')} as its onnx_version, this program reads "
            f"{ONNX_VERSION}; export it again: {EXPORT}"
        )
    way_out = f"export it again: {EXPORT}"
    crop = parse_json(about.get("crop", ""), OnnxCrop, f"{path}, its crop", way_out)
    calibration = parse_json(about.get("calibration", ""), OnnxCalibration, f"{path}, its calibration", way_out)
    gestures = parse_json(about.get("gestures", ""), OnnxGestures, f"{path}, its gestures", way_out)
    try:
        kind, vocabulary = input_kind(str(about.get("input"))), Vocabulary.from_mapping(gestures)
    except UserError as error:
        raise UserError(f"{path}, its metadata: {error}; {way_out}") from error
    _check_graph(session, kind, crop, vocabulary, path)
    return OnnxClassifier(session, vocabulary, kind.name, crop.size, crop.margin, Calibration(**asdict(calibration)))


def _check_graph(session: Any, kind: InputKind, crop: OnnxCrop, vocabulary: Vocabulary, path: Path) -> None:
    """Raise `UserError` where the network's inputs or outputs do not fit the metadata, or it does not run."""
    feed = kind.feed(kind.example(1, crop.size))
    takes = {each.name: list(each.shape[1:]) for each in session.get_inputs()}
    gives = [each.name for each in session.get_outputs()]
    if takes == {name: list(array.shape[1:]) for name, array in feed.items()} and {*OUTPUT_NAMES} <= {*gives}:
        try:
            probabilities, embeddings, strangeness = session.run(OUTPUT_NAMES, feed)
        except Exception as error:  # as above
            raise UserError(f"the network in {path} does not run ({error}); export it again: {EXPORT}") from error
        if (*probabilities.shape, *embeddings.shape[:-1], *strangeness.shape) == (1, len(vocabulary), 1, 1):
            return
    raise UserError(f"the network in {path} is not the one that the file describes; export it again: {EXPORT}")
