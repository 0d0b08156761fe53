"""What is kept of extracted landmarks, so that no hand is looked for twice: two kinds of files in one folder.

`extracted-<number>.bin`    records of `EXTRACTED`, one per hand that was looked for, found or not, under a key made of
                            the image's contents, the box and the detector's settings. A process that extracts appends
                            to a file of its own, whole records at a time. A kill may leave a torn record at the end,
                            which is ignored; a record that was damaged is told by its checksum.
`images.npy`                records of `IMAGE`: what an image file of this size and modification time holds, so that it
                            need not be read again to know its contents' hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from static_gesture_classification.atomic_files import atomic_path, explained_write_errors
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.samples import LANDMARK_COUNT

EXTRACTED = np.dtype(
    [("key", "V16"), ("found", "<u4"), ("landmarks", "<f4", (2 * LANDMARK_COUNT,)), ("checksum", "<u4")]
)
IMAGE = np.dtype(
    [
        ("path", "V16"),  # hash of root and image
        ("bytes", "<i8"),
        ("mtime_ns", "<i8"),
        ("content", "V16"),  # hash of the file; zeros where only its header was read
        ("width", "<i4"),  # upright, in pixels
        ("height", "<i4"),
    ]
)
IMAGES, LOCK, PATTERN = "images.npy", ".lock", "extracted-*.bin"
MERGED_FROM = 8  # files, which are then made one


class ExtractedLandmarks:
    """Landmarks by key, read once; `writer` adds to them on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = _records(sorted(folder.glob(PATTERN)))
        keys = numbers(self.records["key"])
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Position in `records` of each key V16 (n,): int (n,), -1 where it is not there."""
        if not len(self._order):
            return np.full(len(keys), -1)
        wanted = numbers(keys)
        place = np.searchsorted(self._sorted, wanted).clip(max=len(self._order) - 1)
        position = self._order[place]
        return np.where(self.records["key"][position] == keys, position, -1)

    @contextmanager
    def writer(self) -> Iterator[RecordWriter]:
        """Append records to a new file; many small files are made one first.

        Raises:
            OutputError: the folder cannot be written, or the disk is full; what was written before stays.
        """
        with explained_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = ProcessLock(self.folder / LOCK)
            try:
                if lock.acquire():
                    _merge(self.folder)
                with RecordWriter(_new_file(self.folder)) as writer:
                    yield writer
            finally:
                lock.release()


class RecordWriter:
    """Appends whole records to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._written = 0

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if not self._written:
            self.path.unlink(missing_ok=True)

    def append(self, keys: np.ndarray, landmarks: np.ndarray) -> None:
        """Write records.

        Args:
            keys: V16 (n,).
            landmarks: float32 (n, 21, 2), normalised; NaN where no hand was found.
        """
        records = np.zeros(len(keys), EXTRACTED)
        records["key"] = keys
        records["landmarks"] = landmarks.reshape(-1, 2 * LANDMARK_COUNT)
        records["found"] = np.isfinite(landmarks).all(axis=(1, 2))
        records["checksum"] = _checksums(records)
        data = records.tobytes()
        done = 0
        while done < len(data):
            done += os.write(self._descriptor, data[done:])
        self._written += len(records)


def read_images(folder: Path) -> np.ndarray:
    """What is known of image files: records of `IMAGE`; none where nothing usable is there."""
    try:
        records = np.load(folder / IMAGES, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(0, IMAGE)
    return records if records.dtype == IMAGE else np.zeros(0, IMAGE)


def write_images(folder: Path, records: np.ndarray) -> None:
    """Keep what is known of image files. Raises `OutputError` where the folder cannot be written."""
    with atomic_path(folder / IMAGES) as partial, partial.open("wb") as file:
        np.save(file, records)


def numbers(keys: np.ndarray) -> np.ndarray:
    """The first eight bytes of each key V16 as a number, which can be sorted."""
    return np.ascontiguousarray(keys).view("<u8")[::2]


def _records(files: list[Path]) -> np.ndarray:
    pieces = [np.zeros(0, EXTRACTED)]
    for file in files:
        try:
            data = file.read_bytes()
        except OSError:  # made one with others meanwhile
            continue
        records = np.frombuffer(data[: len(data) // EXTRACTED.itemsize * EXTRACTED.itemsize], EXTRACTED)
        pieces.append(records[_checksums(records) == records["checksum"]])
    return np.concatenate(pieces)


def _checksums(records: np.ndarray) -> np.ndarray:
    """A checksum per record over all but the checksum itself, uint32 (n,): Fletcher's two sums, folded."""
    words = np.ascontiguousarray(records).view("<u4").reshape(len(records), -1)[:, :-1].astype(np.uint64)
    weights = np.arange(words.shape[1], 0, -1, dtype=np.uint64)
    mixed = words.sum(axis=1) * np.uint64(0x9E3779B97F4A7C15) + (words * weights).sum(axis=1)
    return ((mixed >> np.uint64(32)) ^ mixed).astype(np.uint32)


def _new_file(folder: Path) -> Path:
    number = 0
    while True:
        path = folder / f"extracted-{number:04d}.bin"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            number += 1
        else:
            return path


def _merge(folder: Path) -> None:
    """Make many files one. What another process appends to one of them meanwhile is lost, and extracted again."""
    files = sorted(folder.glob(PATTERN))
    if len(files) < MERGED_FROM:
        return
    with atomic_path(files[-1]) as partial:
        partial.write_bytes(_records(files).tobytes())
    for file in files[:-1]:
        file.unlink(missing_ok=True)
