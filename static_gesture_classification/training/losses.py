"""Losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary

_LEAST = 1e-6  # of 1 - p: the derivative of its power is infinite at 0
ClassWeights = Mapping[str, float] | str | None


class WeightedLoss(nn.Module):
    """A loss with optional class weights.

    Args:
        class_weights: see `weights_of`.
        vocabulary: the gestures, in class order.
        counts: training samples per gesture.
    """

    weight: Tensor | None

    def __init__(self, vocabulary: Vocabulary, counts: Sequence[int], class_weights: ClassWeights) -> None:
        super().__init__()
        self.register_buffer("weight", weights_of(class_weights, vocabulary, counts), persistent=False)


class CrossEntropy(WeightedLoss):
    """Cross-entropy; `label_smoothing` is the share of the target that is spread over all gestures, 0 to 1."""

    def __init__(
        self, vocabulary: Vocabulary, counts: Sequence[int], class_weights: ClassWeights, label_smoothing: float
    ) -> None:
        super().__init__(vocabulary, counts, class_weights)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of logits (n, classes) against class indices (n,)."""
        return cross_entropy(logits, targets, self.weight, label_smoothing=self.label_smoothing)


class Focal(WeightedLoss):
    """Focal loss (Lin et al., arXiv:1708.02002): cross-entropy times (1 - p)^gamma, p being the target's probability.

    With `gamma` 0 it is cross-entropy; larger values reduce the weight of easy samples.
    """

    def __init__(
        self, vocabulary: Vocabulary, counts: Sequence[int], class_weights: ClassWeights, gamma: float
    ) -> None:
        super().__init__(vocabulary, counts, class_weights)
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss (weighted mean, where classes are weighted) of logits (n, classes) against class indices (n,)."""
        entropy = cross_entropy(logits, targets, reduction="none")
        losses = (1 - torch.exp(-entropy)).clamp_min(_LEAST) ** self.gamma * entropy
        weights = torch.ones_like(losses) if self.weight is None else self.weight[targets]
        return (weights * losses).sum() / weights.sum()


def weights_of(class_weights: ClassWeights, vocabulary: Vocabulary, counts: Sequence[int]) -> Tensor | None:
    """Class weights (classes,) from their configuration: null, `balanced`, or a mapping gesture -> weight.

    Balanced weights are inverse to the number of training samples, 1 on average over samples; gestures that a mapping
    leaves out weigh 1.

    Raises:
        UserError: another word, a gesture that is not in the vocabulary, a weight that is not positive.
    """
    if class_weights is None:
        return None
    if isinstance(class_weights, Mapping):
        weights = torch.ones(len(vocabulary))
        for name, weight in class_weights.items():
            if not float(weight) > 0:
                raise UserError(f"loss.class_weights.{name} is {weight}; a weight must be greater than 0")
            weights[vocabulary.index(name)] = float(weight)
        return weights
    if class_weights != "balanced":
        raise UserError(f"loss.class_weights is {class_weights!r}; use null, balanced, or a mapping gesture: weight")
    samples = torch.tensor(counts, dtype=torch.float32)
    present = samples > 0
    return torch.where(present, samples.sum() / (present.sum() * samples.clamp_min(1)), torch.ones(()))
