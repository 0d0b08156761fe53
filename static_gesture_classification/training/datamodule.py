"""Batches for training: from the crops (memory-mapped, uint8 as far as the device), or from landmarks (in memory)."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.samples import BOX, read_rows

_HASHED_CROPS = 16_384  # evenly spaced; hashing more of a large data set would take longer than it is worth
_VAL_BATCH = 65_536  # hands; nothing but memory limits it


class Batch(NamedTuple):
    """A batch: inputs, class indices (n,), table rows (n,).

    Inputs are RGB images (n, 3, size, size) uint8 in channels-last memory, or points (n, 21, 2) float32.
    """

    inputs: Tensor
    targets: Tensor
    rows: Tensor


class CropsDataset(Dataset[Batch]):
    """Some rows of the crops; hands out whole batches, so nothing is done per sample.

    Args:
        crops: (n, size, size, 3) uint8 RGB, usually memory-mapped.
        targets: class index of every crop (n,).
        rows: which rows of both this data set is made of.
    """

    def __init__(self, crops: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.crops, self.targets, self.rows = crops, targets, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch at these positions in `rows`."""
        rows = self.rows[np.asarray(indices)]
        images = torch.from_numpy(np.ascontiguousarray(self.crops[rows])).permute(0, 3, 1, 2)
        return Batch(images, torch.from_numpy(self.targets[rows]), torch.from_numpy(rows))


class LandmarksDataset(Dataset[Batch]):
    """Some rows of the landmarks; hands out whole batches.

    Args:
        points: (n, 21, 2) float32.
        targets: class index of every row (n,).
        rows: which rows of both this data set is made of.
    """

    def __init__(self, points: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.points = torch.from_numpy(np.ascontiguousarray(points[rows], np.float32))
        self.targets, self.rows = torch.from_numpy(targets[rows]), torch.from_numpy(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> Batch:
        """The batch at these positions in `rows`."""
        chosen = torch.from_numpy(positions)
        return Batch(self.points[chosen], self.targets[chosen], self.rows[chosen])


class SeededShuffle(Sampler[int]):
    """An order that is a function of seed and epoch alone, so a resumed run sees what an undisturbed one would."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        yield from np.random.default_rng([self.seed, self.epoch]).permutation(self.length).tolist()


class SeededBatches(Sampler[np.ndarray]):
    """Whole batches of positions (k,) in an order that is a function of seed and epoch alone.

    Args:
        length: number of samples.
        batch_size: samples per batch; an incomplete last one of a pass is left out where there are others.
        seed: of the order.
        passes: how often an epoch goes through all samples, each time in a new order.
    """

    def __init__(self, length: int, batch_size: int, seed: int, passes: int = 1) -> None:
        self.length, self.batch_size, self.seed, self.passes, self.epoch = length, batch_size, seed, passes, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.passes * max(1, self.length // self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(self.passes):
            order = np.random.default_rng([self.seed, self.epoch, number]).permutation(self.length)
            for batch in range(max(1, self.length // self.batch_size)):
                yield order[batch * self.batch_size : (batch + 1) * self.batch_size]


class GestureDataModule(LightningDataModule):
    """What both kinds of training data share: the splits train and val. The test split is not touched here.

    Args:
        samples: the split table. Rows with an empty split are left out.
        vocabulary: the gestures, in class order.
        batch_size: samples per step.
        seed: of the order in which training samples come.
        usable: bool (n,), rows that can be trained on; None for all.
        overfit_samples: train and validate on this many training samples only.

    Raises:
        DataError: a split cannot be trained or validated on.
    """

    inputs: str  # what there is of each sample, for people

    def __init__(
        self,
        samples: pd.DataFrame,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        usable: np.ndarray | None = None,
        overfit_samples: int | None = None,
    ) -> None:
        super().__init__()
        self.samples, self.vocabulary = samples, vocabulary
        self.batch_size, self.seed = batch_size, seed
        self.targets = np.asarray(vocabulary.indices(samples["gesture"].tolist()), np.int64)
        used = np.ones(len(samples), bool) if usable is None else usable
        self.rows = {name: np.flatnonzero((samples["split"].to_numpy() == name) & used) for name in ("train", "val")}
        self._check_splits()
        if overfit_samples:
            chosen = np.random.default_rng(seed).permutation(self.rows["train"])[:overfit_samples]
            self.rows = {"train": np.sort(chosen), "val": np.sort(chosen)}

    def counts(self, split: str) -> list[int]:
        """Samples per gesture, in class order, of a split."""
        return np.bincount(self.targets[self.rows[split]], minlength=len(self.vocabulary)).tolist()

    def fingerprint(self) -> str:
        """Hash of what is trained and validated on: inputs, labels, splits."""
        digest = hashlib.blake2b(digest_size=16)
        for split, rows in self.rows.items():
            for column in ("sample_id", "gesture"):
                digest.update(f"{split} {column} {self.samples[column].to_numpy()[rows].tolist()}".encode())
            self._hash_inputs(digest, rows)
        return digest.hexdigest()

    @abstractmethod
    def _hash_inputs(self, digest: hashlib.blake2b, rows: np.ndarray) -> None:
        """Add what the network sees of these rows to the fingerprint."""

    def _check_splits(self) -> None:
        for split, rows in self.rows.items():
            if len(rows) == 0:
                raise DataError(
                    f"no sample is in the {split} split; add data or change the shares of splits, then run dvc repro"
                )
        counts = self.counts("train")
        missing = [name for name, count in zip(self.vocabulary, counts, strict=True) if count == 0]
        if missing:
            raise DataError(
                f"the train split has no sample of {', '.join(missing)}: a classifier cannot learn a gesture it never "
                "sees. Add samples of it (record, or another source), or take it out of conf/gestures/"
            )


class CropsDataModule(GestureDataModule):
    """The crops of the splits train and val.

    Args:
        crops: crops (n, size, size, 3) uint8.
        samples: the split table; row i belongs to crop i.
        vocabulary, batch_size, seed, overfit_samples: see `GestureDataModule`.

    Raises:
        DataError: crops and table do not fit together, or a split cannot be trained or validated on.
    """

    def __init__(
        self,
        crops: np.ndarray,
        samples: pd.DataFrame,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        overfit_samples: int | None = None,
    ) -> None:
        _check_fit(crops, samples)
        super().__init__(samples, vocabulary, batch_size, seed, overfit_samples=overfit_samples)
        self.crops = crops
        self.inputs = f"Crops of {self.image_size} x {self.image_size} pixels"

    @classmethod
    def open(
        cls,
        crops: Path,
        samples: Path,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        overfit_samples: int | None = None,
    ) -> CropsDataModule:
        """Open the folder of crops and the split table.

        Raises:
            DataError: a file is missing or damaged, or see the class.
        """
        return cls(open_crops(crops), read_rows(samples), vocabulary, batch_size, seed, overfit_samples)

    @property
    def image_size(self) -> int:
        """Side of a crop in pixels."""
        return int(self.crops.shape[1])

    def _hash_inputs(self, digest: hashlib.blake2b, rows: np.ndarray) -> None:
        """Boxes, and pictures (of large sets: evenly spaced ones)."""
        digest.update(np.ascontiguousarray(self.samples[list(BOX)].to_numpy(np.float32)[rows]).tobytes())
        for row in rows[:: max(1, len(rows) // _HASHED_CROPS)]:
            digest.update(self.crops[row].tobytes())

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the train split in a new order every epoch; an incomplete last batch is left out."""
        dataset = self._dataset("train")
        sampler = SeededShuffle(len(dataset), self.seed)
        return self._loader(dataset, sampler=sampler, drop_last=len(dataset) > self.batch_size)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the val split in the order of the table."""
        return self._loader(self._dataset("val"))

    def _dataset(self, split: str) -> CropsDataset:
        return CropsDataset(self.crops, self.targets, self.rows[split])

    def _loader(
        self, dataset: CropsDataset, sampler: Sampler[int] | None = None, drop_last: bool = False
    ) -> DataLoader[Batch]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its own, so that opening a loader draws nothing from the run's random state
        )


class LandmarksDataModule(GestureDataModule):
    """The landmarks of the splits train and val; hands that were not found are left out.

    Args:
        points: (n, 21, 2) float32 in a unit that is the same for x and y; NaN where no hand was found.
        samples: the table with splits; row i belongs to points i.
        vocabulary, batch_size, seed, overfit_samples: see `GestureDataModule`.
        passes: how often an epoch goes through the training samples.

    Raises:
        DataError: points and table do not fit together, or a split cannot be trained or validated on.
    """

    def __init__(
        self,
        points: np.ndarray,
        samples: pd.DataFrame,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        overfit_samples: int | None = None,
        passes: int = 1,
    ) -> None:
        if len(points) != len(samples):
            raise DataError(f"{len(points)} hands and {len(samples)} rows in the table do not fit; run dvc repro")
        found = np.isfinite(points).all(axis=(1, 2))
        if not found.any():
            raise DataError(
                "no sample has landmarks; let the landmarks stage extract them (landmarks.extract=always), then run "
                "dvc repro"
            )
        super().__init__(samples, vocabulary, batch_size, seed, found, overfit_samples)
        self.points, self.passes = points, passes
        self.inputs = "Hands with landmarks"

    @classmethod
    def open(
        cls,
        landmarks: Path,
        vocabulary: Vocabulary,
        batch_size: int,
        seed: int,
        overfit_samples: int | None = None,
        passes: int = 1,
    ) -> LandmarksDataModule:
        """Open the folder of landmarks.

        Raises:
            DataError: a file is missing or damaged, or see the class.
        """
        points, samples = open_landmarks(landmarks)
        return cls(points, samples, vocabulary, batch_size, seed, overfit_samples, passes)

    def _hash_inputs(self, digest: hashlib.blake2b, rows: np.ndarray) -> None:
        digest.update(np.ascontiguousarray(self.points[rows]).tobytes())

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the train split in a new order every pass; an incomplete last batch is left out."""
        dataset = self._dataset("train")
        return self._loader(dataset, SeededBatches(len(dataset), self.batch_size, self.seed, self.passes))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the val split in the order of the table."""
        dataset = self._dataset("val")
        return self._loader(dataset, np.split(np.arange(len(dataset)), range(_VAL_BATCH, len(dataset), _VAL_BATCH)))

    def _dataset(self, split: str) -> LandmarksDataset:
        return LandmarksDataset(self.points, self.targets, self.rows[split])

    def _loader(self, dataset: LandmarksDataset, batches: Sampler[np.ndarray] | list[np.ndarray]) -> DataLoader[Batch]:
        return DataLoader(dataset, batch_size=None, sampler=batches, collate_fn=_as_it_is, generator=torch.Generator())


def _as_it_is(batch: Any) -> Any:
    return batch


def _check_fit(crops: np.ndarray, samples: pd.DataFrame) -> None:
    if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise DataError(f"crops are {crops.dtype} {crops.shape}, not uint8 (n, size, size, 3); run dvc repro")
    if len(crops) != len(samples):
        raise DataError(
            f"{len(crops)} crops and {len(samples)} rows in the split table do not fit together; run dvc repro"
        )
