"""What a classifier looks at: the part of a crop, or the landmarks, that speak for a gesture.

Crops: Grad-CAM over the last convolution, Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", ICCV 2017, equations 1 and 2. Landmarks: gradient times input, Shrikumar et al., "Not Just
a Black Box", 2016, with the points taken about their centre, because the network does not see where the hand is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from static_gesture_classification.arrays import Singles
from static_gesture_classification.training.checkpoint import Classifier


def crop_heat(classifier: Classifier, inputs: np.ndarray, gesture: str) -> Singles | None:
    """Grad-CAM of one hand: float32 (h, w), 0..1, over the whole crop; None where the network has no convolution.

    Args:
        classifier: sees crops; not traced (`load_classifier`).
        inputs: of one hand, as its kind joins them: (1, ...).
        gesture: of its vocabulary, for which the crop is to speak.
    """
    layer = last_convolution(classifier.network.backbone)
    if layer is None:
        return None
    with torch.enable_grad(), _kept_output(layer) as kept:
        batch = classifier.kind.batch(inputs)
        logits = classifier.network(_with_gradient(batch))
        if not kept:  # the network does not use it for this hand
            return None
        activations = kept[0]
        (gradient,) = torch.autograd.grad(logits[0, classifier.vocabulary.index(gesture)], activations)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = (weights * activations).sum(dim=1)[0].clamp_min(0).detach().numpy()
    return _to_one(heat)


def point_weights(classifier: Classifier, inputs: np.ndarray, gesture: str) -> Singles | None:
    """How much each landmark of one hand speaks for or against a gesture: float32 (21,), 0..1.

    None where the classifier sees no landmarks, or the hand has none; arguments as for `crop_heat`.
    """
    if not classifier.kind.needs_landmarks:
        return None
    with torch.enable_grad():
        batch = classifier.kind.batch(inputs)
        points = batch if isinstance(batch, Tensor) else batch[-1]
        if not torch.isfinite(points).all():
            return None
        points = points.clone().requires_grad_(True)
        logits = classifier.network(points if isinstance(batch, Tensor) else (*batch[:-1], points))
        (gradient,) = torch.autograd.grad(logits[0, classifier.vocabulary.index(gesture)], points)
    centred = points - points.mean(dim=1, keepdim=True)
    return _to_one((gradient * centred).sum(dim=2)[0].abs().detach().numpy())


def last_convolution(network: nn.Module) -> nn.Module | None:
    """The last convolution of a network, in the order in which its parts were made; None without any."""
    found = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return found[-1] if found else None


@contextmanager
def _kept_output(layer: nn.Module) -> Iterator[list[Tensor]]:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        yield kept
    finally:
        handle.remove()


def _with_gradient(batch: Any) -> Any:
    """The batch, of which gradients can be taken even where all weights are frozen."""
    first = batch if isinstance(batch, Tensor) else batch[0]
    own = first.float().requires_grad_(True)
    return own if isinstance(batch, Tensor) else (own, *batch[1:])


def _to_one(values: Singles) -> Singles:
    most = float(values.max(initial=0.0))
    scaled: Singles = (values / most if most > 0 else values).astype(np.float32)
    return scaled
