"""An ONNX file with 8-bit weights and activations: quantised statically on samples of train, judged on val.

Convolutions and matrix products up to the embedding are quantised. The last layer, which the recorder refits, and the
calibration (`training.answers`) stay exact. Weights are signed, per channel; activations unsigned, in the range that
they reach on the samples (onnxruntime's QDQ format; Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018).
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np

from static_gesture_classification.deployment.training_data import TrainingData
from static_gesture_classification.errors import UserError
from static_gesture_classification.onnx_runtime import load_quantization
from static_gesture_classification.training.inputs import InputKind, PreparedHands

RANGE_SAMPLES = 256  # that the ranges of activations are read off
RANGE_BATCH = 32
QUANTISED = ("Conv", "MatMul", "Gemm")
EMBEDDING = "embedding"  # the output where it ends


def check_data(data: TrainingData | None, why: str) -> TrainingData:
    """The data that int8 needs. Raises `UserError` where they, or their val split, are missing."""
    if data is None:
        raise UserError(f"int8=true needs the samples that the checkpoint was trained on, but {why}; leave int8 out")
    for split in ("train", "val"):
        if not (data.hands.samples["split"] == split).any():
            raise UserError(
                f"int8=true needs samples in {split}, and its data have none; give it some (split.{split}), train "
                "again, or leave int8 out"
            )
    return data


def quantise(graph: bytes, kind: InputKind, train: PreparedHands) -> bytes:
    """The graph of an ONNX file with 8-bit weights and activations.

    Args:
        graph: the file, with floating-point weights.
        kind: its input kind.
        train: hands to read the ranges of activations off, at least one with what the kind needs.
    """
    quantization = load_quantization()
    rows = spread(np.flatnonzero(kind.usable(train.points, len(train.samples))))
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(graph)
        logging.disable(logging.WARNING)  # it advises a step that the exporter has done
        try:
            quantization.quantize_static(
                before,
                after,
                _Samples(kind, train, rows),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=list(QUANTISED),
                nodes_to_quantize=nodes_up_to_embedding(graph),
            )
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()


def spread(rows: np.ndarray) -> np.ndarray:
    """At most `RANGE_SAMPLES` of the rows, evenly spread over them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(RANGE_SAMPLES, len(rows))).astype(int))]


class _Samples:
    """The samples that ranges are read off: onnxruntime's `CalibrationDataReader`."""

    def __init__(self, kind: InputKind, hands: PreparedHands, rows: np.ndarray) -> None:
        starts = range(0, len(rows), RANGE_BATCH)
        self.feeds = (kind.feed(kind.take(hands.crops, hands.points, rows[at : at + RANGE_BATCH])) for at in starts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch as the network's inputs by name; None at the end."""
        return next(self.feeds, None)


def nodes_up_to_embedding(graph: bytes) -> list[str]:
    """The names of the convolutions and matrix products that the embedding is computed by."""
    import onnx

    made_by = {name: node for node in onnx.load_from_string(graph).graph.node for name in node.output}
    waiting, seen = [EMBEDDING], set[str]()
    names = []
    while waiting:
        node = made_by.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        waiting += node.input
        if node.op_type in QUANTISED:
            names.append(node.name)
    return names
