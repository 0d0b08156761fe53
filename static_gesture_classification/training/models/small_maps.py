"""Convolutions of the smallest maps by products of matrices, by which they train faster on a processor.

The last maps of a ResNet that sees crops of 64 pixels have two places a side. From each of them a kernel of three by
three sees the whole map, and the rest of it sees only padding: 16 of the 36 products that a convolution computes are of
something. As a linear layer of the whole map, whose weights are the kernel's, those alone are computed, for all
pictures at once. The gradient of the weights is a product of matrices also where a kernel with a stride makes a small
map (im2col: Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006).

Figures: benchmarks/results/training_speed.md.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Places a side of a strided convolution's output up to which products pay, in bfloat16 and with AVX-512.
LARGEST_OUTPUT = 8


class SmallMapConv2d(nn.Conv2d):
    """A convolution that computes by products of matrices where it trains on a processor and its maps are small."""

    def forward(self, input: Tensor) -> Tensor:
        """Output (n, out_channels, height, width) of input (n, in_channels, height, width)."""
        if not self.training or input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype
        side, stride, padding = max(input.shape[2:]), self.stride[0], self.kernel_size[0] // 2
        if stride == 1 and side <= padding + 1:
            return self._biased(_WholeMap.apply(input.to(dtype), self.weight))
        if stride > 1 and side <= LARGEST_OUTPUT * stride and dtype == torch.bfloat16:
            return self._biased(_Strided.apply(input.to(dtype), self.weight, stride))
        return super().forward(input)

    def _biased(self, output: Tensor) -> Tensor:
        return output if self.bias is None else output + self.bias.to(output.dtype).view(1, -1, 1, 1)


def speed_up_small_maps(network: nn.Module) -> None:
    """Make those convolutions of a network that can be products of matrices, `SmallMapConv2d`."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _can_be_product(module):
            module.__class__ = SmallMapConv2d


def _can_be_product(module: nn.Conv2d) -> bool:
    size, stride = module.kernel_size[0], module.stride[0]
    square = module.kernel_size == (size, size) and module.stride == (stride, stride)
    padded = module.padding == (size // 2, size // 2) and module.padding_mode == "zeros"
    return square and padded and size > 1 and size % 2 == 1 and module.groups == 1 and module.dilation == (1, 1)


class _WholeMap(torch.autograd.Function):
    """The convolution of maps that the kernel sees whole from each place, as a linear layer of all their numbers.

    The layer's matrix has a row for each place and channel of the output, a column for each of the input.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor) -> Tensor:
        _, channels, height, width = input.shape
        matrix = input.new_empty(height, width, weight.shape[0], height, width, channels)
        kernel = weight.permute(2, 3, 0, 1)
        for row in range(height):
            for column in range(width):
                matrix[row, column] = _part(kernel, row, column, height, width).permute(2, 0, 1, 3)
        flat, matrix = input.permute(0, 2, 3, 1).flatten(1), matrix.flatten(3).flatten(0, 2)
        ctx.save_for_backward(flat, matrix)
        ctx.shape, ctx.weight = input.shape, weight
        return (flat @ matrix.t()).unflatten(1, (height, width, -1)).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        flat, matrix = ctx.saved_tensors
        _, channels, height, width = ctx.shape
        of_output = gradients[0].permute(0, 2, 3, 1).flatten(1)
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = (of_output @ matrix).unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            of_matrix = (of_output.t() @ flat).view(height, width, -1, height, width, channels)
            of_weight = torch.zeros_like(ctx.weight)
            kernel = of_weight.permute(2, 3, 0, 1)
            for row in range(height):
                for column in range(width):
                    part = _part(kernel, row, column, height, width)
                    part += of_matrix[row, column].permute(1, 2, 0, 3)
        return of_input, of_weight


def _part(kernel: Tensor, row: int, column: int, height: int, width: int) -> Tensor:
    """The part of a kernel (rows, columns, ...) that sees the map where its middle is at a place of it."""
    top, left = kernel.shape[0] // 2 - row, kernel.shape[1] // 2 - column
    return kernel[top : top + height, left : left + width]


class _Strided(torch.autograd.Function):
    """The convolution whose gradient of the weights is a product: places of all pictures by what the kernel sees."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, stride: int) -> Tensor:
        low = weight.to(input.dtype)
        ctx.save_for_backward(input, low)
        ctx.stride, ctx.dtype = stride, weight.dtype
        return functional.conv2d(input, low, None, stride, weight.shape[2] // 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (gradient,), (input, weight) = gradients, ctx.saved_tensors
        size, stride, padding = weight.shape[2], ctx.stride, weight.shape[2] // 2
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            geometry = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1)
            wanted = [True, False, False]  # the input's gradient alone
            of_input = torch.ops.aten.convolution_backward(gradient, input, weight, None, *geometry, wanted)[0]
        if ctx.needs_input_grad[1]:
            rows = gradient.permute(0, 2, 3, 1).flatten(0, 2)
            product = rows.t() @ _patches(input, size, stride, padding)
            of_weight = product.to(ctx.dtype).unflatten(1, (size, size, -1)).permute(0, 3, 1, 2)
        return of_input, of_weight, None


def _patches(input: Tensor, size: int, stride: int, padding: int) -> Tensor:
    """What a kernel sees at each place of its output (n * height * width, kernel's places * channels)."""
    padded = functional.pad(input.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    rows, columns = (length - size + 1 for length in padded.shape[1:3])
    seen = [
        padded[:, row : row + rows : stride, column : column + columns : stride]
        for row in range(size)
        for column in range(size)
    ]
    return torch.cat(seen, dim=3).flatten(0, 2)
