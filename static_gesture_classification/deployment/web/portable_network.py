"""The landmark network without torch: a few dense layers as numbers in a JSON file, for a program in any language.

    version          of this format
    features         version of the features that the first layer takes (`training.models.landmark_features`)
    gestures         names in class order, and the background or null
    calibration      temperature, advantage of the background (`training.answers`)
    layers           in turn: inputs, outputs, relu (whether negative outputs become 0), and weights: base64 of float32,
                     little-endian; a row of `inputs` numbers for each output, then a bias for each

Batch norms are folded into the layers beside them: the features' own into the first one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_file import largest_difference
from static_gesture_classification.training.answers import Answers
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.inputs import Landmarks
from static_gesture_classification.training.models import landmark_features

NETWORK_VERSION = 1
ALLOWED_DIFFERENCE = 1e-4  # largest allowed difference of a probability from the checkpoint's


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer: weights float64 (outputs, inputs), bias (outputs,), and whether negative outputs become 0."""

    weights: np.ndarray
    bias: np.ndarray
    relu: bool = False

    def after(self, factor: np.ndarray, offset: np.ndarray) -> Layer:
        """The layer of inputs that are multiplied by `factor` (inputs,) and moved by `offset` first."""
        return Layer(self.weights * factor, self.bias + self.weights @ offset, self.relu)

    def before(self, factor: np.ndarray, offset: np.ndarray) -> Layer:
        """The layer whose outputs are multiplied by `factor` (outputs,) and moved by `offset`."""
        return Layer(self.weights * factor[:, None], self.bias * factor + offset, self.relu)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) of inputs (n, inputs)."""
        outputs = inputs @ self.weights.T + self.bias
        return np.maximum(outputs, 0) if self.relu else outputs

    def plain(self) -> dict[str, Any]:
        """The layer as the file has it."""
        outputs, inputs = self.weights.shape
        numbers = np.concatenate([self.weights.ravel(), self.bias]).astype("<f4")
        return {
            "inputs": inputs,
            "outputs": outputs,
            "relu": self.relu,
            "weights": base64.b64encode(numbers.tobytes()).decode(),
        }


@dataclass(frozen=True)
class PortableNetwork:
    """A classifier of landmarks as dense layers, from features to logits."""

    classifier: Classifier
    layers: tuple[Layer, ...]

    def answers(self, points: np.ndarray) -> Answers:
        """The answers for points float32 (n, 21, 2), with the numbers that the file has."""
        values = landmark_features.features(torch.from_numpy(points)).double().numpy()
        embeddings = values
        for layer in self.layers:
            embeddings, values = values, layer(values)
        probabilities, strangeness = self.classifier.answer(torch.from_numpy(values))
        return Answers(probabilities.numpy(), embeddings, strangeness.numpy())

    def plain(self) -> dict[str, Any]:
        """The file's content; see the module."""
        vocabulary = self.classifier.vocabulary
        return {
            "version": NETWORK_VERSION,
            "features": landmark_features.FEATURES_VERSION,
            "gestures": {"names": list(vocabulary.names), "background": vocabulary.background},
            "calibration": asdict(self.classifier.calibration),
            "layers": [layer.plain() for layer in self.layers],
        }


def make_portable(classifier: Classifier, checkpoint: Path) -> PortableNetwork:
    """The layers of a classifier; `checkpoint` is for messages.

    Raises:
        UserError: it is no landmark model, or has a layer that is not known here.
    """
    if classifier.input != Landmarks.name:
        raise UserError(
            f"{checkpoint} sees {'crops' if classifier.input == 'crops' else 'crops and landmarks'}; the page runs "
            "landmark models only, which are small enough for a browser. Train one, in a minute: gestures retrain "
            "model=landmarks, and name it: checkpoint=models/quick/best.ckpt"
        )
    backbone = classifier.network.backbone
    parts = list(backbone) if isinstance(backbone, nn.Sequential) else [backbone]
    try:
        return PortableNetwork(classifier, layers_of([*parts, classifier.network.head]))
    except NotImplementedError as error:
        raise UserError(f"the network in {checkpoint} has a part that the page cannot run: {error}") from error


def check_portable(network: PortableNetwork, points: np.ndarray, checkpoint: Path) -> float:
    """The largest difference of a probability, or of the strangeness, from the checkpoint's on points (n, 21, 2).

    Raises:
        UserError: it is more than `ALLOWED_DIFFERENCE`.
    """
    difference = largest_difference(network.classifier.answers(points), network.answers(points))
    if not difference <= ALLOWED_DIFFERENCE:  # NaN is refused too
        raise UserError(
            f"the layers of {checkpoint} give probabilities that are off by {difference:.2g}, more than "
            f"{ALLOWED_DIFFERENCE:g}; nothing was written"
        )
    return difference


def layers_of(modules: Sequence[nn.Module]) -> tuple[Layer, ...]:
    """Dense layers of modules that follow each other, batch norms folded into them; weights as float32 holds them.

    Raises:
        NotImplementedError: a module is of another kind than those of `training.models.landmarks`.
    """
    layers: list[Layer] = []
    waiting: tuple[np.ndarray, np.ndarray] | None = None  # a norm whose layer comes after it
    for module in modules:
        if isinstance(module, nn.BatchNorm1d):
            if layers and not layers[-1].relu:
                layers[-1] = layers[-1].before(*norm_of(module))
            else:
                waiting = norm_of(module)
        elif isinstance(module, nn.Linear):
            layer = Layer(array_of(module.weight), array_of(module.bias))
            layers.append(layer if waiting is None else layer.after(*waiting))
            waiting = None
        elif isinstance(module, nn.ReLU):
            layers[-1] = Layer(layers[-1].weights, layers[-1].bias, relu=True)
        elif not isinstance(module, nn.Dropout):  # which does nothing outside training
            raise NotImplementedError(type(module).__name__)
    return tuple(Layer(round_numbers(each.weights), round_numbers(each.bias), each.relu) for each in layers)


def norm_of(norm: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """What a trained batch norm multiplies its inputs by, and moves them by then: float64 (features,) each."""
    mean, variance = array_of(norm.running_mean), array_of(norm.running_var)
    factor = 1 / np.sqrt(variance + norm.eps)
    if norm.affine:
        factor = factor * array_of(norm.weight)
    offset = -mean * factor
    return factor, offset + array_of(norm.bias) if norm.affine else offset


def array_of(tensor: torch.Tensor | None) -> np.ndarray:
    """A tensor as float64."""
    assert tensor is not None
    return tensor.detach().cpu().double().numpy()


def round_numbers(numbers: np.ndarray) -> np.ndarray:
    """Numbers as the file holds them."""
    return numbers.astype(np.float32).astype(np.float64)
