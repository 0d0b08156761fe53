"""The answer: from a network's logits and embeddings to the probabilities that everything else works with.

This is the one place where the two become an answer; Predictor, evaluate, recorder, predict and the ONNX graph run it.

1. Logits are divided by a temperature, so that a prediction with a score of 0.8 is right in 80 of 100 cases (Guo et
   al., "On Calibration of Modern Neural Networks", ICML 2017).
2. A hand that looks like none of the training hands of the gestures is strange: strangeness is 0 to 1, and 0.5 at the
   threshold. That share of each probability moves to the background gesture, so that a hand beyond the threshold is
   answered with it, and probabilities still sum to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Strangeness(nn.Module):
    """How far a hand's embedding is from those of training hands: the distance to the nearest of some prototypes.

    Args:
        projection: (features, k) float32, from embeddings to the space where distances count.
        prototypes: (m, k) float32, in that space.
        threshold: the distance at which strangeness is 0.5.
        width: of the slope there, in the same unit; above 0.
    """

    projection: Tensor
    prototypes: Tensor

    def __init__(self, projection: Tensor, prototypes: Tensor, threshold: float, width: float) -> None:
        super().__init__()
        self.register_buffer("projection", projection.float())
        self.register_buffer("prototypes", prototypes.float())
        self.threshold, self.width = threshold, width

    def distances(self, embeddings: Tensor) -> Tensor:
        """Distance (n,) of embeddings (n, features) to the nearest prototype."""
        projected = embeddings @ self.projection
        squares = projected.square().sum(1, keepdim=True) + self.prototypes.square().sum(1)
        return (squares - 2 * projected @ self.prototypes.T).clamp_min(0).amin(1).sqrt()

    def forward(self, embeddings: Tensor) -> Tensor:
        """Strangeness (n,), 0 to 1, of embeddings (n, features)."""
        return torch.sigmoid((self.distances(embeddings) - self.threshold) / self.width)


class Answer(nn.Module):
    """From logits and embeddings to probabilities; see the module.

    Args:
        temperature: of the softmax; above 0.
        background: class index of the background gesture; None without one, then nothing is strange.
        strangeness: None: nothing is strange.
    """

    def __init__(
        self, temperature: float = 1.0, background: int | None = None, strangeness: Strangeness | None = None
    ) -> None:
        super().__init__()
        self.temperature, self.background = temperature, background
        self.strangeness = strangeness if background is not None else None

    def forward(self, logits: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, classes) and strangeness (n,) of logits (n, classes) and embeddings (n, features)."""
        probabilities = (logits / self.temperature).softmax(1)
        if self.strangeness is None or self.background is None:
            return probabilities, torch.zeros_like(logits[:, 0])
        strange = self.strangeness(embeddings).unsqueeze(1)
        none = torch.zeros_like(probabilities[:1])
        none[:, self.background] = 1.0
        return probabilities * (1 - strange) + none * strange, strange[:, 0]
