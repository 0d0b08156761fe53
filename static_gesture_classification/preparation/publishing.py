"""The files of a stage are published together: a folder holds the old results or the new ones, never a mixture.

Each file is written beside its place. Then a marker names the complete files, and they are renamed. If a kill comes in
between, the next command finds the marker and finishes the renaming first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from static_gesture_classification.atomic_files import (
    atomic_path,
    explain_write_errors,
    partial_path,
    write_json,
    write_text,
)
from static_gesture_classification.errors import DataError
from static_gesture_classification.samples import Rejected, make_rejected_table, sample_writer

SAMPLES, REJECTED_CSV, REPORT = "samples.parquet", "rejected.csv", "report.json"
MARKER = ".publishing"


def stage_tables(folder: Path, samples: pa.Table, rejected: Sequence[Rejected], report: dict[str, Any]) -> None:
    """Write `SAMPLES`, `REJECTED_CSV` and `REPORT` beside their places."""
    folder.mkdir(parents=True, exist_ok=True)
    with sample_writer(partial_path(folder / SAMPLES)) as writer:
        writer.write_table(samples)
    write_text(partial_path(folder / REJECTED_CSV), make_rejected_table(rejected).to_csv(index=False))
    write_json(partial_path(folder / REPORT), report)


def stage_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array beside its place."""
    with atomic_path(partial_path(path)) as partial, partial.open("wb") as file:
        np.save(file, array)


def announce(folder: Path, names: Sequence[str]) -> None:
    """Write the marker: these files are complete, each at its `partial_path`. Raises `OutputError`."""
    write_text(folder / MARKER, "\n".join(names))


def read_announced(folder: Path) -> list[str]:
    """The files that the marker names; none without a marker."""
    marker = folder / MARKER
    return marker.read_text(encoding="utf-8").splitlines() if marker.is_file() else []


def finish_writes(folder: Path) -> None:
    """Put the announced files in place, if there are any."""
    names = read_announced(folder)
    with explain_write_errors(folder):
        for name in names:
            if partial_path(folder / name).is_file():
                partial_path(folder / name).replace(folder / name)
        (folder / MARKER).unlink(missing_ok=True)


def open_array(path: Path, stage: str, kind: str, shape: tuple[int | None, ...]) -> np.memmap:
    """Memory-map a published array, which has a row for each row of the sample table beside it.

    Args:
        path: of the array.
        stage: that makes it, for messages.
        kind: name of its dtype.
        shape: of a row; None for any number.

    Raises:
        DataError: the array or its table is missing, damaged, or they do not belong together.
    """
    folder, table = path.parent, path.parent / SAMPLES
    if (folder / MARKER).exists():
        raise DataError(f"{folder} was being replaced when the {stage} stage was stopped; repeat it (dvc repro)")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        _check_rows(array, path, kind, shape)
        rows = pq.ParquetFile(table).metadata.num_rows
    except FileNotFoundError as error:
        raise DataError(f"{error.filename or folder} not found; run the {stage} stage (dvc repro)") from None
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise DataError(f"{path} or {table.name} is damaged ({error}); delete {folder} and run dvc repro") from error
    if len(array) != rows:
        raise DataError(f"{path} has {len(array):,} rows but {table} has {rows:,}; run dvc repro")
    return array


def _check_rows(array: np.memmap, path: Path, kind: str, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == 1 + len(shape) and all(
        each in (None, found) for each, found in zip(shape, array.shape[1:], strict=True)
    )
    if array.dtype != kind or not fits:
        names = ", ".join("size" if each is None else str(each) for each in shape)
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, not {kind} (n, {names}); delete it and run dvc repro"
        )
