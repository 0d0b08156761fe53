"""What a classifier looks at: the part of a crop, or the landmarks, that speak for a gesture.

Crops: LayerCAM, Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP 2021,
equations 5 to 7. It is the Grad-CAM that also holds for earlier layers: of a crop of 64 pixels a network's last layer
has 2 x 2 places, which say nothing about where. Landmarks: gradient times input, Shrikumar et al., "Not Just a Black
Box", 2016, with the points taken about their centre, because the network does not see where the hand is.
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

COARSEST = 7  # places along a side of a layer that still says where


def crop_heat(classifier: Classifier, inputs: np.ndarray, gesture: str) -> Singles | None:
    """LayerCAM of one hand: float32 (h, w), 0..1, over the whole crop; None where the network keeps no places.

    Args:
        classifier: sees crops; not traced (`load_classifier`).
        inputs: of one hand, as its kind joins them: (1, ...).
        gesture: of its vocabulary, for which the crop is to speak.
    """
    with torch.enable_grad(), _kept_maps(classifier.network.backbone) as kept:
        batch = classifier.kind.batch(inputs)
        logits = classifier.network(_with_gradient(batch))
        if not kept:
            return None
        (gradient,) = torch.autograd.grad(logits[0, classifier.vocabulary.index(gesture)], kept[-1])
    heat = (gradient.clamp_min(0) * kept[-1]).sum(dim=1)[0].clamp_min(0).detach().numpy()
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


@contextmanager
def _kept_maps(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the network's parts give, in the order in which they are called, as long as it says where in the crop."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) >= COARSEST:
            kept.append(output)

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        yield kept
    finally:
        for handle in handles:
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
