"""Export a checkpoint to one ONNX file.

    gestures export-onnx checkpoint=models/best.ckpt output=models/best.onnx

`onnx_classifier` describes the file's inputs, outputs and metadata; the batch size is free. The file is written only if
its outputs equal the checkpoint's.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from rich.filesize import decimal
from torch import Tensor, nn

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import (
    OUTPUT_NAMES,
    SUFFIX,
    VERSION,
    load_onnx,
)
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import say
from static_gesture_classification.training.checkpoint import Classifier, load_classifier, read_checkpoint

DIFFERENCE = 1e-3  # largest allowed difference of a probability between checkpoint and file
EXAMPLES = 5
OPSET = 20


class ExportOnnxSettings(Settings):
    """Settings of `gestures export-onnx`.

    Args:
        checkpoint: that is exported.
        output: the ONNX file, or a folder for one that is named like the checkpoint.
    """

    checkpoint: Path
    output: Path

    @classmethod
    def from_config(cls, config: DictConfig) -> ExportOnnxSettings:
        """Read them."""
        return cls.read(config, "export_onnx")

    @property
    def file(self) -> Path:
        """The file to write."""
        return self.output if self.output.suffix.lower() == SUFFIX else self.output / (self.checkpoint.stem + SUFFIX)


@entry_point
def main(config: DictConfig) -> None:
    """Export the checkpoint."""
    settings = ExportOnnxSettings.from_config(config)
    difference = export_onnx(settings.checkpoint, settings.file)
    say(
        f"{settings.file}: {decimal(settings.file.stat().st_size)}; probabilities differ from the checkpoint's by at "
        f"most {difference:.1g}"
    )


def export_onnx(checkpoint: Path, output: Path) -> float:
    """Write a checkpoint's network as an ONNX file.

    Returns:
        the largest difference of a probability between checkpoint and file, on random inputs.

    Raises:
        UserError: the checkpoint is unusable, or its network differs as ONNX.
        OutputError: the file cannot be written.
    """
    classifier = load_classifier(checkpoint)
    model_name = str(read_checkpoint(checkpoint)["model"]["name"])
    with atomic_path(output) as partial:
        partial.write_bytes(onnx_bytes(classifier, model_name))
        inputs = classifier.kind.example(EXAMPLES, classifier.crop_size)
        ours, theirs = classifier.predict(inputs)[0], load_onnx(partial).predict(inputs)[0]
        difference = float(np.abs(ours - theirs).max())
        if not difference <= DIFFERENCE:  # NaN is refused too
            raise UserError(
                f"{checkpoint} exports to ONNX with probabilities that are off by {difference:.2g}; nothing was written"
            )
    return difference


def onnx_bytes(classifier: Classifier, model_name: str) -> bytes:
    """The ONNX file of a classifier: its network from input to probabilities, and metadata."""
    import onnx

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
    model = program.model_proto
    gestures = {"names": list(classifier.vocabulary.names), "background": classifier.vocabulary.background}
    crop = {"size": classifier.crop_size, "margin": classifier.crop_margin}
    about = {
        "onnx_version": VERSION,
        "gestures": json.dumps(gestures, ensure_ascii=False),
        "input": classifier.input,
        "crop": json.dumps(crop),
        "model": model_name,
        "calibration": json.dumps(asdict(classifier.calibration)),
    }
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


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


if __name__ == "__main__":
    main()
