"""The array of crops on disk: written in place, resumable after a kill, published together with its tables.

While the stage works there is one hidden file, `.crops.npy.partial`:

    128 bytes    progress header (`_HEADER`); becomes the .npy header when the array is complete
    n rows       size x size x 3 bytes each, in the order of the index
    n records    one `ROW_RECORD` per row: the inputs of the row, and whether it is there

It is allocated at the start, so that a full disk is an error before any work. Gaps of rejected rows are closed at the
end. Then the array and its tables are published (`publishing`).
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from static_gesture_classification.atomic_files import explain_write_errors, partial_path
from static_gesture_classification.keyed_store import KEY, Keys
from static_gesture_classification.preparation import publishing

CROPS_FILE = "crops.npy"
RECORDS = ".records.npy"  # the inputs of each published row: the next run copies rows instead of decoding
INTERRUPTED = ".crops.npy.interrupted"  # unfinished array of an earlier index, to copy rows from
COPY_BYTES = 1 << 25

ROW_RECORD = np.dtype(
    [
        ("key", "V16"),  # hash of source, image, box, size, margin
        ("content", "V16"),  # hash of the image file
        ("file", "V16"),  # path and state of that file: while they are the same, `content` holds
        ("state", "u1"),
    ]
)
TODO, DONE, REJECTED = 0, 1, 2

_HEADER_BYTES = 128
_HEADER = np.dtype([("magic", "S16"), ("plan", "V16"), ("rows", "<i8"), ("size", "<i8"), ("compacted", "<i8")])
_MAGIC = b"crops-progress-2"
_COMPACTED_AT = _HEADER.itemsize - 8


@dataclass(frozen=True)
class Donor:
    """A finished or interrupted array of crops, to copy rows from.

    Attributes:
        pixels: uint8 (n, size, size, 3).
        records: `ROW_RECORD` (n,).
        place: int (n,), position in `pixels` of each record's row.
    """

    pixels: np.ndarray
    records: np.ndarray
    place: np.ndarray


class PartialCrops:
    """The unfinished array; its rows survive a kill once `checkpoint` returns."""

    def __init__(self, folder: Path, plan: bytes, keys: np.ndarray, size: int) -> None:
        """Continue the array that a killed run of this plan (hash of all keys) left, or allocate a new one.

        Raises:
            OutputError: the folder is read-only, or the array does not fit on the disk.
        """
        self.path = partial_path(folder / CROPS_FILE)
        self.size, self.count, self.row_bytes = size, len(keys), size * size * 3
        with explain_write_errors(folder / CROPS_FILE):
            folder.mkdir(parents=True, exist_ok=True)
            resumed = _read_progress(self.path)
            if resumed is not None and resumed.plan == plan and not resumed.compacted:
                self.records = resumed.records
            else:
                _set_aside(self.path)
                self._allocate(plan, keys)
            self._file: IO[bytes] = self.path.open("r+b")

    @property
    def state(self) -> np.ndarray:
        """TODO, DONE or REJECTED of each row; a view of `records`."""
        return self.records["state"]

    def __enter__(self) -> PartialCrops:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """After an error a file with any row stays, to be continued."""
        self._file.close()
        if error is not None and not (self.state == DONE).any():
            self.path.unlink(missing_ok=True)

    def _allocate(self, plan: bytes, keys: np.ndarray) -> None:
        self.records = np.zeros(self.count, ROW_RECORD)
        self.records["key"] = keys
        fresh = _fresh_path(self.path)
        try:
            with fresh.open("wb") as file:
                allocate(file, self._records_at + self.records.nbytes)
                file.write(_progress_header(plan, self.count, self.size, 0))
                file.seek(self._records_at)
                file.write(self.records.tobytes())
            fresh.replace(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    @property
    def _records_at(self) -> int:
        return _HEADER_BYTES + self.count * self.row_bytes

    def write(self, rows: np.ndarray, crops: np.ndarray) -> None:
        """Write crops uint8 (k, size, size, 3) to the given row numbers, ascending."""
        for start, stop in _runs(rows):
            self._file.seek(_HEADER_BYTES + int(rows[start]) * self.row_bytes)
            self._file.write(np.ascontiguousarray(crops[start:stop]).data)

    def read(self, rows: slice) -> bytes:
        """The bytes of consecutive rows."""
        self._file.seek(_HEADER_BYTES + rows.start * self.row_bytes)
        return self._file.read((rows.stop - rows.start) * self.row_bytes)

    def checkpoint(self, rows: np.ndarray) -> None:
        """Flush the rows to the disk, then write the records of `rows` (ascending)."""
        self._sync()
        for start, stop in _runs(rows):
            first = int(rows[start])
            self._file.seek(self._records_at + first * ROW_RECORD.itemsize)
            self._file.write(self.records[first : first + stop - start].tobytes())
        self._file.flush()

    def compact(self) -> int:
        """Close the gaps of rejected rows; returns how many rows are left.

        A step moves at most as many rows as there are gaps before them, so it never overwrites the rows that it reads.
        After a kill `_Progress.place` still finds each row.
        """
        done = self.records["state"] == DONE
        before = np.concatenate([[0], np.cumsum(done)])  # rows that stay, before each
        gaps = np.flatnonzero(~done)
        first = int(gaps[0]) + 1 if len(gaps) else self.count
        while first < self.count:
            shift = first - int(before[first])
            stop = min(first + min(shift, max(1, COPY_BYTES // self.row_bytes)), self.count)
            kept = np.frombuffer(self.read(slice(first, stop)), np.uint8).reshape(-1, self.row_bytes)[done[first:stop]]
            self.write(np.arange(len(kept)) + before[first], kept)
            first = stop
            self._note_compacted(first)
        self._sync()
        return int(before[-1])

    def _note_compacted(self, rows: int) -> None:
        self._file.flush()
        self._file.seek(_COMPACTED_AT)
        self._file.write(np.int64(rows).tobytes())
        self._file.flush()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def open_published(folder: Path, size: int) -> Donor | None:
    """The finished array of an earlier run, if it has this size and records."""
    try:
        rows = np.load(folder / CROPS_FILE, mmap_mode="r", allow_pickle=False)
        records = np.load(folder / RECORDS, allow_pickle=False)
    except (OSError, ValueError):
        return None
    if (
        rows.shape[1:] != (size, size, 3)
        or rows.dtype != np.uint8
        or records.dtype != ROW_RECORD
        or len(records) != len(rows)
    ):
        return None
    return Donor(rows, records, np.arange(len(rows)))


def read_content_keys(folder: Path, count: int) -> Keys | None:
    """A hash of everything that each of the `count` published crops depends on: V16 (n,); None without records."""
    try:
        records = np.load(folder / RECORDS, allow_pickle=False)
    except (OSError, ValueError):
        return None
    if records.dtype != ROW_RECORD or len(records) != count:
        return None
    # Both are hashes, so their exclusive or is as good as a hash of both.
    halves = [np.ascontiguousarray(records[name]).view("<u8") for name in ("key", "content")]
    keys: Keys = (halves[0] ^ halves[1]).view(KEY)
    return keys


def open_interrupted(folder: Path, size: int) -> Donor | None:
    """The array of a killed run that could not be continued."""
    path = folder / INTERRUPTED
    progress = _read_progress(path)
    if progress is None or progress.size != size:
        return None
    pixels = np.memmap(path, np.uint8, "r", _HEADER_BYTES, (len(progress.records), size, size, 3))
    return Donor(pixels, progress.records, progress.place())


def publish_crops(folder: Path, tables: Sequence[str], array_is_new: bool) -> None:
    """Put the tables and, if new, the array in place; they lie at their partial paths."""
    publishing.announce(folder, [CROPS_FILE, *tables] if array_is_new else tables)
    finish_publishing(folder)


def finish_publishing(folder: Path) -> None:
    """Finish the publishing of a killed command, if there is one."""
    names, partial = publishing.read_announced(folder), partial_path(folder / CROPS_FILE)
    if not names:
        return
    with explain_write_errors(folder / CROPS_FILE):
        if CROPS_FILE in names and partial.is_file():
            _finish_array(partial)
        publishing.finish_writes(folder)
        for path in (folder / INTERRUPTED, partial, _fresh_path(partial)):
            path.unlink(missing_ok=True)


def _finish_array(path: Path) -> None:
    """Turn a compacted array into a .npy file; repeating it changes nothing."""
    progress = _read_progress(path)
    with path.open("r+b") as file:
        if progress is not None:
            rows = (int(progress.done.sum()), progress.size, progress.size, 3)
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": rows})
            if header.tell() != _HEADER_BYTES:
                raise AssertionError(f"numpy's header has {header.tell()} bytes, expected {_HEADER_BYTES}")
            file.write(header.getvalue())
            file.seek(0)
        np.lib.format.read_magic(file)
        shape, *_ = np.lib.format.read_array_header_1_0(file)
        file.truncate(_HEADER_BYTES + math.prod(shape))
        file.flush()
        os.fsync(file.fileno())


def allocate(file: IO[bytes], size: int) -> None:
    """Reserve `size` bytes of disk for a file, so that a full disk is an error now and not later."""
    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _progress_header(plan: bytes, rows: int, size: int, compacted: int) -> bytes:
    header = np.array([(_MAGIC, plan, rows, size, compacted)], _HEADER)
    return header.tobytes().ljust(_HEADER_BYTES, b"\0")


@dataclass(frozen=True)
class _Progress:
    """The state of an unfinished array, read from its file."""

    plan: bytes
    size: int
    compacted: int
    records: np.ndarray

    @property
    def done(self) -> np.ndarray:
        return self.records["state"] == DONE

    def place(self) -> np.ndarray:
        """The position of each row, its own or the one that `compact` gave it."""
        moved = np.cumsum(self.done) - self.done
        own = np.arange(len(self.records))
        return np.where(own < self.compacted, moved, own)


def _read_progress(path: Path) -> _Progress | None:
    """The state of an unfinished array; None where there is none, or the file is damaged."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER.itemsize)
            if len(start) < _HEADER.itemsize:
                return None
            header = np.frombuffer(start, _HEADER)[0]
            rows, size = int(header["rows"]), int(header["size"])
            records_at = _HEADER_BYTES + rows * size * size * 3
            if header["magic"] != _MAGIC or path.stat().st_size != records_at + rows * ROW_RECORD.itemsize:
                return None
            file.seek(records_at)
            records = np.frombuffer(file.read(), ROW_RECORD).copy()
    except OSError:
        return None
    return _Progress(header["plan"].tobytes(), size, int(header["compacted"]), records)


def _set_aside(path: Path) -> None:
    """Keep an unfinished array to copy from, unless an array kept earlier has more rows."""
    kept = path.with_name(INTERRUPTED)
    done = [0 if progress is None else int(progress.done.sum()) for progress in map(_read_progress, (path, kept))]
    if done[0] > done[1]:
        path.replace(kept)
    path.unlink(missing_ok=True)
    if not max(done):
        kept.unlink(missing_ok=True)


def _fresh_path(partial: Path) -> Path:
    return partial.with_suffix(".new")


def _runs(rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Stretches of consecutive numbers in an ascending array, as (start, stop) positions in it."""
    if not len(rows):
        return
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    yield from zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True)
