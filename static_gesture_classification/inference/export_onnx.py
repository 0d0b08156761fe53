"""Export a checkpoint to one ONNX file, for onnxruntime and whatever else reads ONNX.

    gestures export-onnx checkpoint=models/best.ckpt output=models/best.onnx

The file's inputs, outputs and metadata are those of `onnx_classifier`; any number of hands goes through at once. What
it gives is compared with what the checkpoint gives before it is written.
"""

from __future__ import annotations

import json
import warnings
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
    CROPS,
    INPUT_NAMES,
    OUTPUT_NAMES,
    SUFFIX,
    VERSION,
    load_onnx,
)
from static_gesture_classification.samples import LANDMARKS as POINTS
from static_gesture_classification.terminal import console
from static_gesture_classification.training.checkpoint import Classifier, load_classifier, read_checkpoint

DIFFERENCE = 1e-3  # of a probability, between checkpoint and file, above which the export is refused
EXAMPLES = 5
OPSET = 20


@entry_point
def main(config: DictConfig) -> None:
    """Export the checkpoint."""
    checkpoint, output = Path(config.checkpoint), output_file(config)
    difference = export(checkpoint, output)
    console.print(
        f"{output}: {decimal(output.stat().st_size)}; probabilities differ from the checkpoint's by at most "
        f"{difference:.1g}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def output_file(config: DictConfig) -> Path:
    """Where to export to: `output`, or in it, where it is a folder, a file named like the checkpoint."""
    output = Path(config.output)
    return output if output.suffix.lower() == SUFFIX else output / (Path(config.checkpoint).stem + SUFFIX)


def export(checkpoint: Path, output: Path) -> float:
    """Write a checkpoint's network as an ONNX file.

    Returns:
        the largest difference between the probabilities of the two, over random inputs.

    Raises:
        UserError: the checkpoint is unusable, or its network comes out different as ONNX.
        OutputError: the file cannot be written.
    """
    classifier = load_classifier(checkpoint)
    model_name = str(read_checkpoint(checkpoint)["model"]["name"])
    with atomic_path(output) as partial:
        partial.write_bytes(onnx_bytes(classifier, model_name))
        inputs = example_inputs(classifier, EXAMPLES)
        ours, theirs = classifier.predict(inputs)[0], load_onnx(partial).predict(inputs)[0]
        difference = float(np.abs(ours - theirs).max())
        if not difference <= DIFFERENCE:  # NaN is refused too
            raise UserError(
                f"{checkpoint} exports to ONNX with probabilities that are off by {difference:.2g}; nothing was written"
            )
    return difference


def onnx_bytes(classifier: Classifier, model_name: str) -> bytes:
    """The ONNX file of a classifier: its network from input to probabilities, and what the file says about itself."""
    import onnx

    example = torch.from_numpy(example_inputs(classifier, EXAMPLES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecations inside the exporter
        program = torch.onnx.export(
            Exported(classifier).eval(),
            (example,),
            input_names=[INPUT_NAMES[classifier.input]],
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes={"inputs": {0: torch.export.Dim("hands")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    gestures = {"names": list(classifier.vocabulary.names), "background": classifier.vocabulary.background}
    crop = {"size": classifier.crop_size, "margin": classifier.crop_margin}
    said = {
        "onnx_version": VERSION,
        "gestures": json.dumps(gestures, ensure_ascii=False),
        "input": classifier.input,
        "crop": json.dumps(crop),
        "model": model_name,
    }
    onnx.helper.set_model_props(model, said)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


class Exported(nn.Module):
    """A classifier's network from what it is given to what it says, as one graph."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = classifier.network
        self.sees_crops = classifier.input == CROPS

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, classes) and embeddings (n, features) of crops or points."""
        embeddings = self.network.embed(inputs.permute(0, 3, 1, 2).float() if self.sees_crops else inputs)
        return self.network.head(embeddings).softmax(1), embeddings


def example_inputs(classifier: Classifier, count: int) -> np.ndarray:
    """Random crops or points as the classifier takes them."""
    random = np.random.default_rng(0)
    if classifier.input == CROPS:
        return random.integers(0, 256, (count, classifier.crop_size, classifier.crop_size, 3), np.uint8)
    return random.random((count, POINTS, 2), np.float32)


if __name__ == "__main__":
    main()
