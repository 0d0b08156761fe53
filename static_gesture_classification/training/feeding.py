"""How batches reach the device: from disk one by one, from disk ahead of the step, or from the device's own memory.

The batches are the same, in the same order, whichever way they take: `trainer.store` and `trainer.ahead` change the
time of a training, not its result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from static_gesture_classification.training.batches import Batch, PreparedHandsDataset

_AT_ONCE = 4096  # hands that are copied to the device at a time
_SHARE = 0.5  # of the device's free memory that hands may take; the rest is for the network and its gradients


@dataclass(frozen=True)
class Feeding:
    """`trainer.store` and `trainer.ahead` of the configuration.

    Args:
        store: where hands are kept: on disk ("host") or in the device's memory; "auto": there, if it is a GPU and they
            take at most half of what is free.
        ahead: batches that are read, and copied to a GPU, while a step runs; of hands on disk.
    """

    store: Literal["auto", "host", "device"] = "host"
    ahead: int = 0

    def is_on_device(self, hands: Sequence[PreparedHandsDataset], device: torch.device) -> bool:
        """Whether hands, of all splits together, are to be kept in the device's memory."""
        if self.store != "auto":
            return self.store == "device"
        if device.type != "cuda":
            return False
        return sum(map(bytes_of, hands)) <= _SHARE * torch.cuda.mem_get_info(device)[0]

    def loader(
        self, hands: PreparedHandsDataset, batches: Any, device: torch.device, on_device: bool
    ) -> DataLoader[Batch]:
        """What gives the batches.

        Args:
            hands: prepared hands.
            batches: gives the positions (k,) of each batch.
            device: of the network.
            on_device: see `is_on_device`.
        """
        if self.ahead and not on_device:
            return BatchesAhead(hands, batches, self.ahead, device)
        return DataLoader(
            HandsOnDevice(hands, device) if on_device else hands,
            batch_size=None,
            sampler=batches,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available() and not on_device,
            generator=torch.Generator(),  # its own, so that opening a loader draws nothing from the run's random state
        )


def bytes_of(hands: PreparedHandsDataset) -> int:
    """What hands take in memory: bytes."""
    one = hands.arrays(np.arange(min(1, len(hands))))
    return len(hands) * sum(array.nbytes for array in one)


class HandsOnDevice(Dataset[Batch]):
    """Hands in the memory of a device, from which batches are gathered.

    Args:
        hands: prepared hands, which are read once.
        device: of torch; the processor's memory is one too.
    """

    def __init__(self, hands: PreparedHandsDataset, device: torch.device) -> None:
        self._kind, self._device = hands.kind, device
        self._targets = torch.from_numpy(hands.targets[hands.rows]).to(device)
        self._rows = torch.from_numpy(hands.rows).to(device)
        self._parts: list[Tensor] = []
        for start in range(0, len(hands), _AT_ONCE):
            arrays = hands.arrays(np.arange(start, min(start + _AT_ONCE, len(hands))))
            self._put(start, [torch.from_numpy(array) for array in arrays], len(hands))

    def _put(self, start: int, parts: Sequence[Tensor], count: int) -> None:
        if not self._parts:
            self._parts = [part.new_empty((count, *part.shape[1:]), device=self._device) for part in parts]
        for whole, part in zip(self._parts, parts, strict=True):
            whole[start : start + len(part)] = part.to(self._device)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: np.ndarray) -> Batch:
        """The batch at these positions."""
        at = torch.from_numpy(positions).to(self._device)
        inputs = self._kind.to_network(*(part[at] for part in self._parts))
        return Batch(inputs, self._targets[at], self._rows[at])


class BatchesAhead(DataLoader[Batch]):
    """Batches that a thread reads, and copies to a GPU from pinned memory, while the network computes on earlier ones.

    Args:
        hands: prepared hands.
        sampler: gives the positions (k,) of each batch; Lightning tells it the epoch.
        ahead: batches that are read before they are asked for.
        device: of the network.
    """

    def __init__(self, hands: PreparedHandsDataset, sampler: Any, ahead: int, device: torch.device) -> None:
        super().__init__(hands, batch_size=None, sampler=sampler, collate_fn=_as_it_is)
        self._ahead, self._device = ahead, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        waiting: deque[Future[tuple[Batch, Any]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="batches ahead") as thread:
            try:
                for positions in self.sampler:
                    waiting.append(thread.submit(self._read, positions))
                    if len(waiting) > self._ahead:
                        yield self._ready(*waiting.popleft().result())
                while waiting:
                    yield self._ready(*waiting.popleft().result())
            finally:  # also where the epoch ends early
                for batch in waiting:
                    batch.cancel()

    def _read(self, positions: np.ndarray) -> tuple[Batch, Any]:
        """A batch on its way to the device, and the event of its arrival."""
        batch = self.dataset[positions]
        if self._stream is None:
            return batch, None
        with torch.cuda.stream(self._stream):
            batch = Batch(*(_on_its_way(part, self._device) for part in batch))
            return batch, self._stream.record_event()

    def _ready(self, batch: Batch, arrival: Any) -> Batch:
        """The batch, for what is computed from now on."""
        if arrival is not None:
            now = torch.cuda.current_stream(self._device)
            now.wait_event(arrival)
            for tensor in _tensors_of(batch):
                tensor.record_stream(now)  # its memory is not given away while the step reads it
        return batch


def _on_its_way(part: Any, device: torch.device) -> Any:
    if isinstance(part, tuple):
        return tuple(_on_its_way(each, device) for each in part)
    return part.pin_memory().to(device, non_blocking=True)


def _tensors_of(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    else:
        for each in part:
            yield from _tensors_of(each)


def _as_it_is(batch: Any) -> Any:
    return batch
