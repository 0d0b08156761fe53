"""Append-only series on disk: safe against kills; a resumed run can cut them.

A file holds many series as CSV lines `field,step,value,time`. A line counts once its newline is written. So a partial
last line is ignored by readers and cut off before the next write. A series has one value per step: a later line
replaces an earlier one of the same step, so a repeated epoch leaves no duplicates.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from static_gesture_classification.atomic_files import explain_write_errors, write_text

SERIES_COLUMNS = ("field", "step", "value", "time")
_HEADER = ",".join(SERIES_COLUMNS) + "\n"
_TYPES = {
    "field": pa.dictionary(pa.int32(), pa.string()),
    "step": pa.int64(),
    "value": pa.float64(),
    "time": pa.float64(),
}
_READ = pa.csv.ReadOptions(use_threads=False)  # training needs the processor


def append(path: Path, values: Mapping[str, float], step: int) -> None:
    """Append one value per field at a step, in one write.

    Raises:
        OutputError: the folder is read-only, the disk is full.
    """
    text = io.StringIO()
    now = f"{time.time():.3f}"
    csv.writer(text, lineterminator="\n").writerows(
        (field, step, repr(float(value)), now) for field, value in values.items()
    )
    with explain_write_errors(path), path.open("a+b", buffering=0) as file:
        header = "" if _cut_torn_line(file) else _HEADER
        file.write((header + text.getvalue()).encode())


def read(path: Path) -> pd.DataFrame:
    """All series of a file: columns field, step (int), value (float), time (seconds since 1970), in order of writing.

    One row per field and step, the last written. Empty when there is no file.
    """
    lines = _lines(path)
    frame = pd.DataFrame(
        {
            "field": lines["field"].cast(pa.string()).to_pandas().astype("str"),
            "step": lines["step"].to_numpy(),
            "value": lines["value"].to_numpy(),
            "time": lines["time"].to_numpy(),
        }
    )
    return frame.drop_duplicates(["field", "step"], keep="last", ignore_index=True)


def read_wide(path: Path) -> pd.DataFrame:
    """All series of a file as `read` gives them, with a row for each step and a column for each field, both ascending.

    Ten times as fast as to read them and to pivot, where there are many.
    """
    lines = _lines(path)
    fields = lines["field"].combine_chunks()
    steps, rows = np.unique(lines["step"].to_numpy(), return_inverse=True)
    values = np.full((len(steps), len(fields.dictionary)), np.nan)
    values[rows, fields.indices.to_numpy()] = lines["value"].to_numpy()  # of repeated places the last is kept
    return pd.DataFrame(values, steps, pd.Index(fields.dictionary.to_pylist(), dtype="str")).sort_index(axis=1)


def count_steps(path: Path, field: str) -> tuple[int, dict[int, float]]:
    """How many steps a file has, and one field's values by step: as `read` would give them, in a tenth of the time."""
    lines = _lines(path, "field", "step", "value")
    steps = lines["step"].to_numpy()
    own = pc.equal(lines["field"], field).to_numpy()
    values = dict(zip(steps[own].tolist(), lines["value"].to_numpy()[own].tolist(), strict=True))
    return len(np.unique(steps)), dict(sorted(values.items()))


def rewrite(path: Path, frame: pd.DataFrame) -> None:
    """Replace a file's content by `frame` (columns as `read` gives them), whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for field, step, value, seconds in zip(*(frame[name].tolist() for name in SERIES_COLUMNS), strict=True):
        writer.writerow((field, step, repr(value), f"{seconds:.3f}"))
    write_text(path, _HEADER + text.getvalue())


def _lines(path: Path, *columns: str) -> pa.Table:
    """The complete lines of a file, or some of their columns; a field is an entry of a dictionary."""
    whole = path.read_bytes() if path.is_file() else b""
    whole = whole[: whole.rfind(b"\n") + 1] or _HEADER.encode()
    convert = pa.csv.ConvertOptions(
        column_types=_TYPES, include_columns=columns or SERIES_COLUMNS, null_values=[], strings_can_be_null=False
    )
    table: pa.Table = pa.csv.read_csv(pa.py_buffer(whole), _READ, convert_options=convert)
    return table.unify_dictionaries()


def _cut_torn_line(file: FileIO) -> int:
    """Truncate a file, open for appending, after its last newline; returns its size."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    whole = file.read().rfind(b"\n") + 1
    file.truncate(whole)
    return whole
