"""The convolutional part of MediaPipe's hand landmark network: a backbone that has seen many thousand people's hands.

The file hand_landmarker.task, which the hand finder uses too, is a zip archive; hand_landmarks_detector.tflite in it is
an EfficientNet-Lite without squeeze-and-excitation, batch norms folded, in float16. Its last feature maps, averaged,
give 1,152 numbers, from which linear layers compute landmarks. Here those numbers are a crop's embedding. The network
is convolutional, so it takes squares of any size; it was trained on 224 x 224 pixels.
Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from static_gesture_classification.errors import UserError

EMBEDDING_WIDTH = 1152  # length of an embedding
_MEMBER = "hand_landmarks_detector.tflite"


class _Block(NamedTuple):
    """An inverted residual block: expanded channels, kernel, stride, output channels (0: no projection)."""

    expanded: int
    kernel: int
    stride: int
    out: int


_BLOCKS = (
    _Block(64, 3, 2, 24),
    _Block(144, 3, 1, 24),
    _Block(144, 5, 2, 40),
    _Block(240, 5, 1, 40),
    _Block(240, 3, 2, 80),
    _Block(480, 3, 1, 80),
    _Block(480, 3, 1, 80),
    _Block(480, 5, 1, 112),
    _Block(672, 5, 1, 112),
    _Block(672, 5, 1, 112),
    _Block(672, 5, 2, 192),
    _Block(1152, 5, 1, 192),
    _Block(1152, 5, 1, 192),
    _Block(1152, 5, 1, 192),
    _Block(1152, 3, 1, 0),
)


class SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's padding "SAME", which for stride 2 pads more on the right and at the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        """The convolved image (n, out, ceil(height / stride), ceil(width / stride))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = [_same_padding(size, kernel, stride) for size in (input.shape[3], input.shape[2])]
        return super().forward(functional.pad(input, [*pads[0], *pads[1]]))


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, project; with the input added where the shapes agree."""

    def __init__(self, channels: int, block: _Block) -> None:
        super().__init__()
        wide = block.expanded
        self.expand = SameConvolution(channels, wide, 1)
        self.depthwise = SameConvolution(wide, wide, block.kernel, block.stride, groups=wide)
        self.project = SameConvolution(wide, block.out, 1) if block.out else nn.Identity()
        self.is_residual = block.stride == 1 and block.out == channels

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        wide = functional.relu6(self.depthwise(functional.relu6(self.expand(images))))
        return self.project(wide) + images if self.is_residual else self.project(wide)


class HandNetwork(nn.Module):
    """Embeddings of crops, frozen.

    Args:
        size: crops are resampled to this many pixels per side before the network sees them.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.stem = SameConvolution(3, 24, 3, 2)
        self.depthwise = SameConvolution(24, 24, 3, groups=24)
        self.project = SameConvolution(24, 16, 1)
        channels = (16, *(block.out for block in _BLOCKS))
        self.blocks = nn.Sequential(
            *(InvertedResidual(wide, block) for wide, block in zip(channels, _BLOCKS, strict=False))
        )
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, crops: Tensor) -> Tensor:
        """Embeddings float32 (n, 1152) of RGB crops (n, 3, side, side), uint8 or float, 0 to 255."""
        images = crops.float() / 255
        if images.shape[2] != self.size:
            images = functional.interpolate(images, size=(self.size, self.size), mode="bilinear", align_corners=False)
        images = functional.relu6(self.depthwise(functional.relu6(self.stem(images))))
        return self.blocks(self.project(images)).mean(dim=(2, 3))

    def read_weights(self, file: Path) -> None:
        """Read the weights from hand_landmarker.task.

        Raises:
            UserError: it is another file.
        """
        convolutions = [module for module in self.modules() if isinstance(module, SameConvolution)]
        try:
            with zipfile.ZipFile(file) as archive:
                found = list(_convolutions(archive.read(_MEMBER)))[: len(convolutions)]
            for convolution, (kernel, bias) in zip(convolutions, found, strict=True):
                channels_last = torch.from_numpy(kernel)
                order = (3, 0, 1, 2) if convolution.groups > 1 else (0, 3, 1, 2)
                convolution.weight.copy_(channels_last.permute(order))
                assert convolution.bias is not None
                convolution.bias.copy_(torch.from_numpy(bias))
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{file} is not MediaPipe's hand_landmarker.task ({error}); remove it, so that it is fetched anew, or "
                "set detector.model.path"
            ) from error


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _convolutions(model: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Kernels (out, h, w, in), of depthwise ones (1, h, w, channels), and biases, float32, in the network's order."""
    import tflite

    root = tflite.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    halves = {}  # the float16 tensor of each float32 one
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = root.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        inputs = operator.InputsAsNumpy()
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            halves[int(operator.OutputsAsNumpy()[0])] = int(inputs[0])
        elif kind in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            yield tuple(_constant(root, graph.Tensors(halves[int(index)])) for index in inputs[1:3])  # type: ignore[misc]


def _constant(root, tensor) -> np.ndarray:  # type: ignore[no-untyped-def]  # the generated classes have no types
    values = root.Buffers(tensor.Buffer()).DataAsNumpy().view(np.float16).astype(np.float32)
    return values.reshape(tensor.ShapeAsNumpy())
