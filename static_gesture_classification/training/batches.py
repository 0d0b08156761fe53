"""A batch, and the hands that batches are made of; crops stay on disk, and uint8 until they are on the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from static_gesture_classification.training.inputs import InputKind, PreparedHands
from static_gesture_classification.training.mapped_memory import MappedMemory


class Batch(NamedTuple):
    """A batch: what the network takes (see `InputKind.batch`), class indices (n,), table rows (n,)."""

    inputs: Any
    targets: Tensor
    rows: Tensor


class PreparedHandsDataset(Dataset[Batch]):
    """Some rows of prepared hands, in whole batches, so that nothing is done per sample.

    Args:
        kind: the input kind.
        hands: prepared hands.
        targets: class index of each hand (n,).
        rows: the rows of this data set.
    """

    def __init__(self, kind: InputKind, hands: PreparedHands, targets: np.ndarray, rows: np.ndarray) -> None:
        self.kind, self.hands, self.targets, self.rows = kind, hands, targets, rows
        self._memory = MappedMemory(hands.crops, hands.points)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> Batch:
        """The batch at these positions in `rows`."""
        rows = self.rows[positions]
        inputs = self.kind.to_network(*map(torch.from_numpy, self.arrays(positions)))
        return Batch(inputs, torch.from_numpy(self.targets[rows]), torch.from_numpy(rows))

    def arrays(self, positions: np.ndarray) -> list[np.ndarray]:
        """The inputs at these positions, as arrays that the kind makes the network's input of (`InputKind.feed`)."""
        rows = self.rows[positions]
        feed = self.kind.feed(self.kind.take(self.hands.crops, self.hands.points, rows))
        self._memory.note(len(rows))
        return [np.ascontiguousarray(array) for array in feed.values()]
