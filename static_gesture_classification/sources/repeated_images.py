"""Finds repeated hands: the same box of the same image, or an image of an earlier source.

An image is identified by its resolved folder and name, so that two roots of one folder do not count it twice. A copy is
identified by its content: first the sizes are compared, then the last bytes (where JPEG data and PNG checksums differ),
then everything, so that almost nothing is read if sources share no image.
"""

from __future__ import annotations

import filecmp
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from static_gesture_classification.places import RemotePath, locate, real_path
from static_gesture_classification.samples import BOX, Rejected
from static_gesture_classification.sources.source import SampleBatch

REPEATED = "the same image"  # beginning of the reason
TAIL = 4096  # bytes
COMPARED_IMAGES = 100_000  # images of a source that are compared by content; each costs a look at the disk


@dataclass
class Contents:
    """The images of the sources so far, by size."""

    by_size: dict[int, list[tuple[str, Path]]] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)

    def twin(self, source: str, path: Path) -> str | None:
        """The other source that has an image of the same content, or None; then it remembers the image."""
        if self.compared.get(source, 0) >= COMPARED_IMAGES:
            return None
        try:
            size = path.stat().st_size
        except OSError:
            return None  # kept without its image
        if not size:
            return None
        self.compared[source] = self.compared.get(source, 0) + 1
        for owner, other in self.by_size.get(size, ()):
            if owner != source and _tail(path, size) == _tail(other, size) and _same(path, other):
                return owner
        self.by_size.setdefault(size, []).append((source, path))
        return None


class RepeatedImages:
    """Passes each hand once.

    Args:
        by_content: also compare the contents of different sources' images.
    """

    def __init__(self, by_content: bool = False) -> None:
        self._contents = Contents() if by_content else None
        self._folders: dict[tuple[str, str], str] = {}
        self._owners: dict[int, str] = {}  # hash of image -> source that has it
        self._hands: set[int] = set()  # hashes of image and box

    def split(self, batch: SampleBatch) -> tuple[pa.Table, list[Rejected]]:
        """The new rows of a batch, and the others with the reason."""
        table = batch.table
        if not len(table):
            return table, []
        source = table["source"][0].as_py()
        paths = self._resolve(table)
        images = pd.util.hash_array(np.array(paths, dtype=object), categorize=False)
        reasons: dict[int, str] = {}
        for row, (image, hand) in enumerate(zip(images.tolist(), with_boxes(images, table).tolist(), strict=True)):
            owner = self._owner(source, image, paths[row])
            if owner != source:
                reasons[row] = f"{REPEATED} is in source {owner}"
            elif hand in self._hands:
                reasons[row] = f"{REPEATED} with the same box is listed before"
            self._hands.add(hand)
        if not reasons:
            return table, []
        kept = np.ones(len(images), bool)
        kept[list(reasons)] = False
        repeated = [
            Rejected(source, table["image"][row].as_py(), table["sample_id"][row].as_py(), reason)
            for row, reason in reasons.items()
        ]
        return table.filter(pa.array(kept)), repeated

    def _owner(self, source: str, image: int, path: str) -> str:
        owner = self._owners.get(image)
        if owner is None:
            owner = (self._contents.twin(source, locate(path)) if self._contents else None) or source
            self._owners[image] = owner
        return owner

    def _resolve(self, table: pa.Table) -> list[str]:
        root = table["root"][0].as_py()
        parts = [path.rpartition("/") for path in table["image"].to_pylist()]
        for folder in {folder for folder, _, _ in parts}:
            if (root, folder) not in self._folders:
                self._folders[root, folder] = real_path(locate(root) / folder)
        return [f"{self._folders[root, folder]}/{name}" for folder, _, name in parts]


def with_boxes(images: npt.NDArray[np.uint64], table: pa.Table) -> npt.NDArray[np.uint64]:
    """Hashes of image and box from hashes of images."""
    keys = images.copy()
    for name in BOX:
        keys = (keys ^ table[name].to_numpy().view(np.uint32)) * np.uint64(0x100000001B3)  # FNV-1a's prime
        keys ^= keys >> np.uint64(29)
    return keys


def _same(path: Path, other: Path) -> bool:
    if isinstance(path, RemotePath) or isinstance(other, RemotePath):
        return path.read_bytes() == other.read_bytes()
    return filecmp.cmp(path, other, shallow=False)


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL))
        return file.read()
