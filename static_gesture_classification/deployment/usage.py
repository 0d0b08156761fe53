"""Ten lines of Python that use an exported file with onnxruntime alone: for the model card, and for the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from static_gesture_classification.inference.onnx_classifier import OnnxClassifier

# The type names of ONNX -> those of NumPy.
TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(bool)": "bool", "tensor(int64)": "int64"}


@dataclass(frozen=True)
class NetworkInput:
    """An input of the network: its name, NumPy's name of its type, its shape without the number of hands."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def shape_in_words(self) -> str:
        """For example `(hands, 21, 2)`."""
        return f"({', '.join(map(str, ('hands', *self.shape)))}{'' if self.shape else ','})"


def network_inputs(network: OnnxClassifier) -> tuple[NetworkInput, ...]:
    """The inputs of a file's network."""
    return tuple(
        NetworkInput(each.name, TYPES.get(each.type, each.type), tuple(each.shape[1:]))
        for each in network.session.get_inputs()
    )


def usage(file: str, inputs: Sequence[NetworkInput], about: Mapping[str, Any]) -> list[str]:
    """The section's lines: a Python program that names the gesture of each hand, and what it is given."""
    names = [each.name for each in inputs]
    lines = ["", "```python", *program(file, inputs, about), "```", ""]
    if "points" in names:
        lines += [
            "`points.npy` holds float32 (hands, 21, 2): x and y of the 21 landmarks in MediaPipe's order, in pixels or "
            "in any unit that is the same for both. (MediaPipe gives shares of width and height: multiply by them.)",
        ]
    if "crops" in names:
        lines += [
            f"`hand.png` is a square cut out around the hand's box, {about['crop']['margin']} of its longer side added "
            "on each side.",
        ]
    if {"points", "crops"} <= {*names}:
        lines += ["Both are of the same hands. One may be missing: an entirely black crop, or points that are NaN."]
    others = [name for name in names if name not in ("points", "crops")]
    if others:
        lines += [f"{', '.join(f'`{name}`' for name in others)}: 1 where that part is there, 0 where it is missing."]
    return lines


def program(file: str, inputs: Sequence[NetworkInput], about: Mapping[str, Any]) -> list[str]:
    """The program's lines. It reads hand.png, points.npy or both, and prints a gesture and its probability per hand."""
    size = about["crop"]["size"]
    reads = {
        "points": ['points = np.load("points.npy").astype(np.float32)  # (hands, 21, 2), in pixels'],
        "crops": [
            f'image = Image.open("hand.png").convert("RGB").resize(({size}, {size}))',
            "crops = np.asarray(image)[None]  # (hands, size, size, 3), RGB, 0 to 255",
        ],
    }
    given = [each.name for each in inputs]
    first = given[0]
    fill = {each.name: f"{each.name} = np.ones(len({first}), np.{each.kind})" for each in inputs}
    feed = ", ".join(f'"{name}": {name}' for name in given)
    return [
        "import json",
        "",
        "import numpy as np",
        "import onnxruntime",
        *(["from PIL import Image"] if "crops" in given else []),
        "",
        f'model = onnxruntime.InferenceSession("{file}")',
        'names = json.loads(model.get_modelmeta().custom_metadata_map["gestures"])["names"]',
        *(line for name in given for line in reads.get(name, [fill[name]])),
        f'[probabilities] = model.run(["probabilities"], {{{feed}}})',
        "for row in probabilities:",
        "    print(names[row.argmax()], round(float(row.max()), 3))",
    ]
