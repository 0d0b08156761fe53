"""Products of matrices compute what torch's convolutions compute, and only where they are meant to."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from static_gesture_classification.training.models.small_maps import SmallMapConv2d, speed_up_small_maps

# kernel, stride, rows, columns: a ResNet's last maps at 64 pixels, others that a kernel sees whole, strided ones
WHOLE = [(3, 1, 2, 2), (3, 1, 1, 1), (3, 1, 2, 1), (5, 1, 3, 3), (5, 1, 2, 3)]
STRIDED = [(3, 2, 4, 4), (3, 2, 7, 5), (5, 2, 8, 8), (3, 3, 9, 9)]


def convolutions(size: int, stride: int, bias: bool = False) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Torch's convolution, and its copy that is sped up."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(8, 16, size, stride, size // 2, bias=bias)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain = copy.deepcopy(ours)
    speed_up_small_maps(ours)
    assert type(ours[0]) is SmallMapConv2d
    return plain[0], ours[0]


def computed(convolution: nn.Conv2d, rows: int, columns: int, low: bool) -> dict[str, Tensor]:
    """Output and gradients, in float32."""
    torch.manual_seed(1)
    pictures = torch.randn(5, 8, rows, columns).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        output = convolution(pictures)
    (output.float() * torch.randn(output.shape)).sum().backward()
    gradients = {name: tensor.grad for name, tensor in convolution.named_parameters()}
    return {"output": output, "input": pictures.grad, **gradients}  # type: ignore[dict-item]


@pytest.mark.parametrize("low", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("size", "stride", "rows", "columns"), [*WHOLE, *STRIDED])
def test_outputs_and_gradients_are_those_of_torch(size: int, stride: int, rows: int, columns: int, low: bool) -> None:
    plain, ours = convolutions(size, stride, bias=True)
    expected, found = computed(plain, rows, columns, low), computed(ours, rows, columns, low)
    for name, wanted in expected.items():
        tolerance = 0.02 if low else 1e-5  # bfloat16 has eight bits
        assert found[name].shape == wanted.shape
        assert found[name].dtype == wanted.dtype, name
        assert (found[name] - wanted).norm() <= tolerance * wanted.norm(), name


@pytest.mark.parametrize(("size", "stride", "rows", "columns"), [(3, 1, 2, 2), (3, 2, 4, 4)])
def test_small_maps_are_computed_by_products(size: int, stride: int, rows: int, columns: int) -> None:
    _, ours = convolutions(size, stride)
    with torch.autocast("cpu", torch.bfloat16):
        output = ours(torch.randn(2, 8, rows, columns))
    assert output.grad_fn is not None
    assert output.grad_fn.name() in ("_WholeMapBackward", "_StridedBackward")


@pytest.mark.parametrize(("size", "stride", "side", "train"), [(3, 1, 3, True), (3, 2, 17, True), (3, 1, 2, False)])
def test_larger_maps_and_evaluation_are_computed_by_torch(size: int, stride: int, side: int, train: bool) -> None:
    plain, ours = convolutions(size, stride)
    plain.train(train)
    ours.train(train)
    expected, found = computed(plain, side, side, low=True), computed(ours, side, side, low=True)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(8, 8, (3, 5), padding=(1, 2)),
        nn.Conv2d(8, 8, 3, (1, 2), 1),
        nn.Conv2d(8, 8, 4, padding=2),
    ],
    ids=["1x1", "depthwise", "dilated", "circular", "same", "without padding", "oblong", "oblong stride", "even"],
)
def test_other_convolutions_stay_as_they_are(convolution: nn.Conv2d) -> None:
    speed_up_small_maps(convolution)
    assert type(convolution) is nn.Conv2d


def test_weights_keep_their_names_and_a_copy_stays_fast() -> None:
    plain, ours = convolutions(3, 1)
    assert list(ours.state_dict()) == list(plain.state_dict())
    assert type(copy.deepcopy(ours)) is SmallMapConv2d
