"""Batches for training, as the input kind makes them; crops stay on disk, and uint8 until they are on the device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Sampler

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.samples import BOX, group_of
from static_gesture_classification.training.batches import Batch, PreparedHandsDataset
from static_gesture_classification.training.feeding import Feeding
from static_gesture_classification.training.inputs import InputKind, PreparedHands
from static_gesture_classification.training.lightning import LightningDataModule
from static_gesture_classification.training.mapped_memory import MappedMemory
from static_gesture_classification.training.models.network import Network
from static_gesture_classification.training.ranks import Ranks
from static_gesture_classification.training.settings import SamplerSettings

PLAIN = SamplerSettings()
ONE_RANK = Ranks()
FROM_DISK = Feeding()
_HASHED_ROWS = 65_536  # rows at a time, so that hashing needs no memory for all
_HASHED_CROPS = 16_384  # at most, evenly spaced; hashing all crops of a large data set takes too long
_CROPS_AT_ONCE = 64  # crops that are hashed at a time: those of one call are asked of the disk together


class SeededBatches(Sampler[np.ndarray]):
    """Whole batches of positions (k,) in an order that is a function of seed and epoch alone.

    Several ranks share each step's samples: rank r takes the r-th batch of every `world` consecutive ones. So they see
    together what one process with `world` times the batch size sees.

    Args:
        length: number of samples.
        batch_size: samples per batch; an incomplete last step of a pass is left out unless it is the only one, which
            the ranks then share evenly.
        seed: of the order.
        passes: how often an epoch goes through all samples, each time in a new order.
        weights: (length,) how often a pass has each sample, on average, up to a factor; None: once. A pass is a
            systematic sample (Madow, "On the theory of systematic sampling, II", 1949): each sample comes as often as
            its weight says, rounded up or down.
        ranks: this process among those that train, which are no more than samples.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        passes: int = 1,
        weights: np.ndarray | None = None,
        ranks: Ranks = ONE_RANK,
    ) -> None:
        self.length, self.seed, self.passes, self.ranks, self.epoch = length, seed, passes, ranks, 0
        self.batch_size = min(batch_size, length // ranks.world)
        self._ends = None if weights is None else length * np.cumsum(weights) / weights.sum()

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.passes * self._steps

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(self.passes):
            order = self._one_pass(np.random.default_rng([self.seed, self.epoch, number]))
            for step in range(self._steps):
                start = (step * self.ranks.world + self.ranks.rank) * self.batch_size
                yield order[start : start + self.batch_size]

    @property
    def _steps(self) -> int:
        """Steps of a pass."""
        return self.length // (self.batch_size * self.ranks.world)

    def _one_pass(self, random: np.random.Generator) -> np.ndarray:
        if self._ends is None:
            return random.permutation(self.length)
        places = np.arange(self.length) + random.random()
        return random.permutation(np.searchsorted(self._ends, places, side="right").clip(max=self.length - 1))


class GestureDataModule(LightningDataModule):
    """The hands of the splits train and val that the kind can see. The test split is not touched here.

    Args:
        kind: the model's input kind.
        hands: prepared hands; those with an empty split are left out.
        vocabulary: the gestures, in class order.
        batch_size: samples per step.
        seed: of the order in which training samples come.
        overfit_samples: train and validate on this many training samples only.
        passes: how often an epoch goes through the training samples.
        sampler: how often a pass has each of them.
        ranks: this process among those that train.
        feeding: how batches get to the device.

    Raises:
        DataError: a split cannot be trained or validated on.
    """

    def __init__(
        self,
        kind: InputKind,
        hands: PreparedHands,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        overfit_samples: int | None = None,
        passes: int = 1,
        sampler: SamplerSettings = PLAIN,
        ranks: Ranks = ONE_RANK,
        feeding: Feeding = FROM_DISK,
    ) -> None:
        super().__init__()
        self.kind, self.hands, self.vocabulary, self.sampler, self.ranks = kind, hands, vocabulary, sampler, ranks
        self.batch_size, self.seed, self.passes = batch_size, seed, passes
        self.samples = hands.samples
        self._trained_on, self.feeding = hands, feeding
        self._on_device: bool | None = None
        self.targets = np.asarray(vocabulary.indices(self.samples["gesture"].tolist()), np.int64)
        self._usable = kind.usable(hands.points, len(self.samples))
        if len(self._usable) and not self._usable.any():
            raise DataError(
                "no sample has landmarks; let the landmarks stage extract them (landmarks.extract=always), then run "
                "dvc repro"
            )
        self.rows = {name: self._rows_of([name]) for name in ("train", "val")}
        self._check_splits()
        if overfit_samples:
            chosen = np.random.default_rng(seed).permutation(self.rows["train"])[:overfit_samples]
            self.rows = {"train": np.sort(chosen), "val": np.sort(chosen)}

    def with_further(self, splits: Sequence[str]) -> GestureDataModule:
        """The same data, of which these splits are trained on too."""
        data = copy.copy(self)
        data.rows = {**self.rows, "train": np.union1d(self.rows["train"], self._rows_of(splits))}
        data._trained_on, data._on_device = self.hands, None
        return data

    def precompute(self, network: Network, model: Mapping[str, Any], device: str, engine: EngineSettings) -> None:
        """Compute what is the same in every epoch: see `InputKind.precompute`. Other ranks read what rank 0 keeps."""
        rows = np.unique(np.concatenate(list(self.rows.values())))
        with self.ranks.one_after_another():
            self._trained_on = self.kind.precompute(self.hands, rows, network, model, device, engine)

    def counts(self, split: str) -> list[int]:
        """Samples per gesture, in class order, of a split."""
        return np.bincount(self.targets[self.rows[split]], minlength=len(self.vocabulary)).tolist()

    def fingerprint(self) -> str:
        """Hash of the inputs (evenly spaced ones if there are many crops), labels, splits and weights of samples."""
        digest, memory = hashlib.blake2b(digest_size=16), MappedMemory(self.hands.crops, self.hands.points)
        for split, rows in self.rows.items():
            for some in np.split(rows, range(_HASHED_ROWS, len(rows), _HASHED_ROWS)):
                for column in ("sample_id", "gesture"):
                    digest.update(f"{split} {column} {self.samples[column].iloc[some].tolist()}".encode())
            if self.hands.crops is not None:
                digest.update(np.ascontiguousarray(self.samples[list(BOX)].to_numpy(np.float32)[rows]).tobytes())
                chosen = rows[:: max(1, len(rows) // _HASHED_CROPS)]
                for some in np.split(chosen, range(_CROPS_AT_ONCE, len(chosen), _CROPS_AT_ONCE)):
                    digest.update(self.hands.crops[some].tobytes())
                    memory.note(len(some))
            if self.hands.points is not None:
                for some in np.split(rows, range(_HASHED_ROWS, len(rows), _HASHED_ROWS)):
                    digest.update(self.hands.points[some].tobytes())
            memory.give_back()
        if (weights := self._weights()) is not None:
            digest.update(weights.tobytes())
        return digest.hexdigest()

    def inputs(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Inputs of some table rows in their order, in batches, so that not all are in memory at once."""
        memory = MappedMemory(self.hands.crops, self.hands.points)
        for some in np.split(rows, range(self.kind.batch_size, len(rows), self.kind.batch_size)):
            yield self.kind.take(self.hands.crops, self.hands.points, some)
            memory.note(len(some))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the train split in a new order every pass; an incomplete last batch is left out."""
        rows = self.rows["train"]
        batches = SeededBatches(len(rows), self.batch_size, self.seed, self.passes, self._weights(), self.ranks)
        return self._loader("train", batches)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the val split in the order of the table."""
        return self._loader("val", self.val_batches())

    def val_batches(self) -> list[np.ndarray]:
        """Positions in the val split of this rank's batches: every sample is in one batch of one rank.

        All ranks have equally many, since they wait for each other at every batch; their sizes differ by one at most.
        """
        count, size = len(self.rows["val"]), max(self.batch_size, self.kind.batch_size)
        world = self.ranks.world
        if world == 1:
            return np.split(np.arange(count), range(size, count, size))
        return np.array_split(np.arange(count), world * -(-count // (world * size)))[self.ranks.rank :: world]

    def _rows_of(self, splits: Sequence[str]) -> np.ndarray:
        """The rows of some splits that the kind can see, ascending."""
        return np.flatnonzero(self.samples["split"].isin(splits).to_numpy() & self._usable)

    def _weights(self) -> np.ndarray | None:
        """Weights of the train rows."""
        return sampling_weights(self.samples.iloc[self.rows["train"]], self.sampler)

    def _loader(self, split: str, batches: Sampler[np.ndarray] | list[np.ndarray]) -> DataLoader[Batch]:
        hands = {
            name: PreparedHandsDataset(self.kind, self._trained_on, self.targets, rows)
            for name, rows in self.rows.items()
        }
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return self.feeding.loader(hands[split], batches, device, self._is_on_device(list(hands.values()), device))

    def _is_on_device(self, hands: list[PreparedHandsDataset], device: torch.device) -> bool:
        """Decided once: the first split leaves less room for the second."""
        if self._on_device is None:
            self._on_device = self.feeding.is_on_device(hands, device)
        return self._on_device

    def _check_splits(self) -> None:
        for split, rows in self.rows.items():
            if len(rows) == 0:
                raise DataError(
                    f"no sample is in the {split} split; add data or change the shares of splits, then run dvc repro"
                )
            if len(rows) < self.ranks.world:
                few = f"{len(rows)} samples of {split}"
                raise DataError(f"{self.ranks.world} devices cannot share {few}; set trainer.devices=1")
        counts = self.counts("train")
        missing = [name for name, count in zip(self.vocabulary, counts, strict=True) if count == 0]
        if missing:
            raise DataError(
                f"the train split has no sample of {', '.join(missing)}: a classifier cannot learn a gesture it never "
                "sees. Add samples of it (record, or another source), or take it out of conf/gestures/"
            )


def sampling_weights(samples: pd.DataFrame, sampler: SamplerSettings) -> np.ndarray | None:
    """How often training sees each of n samples: float64 (n,), 1 on average; None where all come alike.

    Where nobody knows the subject, the session counts as one, else the picture (`samples.group_of`).
    """
    if sampler.power == 0 or not len(samples):
        return None
    even = samples["source"].isin(sampler.even).to_numpy()
    groups = group_of(samples)
    weights = np.where(even, 1.0, groups.map(groups.value_counts()).to_numpy(np.float64) ** -sampler.power)
    if not even.all():
        weights[~even] /= weights[~even].mean()
    return weights
