"""Batches from the crops: memory-mapped, gathered whole, uint8 as far as the device."""

from __future__ import annotations

import hashlib
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
from static_gesture_classification.samples import BOX, read_samples

_HASHED_CROPS = 16_384  # evenly spaced; hashing more of a large data set would take longer than it is worth


class Batch(NamedTuple):
    """A batch: RGB images (n, 3, size, size) uint8 in channels-last memory, class indices (n,), table rows (n,)."""

    images: Tensor
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


class CropsDataModule(LightningDataModule):
    """The crops of the splits train and val. The test split is not touched here.

    Args:
        crops: crops (n, size, size, 3) uint8.
        samples: the split table; row i belongs to crop i. Rows with an empty split are left out.
        vocabulary: the gestures, in class order.
        batch_size: samples per step.
        seed: of the order in which training samples come.
        overfit_samples: train and validate on this many training samples only.

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
        super().__init__()
        self.crops, self.samples, self.vocabulary = crops, samples, vocabulary
        self.batch_size, self.seed = batch_size, seed
        _check_fit(crops, samples)
        self.targets = np.asarray(vocabulary.indices(samples["gesture"].tolist()), np.int64)
        self.rows = {name: np.flatnonzero(samples["split"].to_numpy() == name) for name in ("train", "val")}
        self._check_splits()
        if overfit_samples:
            chosen = np.random.default_rng(seed).permutation(self.rows["train"])[:overfit_samples]
            self.rows = {"train": np.sort(chosen), "val": np.sort(chosen)}

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
        return cls(open_crops(crops), read_samples(samples), vocabulary, batch_size, seed, overfit_samples)

    @property
    def image_size(self) -> int:
        """Side of a crop in pixels."""
        return int(self.crops.shape[1])

    def counts(self, split: str) -> list[int]:
        """Samples per gesture, in class order, of a split."""
        return np.bincount(self.targets[self.rows[split]], minlength=len(self.vocabulary)).tolist()

    def fingerprint(self) -> str:
        """Hash of what is trained and validated on: pictures (large sets: evenly spaced ones), labels, splits."""
        digest = hashlib.blake2b(digest_size=16)
        for split, rows in self.rows.items():
            for column in ("sample_id", "gesture"):
                digest.update(f"{split} {column} {self.samples[column].to_numpy()[rows].tolist()}".encode())
            digest.update(np.ascontiguousarray(self.samples[list(BOX)].to_numpy(np.float32)[rows]).tobytes())
            for row in rows[:: max(1, len(rows) // _HASHED_CROPS)]:
                digest.update(self.crops[row].tobytes())
        return digest.hexdigest()

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


def _as_it_is(batch: Any) -> Any:
    return batch


def _check_fit(crops: np.ndarray, samples: pd.DataFrame) -> None:
    if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise DataError(f"crops are {crops.dtype} {crops.shape}, not uint8 (n, size, size, 3); run dvc repro")
    if len(crops) != len(samples):
        raise DataError(
            f"{len(crops)} crops and {len(samples)} rows in the split table do not fit together; run dvc repro"
        )
