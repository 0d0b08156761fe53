"""The files of a stage are put in place together: a folder holds the old results or the new, never a mixture.

Each file is written beside its place. Then a marker names those that are complete, and they are renamed; a command that
finds the marker of a killed one finishes the renaming first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from static_gesture_classification.atomic_files import (
    atomic_path,
    explained_write_errors,
    partial_path,
    write_json,
    write_text,
)
from static_gesture_classification.errors import DataError
from static_gesture_classification.samples import Rejected, rejected_table, sample_writer

SAMPLES, REJECTED_CSV, REPORT = "samples.parquet", "rejected.csv", "report.json"
MARKER = ".publishing"


def stage_tables(folder: Path, samples: pa.Table, rejected: Sequence[Rejected], report: dict[str, Any]) -> None:
    """Write what every stage of pictures leaves, beside its place: `SAMPLES`, `REJECTED_CSV` and `REPORT`."""
    folder.mkdir(parents=True, exist_ok=True)
    with sample_writer(partial_path(folder / SAMPLES)) as writer:
        writer.write_table(samples)
    write_text(partial_path(folder / REJECTED_CSV), rejected_table(rejected).to_csv(index=False))
    write_json(partial_path(folder / REPORT), report)


def stage_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array beside its place."""
    with atomic_path(partial_path(path)) as partial, partial.open("wb") as file:
        np.save(file, array)


def announce(folder: Path, names: Sequence[str]) -> None:
    """Say that files are complete, each at its `partial_path`. Raises `OutputError`: read-only folder, full disk."""
    write_text(folder / MARKER, "\n".join(names))


def announced(folder: Path) -> list[str]:
    """Names of the files that are complete but maybe not all in place, as a command leaves them that is killed then."""
    marker = folder / MARKER
    return marker.read_text(encoding="utf-8").splitlines() if marker.is_file() else []


def finish(folder: Path) -> None:
    """Put in place what was announced; does nothing where nothing was."""
    names = announced(folder)
    with explained_write_errors(folder):
        for name in names:
            if partial_path(folder / name).is_file():
                partial_path(folder / name).replace(folder / name)
        (folder / MARKER).unlink(missing_ok=True)


def check_published(folder: Path, stage: str) -> None:
    """Raise `DataError` where the files of a folder may be a mixture."""
    if (folder / MARKER).exists():
        raise DataError(f"{folder} was being replaced when the {stage} stage was stopped; repeat it (dvc repro)")
