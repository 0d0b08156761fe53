"""From a network's logits to its answer, as part of the network: see `answers` for what it means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from static_gesture_classification.training.answers import Calibration


class Answer(nn.Module):
    """Computes the answer to logits, as `Calibration.probabilities` does; exported with the network.

    Args:
        calibration: temperature and advantage.
        background: class index of the background gesture; None without one.
    """

    def __init__(self, calibration: Calibration | None = None, background: int | None = None) -> None:
        super().__init__()
        self.calibration, self.background = calibration or Calibration(), background

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, classes) and strangeness (n,) of logits (n, classes)."""
        temperature, advantage = self.calibration.temperature, self.calibration.advantage
        if self.background is None:
            return (logits / temperature).softmax(1), torch.zeros_like(logits[:, 0])
        columns = list(logits.unbind(1))
        columns[self.background] = columns[self.background] + advantage
        scores = torch.stack(columns, dim=1) / temperature
        known = torch.stack(columns[: self.background] + columns[self.background + 1 :], dim=1) / temperature
        return scores.softmax(1), torch.sigmoid(scores[:, self.background] - known.amax(1))
