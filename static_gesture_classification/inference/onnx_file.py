"""A checkpoint's network as an ONNX file. `deployment.export_onnx` is the command; the recorder exports for speed.

`onnx_classifier` describes the file's inputs, outputs and metadata; the batch size is free. A file is written only if
its answers are the checkpoint's.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import (
    ONNX_VERSION,
    OUTPUT_NAMES,
    AnyClassifier,
    load_onnx,
)
from static_gesture_classification.training.answers import Answers
from static_gesture_classification.training.checkpoint import Classifier, load_classifier, read_checkpoint

DIFFERENCE = 1e-4  # largest allowed difference of a probability between checkpoint and file
EXAMPLES = 5
OPSET = 20


def write_onnx(checkpoint: Path, output: Path) -> float:
    """Write a checkpoint, with its weights for use, as an ONNX file, compared with it on random inputs.

    Returns:
        the largest difference of a probability.

    Raises:
        UserError: the checkpoint is unusable, or its network differs as ONNX.
        OutputError: the file cannot be written.
    """
    classifier = load_classifier(checkpoint, for_use=True)
    with atomic_path(output) as partial:
        partial.write_bytes(with_metadata(onnx_graph(classifier), onnx_metadata(classifier, checkpoint)))
        example = classifier.kind.example(EXAMPLES, classifier.crop_size)
        return check_parity(classifier, load_onnx(partial), example, checkpoint)


def check_parity(original: AnyClassifier, copy: AnyClassifier, inputs: np.ndarray, checkpoint: Path) -> float:
    """The largest difference of a probability, or of the strangeness, between a checkpoint and its ONNX file.

    Args:
        original, copy: the checkpoint's classifier, and the file's.
        inputs: of n hands, n at least 1, as the kind joins them.
        checkpoint: for the message.

    Raises:
        UserError: it is more than `DIFFERENCE`.
    """
    difference = largest_difference(original.answers(inputs), copy.answers(inputs))
    if not difference <= DIFFERENCE:  # NaN is refused too
        raise UserError(
            f"{checkpoint} exports to ONNX with probabilities that are off by {difference:.2g}, more than "
            f"{DIFFERENCE:g}; nothing was written"
        )
    return difference


def largest_difference(ours: Answers, theirs: Answers) -> float:
    """The largest difference of a probability, or of the strangeness, between two answers about the same hands."""
    pairs = ((ours.probabilities, theirs.probabilities), (ours.strangeness, theirs.strangeness))
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def onnx_graph(classifier: Classifier) -> bytes:
    """The ONNX graph of a classifier, from the arrays of `InputKind.feed` to its answer; without metadata."""
    example = classifier.kind.feed(classifier.kind.example(EXAMPLES, classifier.crop_size))
    hands = torch.export.Dim("hands")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecations inside the exporter
        program = torch.onnx.export(
            ExportedNetwork(classifier).eval(),
            tuple(map(torch.from_numpy, example.values())),
            input_names=list(example),
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes={"inputs": tuple({0: hands} for _ in example)},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto.SerializeToString()


def with_metadata(graph: bytes, metadata: Mapping[str, Any]) -> bytes:
    """An ONNX file with metadata: texts as they are, everything else as JSON."""
    import onnx

    model = onnx.load_from_string(graph)
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in metadata.items()
    }
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def onnx_metadata(classifier: Classifier, checkpoint: Path) -> dict[str, Any]:
    """The metadata that a program needs to use the file (`onnx_classifier`)."""
    model = read_checkpoint(checkpoint)["model"]
    return {
        "onnx_version": ONNX_VERSION,
        "gestures": {"names": list(classifier.vocabulary.names), "background": classifier.vocabulary.background},
        "input": classifier.input,
        "crop": {"size": classifier.crop_size, "margin": classifier.crop_margin},
        "model": str(model["name"]),
        "calibration": asdict(classifier.calibration),
        "normalisation": model.get("normalisation") if classifier.kind.needs_crops else None,
    }


class ExportedNetwork(nn.Module):
    """A classifier's network and answer, from input arrays to `OUTPUT_NAMES`, as one graph."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network, self.answer = classifier.network, classifier.answer
        self.to_network = classifier.kind.to_network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (n, classes), embeddings (n, features) and strangeness (n,)."""
        embeddings = self.network.embed(self.to_network(*(array.float() for array in inputs)))
        probabilities, strangeness = self.answer(self.network.head(embeddings))
        return probabilities, embeddings, strangeness
