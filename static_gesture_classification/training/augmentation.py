"""Random changes of training images: on the device, a whole batch at once, every sample with its own parameters.

Brightness, contrast, saturation and hue are linear in RGB (hue as a rotation about the grey axis of YIQ), so all four
are one 3 x 4 matrix per sample; rotation, shear, shift, scale and mirroring are one affine map. So a batch is processed
twice, whatever the number of changes. Kornia's pipeline converts to HSV and back, and warps once per kind of change,
which is too slow for the training step (see benchmarks/results/training_speed.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import grid_sample

# ITU-R BT.601 luma, and the two chroma axes of YIQ (FCC NTSC standard, 1953).
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = torch.linalg.inv(_YIQ)
_LUMA = _YIQ[0]


class Augmentation(nn.Module):
    """Colour and geometric changes.

    Args:
        probability: of colour changes of a sample, and independently of geometric ones.
        brightness, contrast, saturation: factors are drawn from 1 - x to 1 + x.
        hue: turned by up to this share of the colour circle, either way.
        rotation, shear: up to this many degrees, either way.
        shift: up to this share of the image's size, either way.
        scale: smallest and largest factor.
        horizontal_flip: probability of mirroring, for every sample.
        padding: of pixels outside the image: border, reflection or zeros.
    """

    def __init__(
        self,
        probability: float,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        rotation: float,
        shear: float,
        shift: float,
        scale: Sequence[float],
        horizontal_flip: float,
        padding: str,
    ) -> None:
        super().__init__()
        self.probability = probability
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self.rotation, self.shear, self.shift, self.scale = rotation, shear, shift, (scale[0], scale[1])
        self.horizontal_flip = horizontal_flip
        self.padding = padding

    @torch.no_grad()
    def forward(self, images: Tensor, generator: Generator) -> Tensor:
        """Changed images (n, 3, size, size), float32, 0 to 255, of RGB images (n, 3, size, size), uint8.

        Args:
            images: a batch on any device.
            generator: of the CPU; parameters are drawn there, so they are the same on every device.
        """
        count, size = len(images), images.shape[-1]
        colours, affine = self.colours(count, generator), self.affine(count, size, generator)
        images = images.to(torch.float32, memory_format=torch.contiguous_format)
        if colours is not None:
            images = _recolour(images, *(part.to(images.device) for part in colours))
        if affine is not None:
            images = _warp(images, _sampling(affine, size).to(images.device), self.padding)
        return images.contiguous(memory_format=torch.channels_last)

    def colours(self, count: int, generator: Generator) -> tuple[Tensor, Tensor] | None:
        """Draw colour matrices (n, 3, 3) and contrasts (n,); None if colours do not change."""
        if self.probability == 0 or not any((self.brightness, self.contrast, self.saturation, self.hue)):
            return None
        chosen = self._chosen(count, self.probability, generator)
        brightness, contrast, saturation = (
            1 + chosen * _between(-extent, extent, count, generator)
            for extent in (self.brightness, self.contrast, self.saturation)
        )
        angle = chosen * 2 * math.pi * _between(-self.hue, self.hue, count, generator)
        chroma = torch.zeros(count, 3, 3)  # in YIQ: luma stays, chroma is turned and stretched
        chroma[:, 0, 0] = 1
        chroma[:, 1, 1] = chroma[:, 2, 2] = saturation * angle.cos()
        chroma[:, 2, 1] = saturation * angle.sin()
        chroma[:, 1, 2] = -chroma[:, 2, 1]
        return (brightness * contrast).view(-1, 1, 1) * (_RGB @ chroma @ _YIQ), contrast

    def affine(self, count: int, size: int, generator: Generator) -> Tensor | None:
        """Draw affine maps (n, 3, 3) in pixels, from the image to the changed one; None if geometry does not change."""
        moves = self.probability > 0 and any((self.rotation, self.shear, self.shift, self.scale != (1.0, 1.0)))
        if not moves and self.horizontal_flip == 0:
            return None
        chosen = self._chosen(count, self.probability, generator)
        rotation = torch.deg2rad(chosen * _between(-self.rotation, self.rotation, count, generator))
        shear = chosen * torch.deg2rad(_between(-self.shear, self.shear, count, generator))
        shift = chosen.view(-1, 1) * size * _between(-self.shift, self.shift, (count, 2), generator)
        scale = 1 + chosen * (_between(*self.scale, count, generator) - 1)
        mirrored = 1 - 2 * self._chosen(count, self.horizontal_flip, generator)
        cos, sin, centre, slant = rotation.cos(), rotation.sin(), (size - 1) / 2, shear.tan()
        turned = _maps(count, {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos})
        stretched = _maps(count, {(0, 0): scale * mirrored, (1, 1): scale})
        to_centre, back = (_maps(count, {(0, 2): by, (1, 2): by}) for by in (-centre, centre))
        moved = back @ turned @ stretched @ to_centre
        moved[:, :2, 2] += shift
        return moved @ _maps(count, {(0, 1): -slant, (0, 2): slant * centre})

    @staticmethod
    def _chosen(count: int, probability: float, generator: Generator) -> Tensor:
        return (torch.rand(count, generator=generator) < probability).float()


def _between(low: float, high: float, shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _maps(count: int, entries: Mapping[tuple[int, int], Tensor | float]) -> Tensor:
    """Matrices (count, 3, 3) of ones in the diagonal, and these entries (count,)."""
    maps = torch.eye(3).repeat(count, 1, 1)
    for (row, column), values in entries.items():
        maps[:, row, column] = values
    return maps


def _sampling(affine: Tensor, size: int) -> Tensor:
    """Where each pixel is read: the inverse of maps in pixels (n, 3, 3), in -1 to 1 across the image (n, 2, 3)."""
    half = (size - 1) / 2
    pixels = torch.tensor([[half, 0, half], [0, half, half], [0, 0, 1]])  # from -1..1 to pixels
    return (torch.linalg.inv(pixels) @ torch.linalg.inv(affine) @ pixels)[:, :2]


def _warp(images: Tensor, sampling: Tensor, padding: str) -> Tensor:
    return grid_sample(images, _grid(sampling, images.shape[-1]), padding_mode=padding, align_corners=True)


def _grid(sampling: Tensor, size: int) -> Tensor:
    """The result of torch's `affine_grid` (n, size, size, 2), as a sum of row and column parts: four times as fast."""
    line = torch.linspace(-1, 1, size, device=sampling.device)
    columns = (sampling[:, :, 0, None] * line).transpose(1, 2).contiguous()
    rows = (sampling[:, :, 1, None] * line + sampling[:, :, 2:]).transpose(1, 2).contiguous()
    return columns.unsqueeze(1) + rows.unsqueeze(2)


def _recolour(images: Tensor, matrix: Tensor, contrast: Tensor) -> Tensor:
    """Apply colour matrices; contrast stretches about the image's mean grey, estimated from every fourth pixel."""
    count, _, height, width = images.shape
    grey = torch.einsum("nchw,c->n", images[:, :, ::4, ::4], _LUMA.to(images)) / (
        len(range(0, height, 4)) * len(range(0, width, 4))
    )
    brightness = (matrix.sum((1, 2)) / 3) / contrast  # rows of a grey-keeping matrix sum to brightness x contrast
    offset = ((1 - contrast) * brightness * grey).view(-1, 1, 1)
    return torch.baddbmm(offset, matrix, images.view(count, 3, -1)).clamp_(0, 255).view_as(images)
