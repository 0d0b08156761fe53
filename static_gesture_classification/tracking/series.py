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

import pandas as pd

from static_gesture_classification.atomic_files import explain_write_errors, write_text

SERIES_COLUMNS = ("field", "step", "value", "time")
_HEADER = ",".join(SERIES_COLUMNS) + "\n"


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
    whole = _whole_lines(path)
    if len(whole) <= len(_HEADER):
        return pd.DataFrame({"field": pd.Series(dtype=str), "step": pd.Series(dtype="int64"),
                             "value": pd.Series(dtype=float), "time": pd.Series(dtype=float)})  # fmt: skip
    frame = pd.read_csv(
        io.BytesIO(whole),
        dtype={"field": "str", "step": "int64", "value": "float64", "time": "float64"},
        float_precision="round_trip",
        keep_default_na=False,  # a gesture may be called NA
        na_values={"value": ["nan"]},
    )
    return frame.drop_duplicates(["field", "step"], keep="last", ignore_index=True)


def count_steps(path: Path, field: str) -> tuple[int, dict[int, float]]:
    """How many steps a file has, and one field's values by step: as `read` would give them, in a tenth of the time."""
    steps, values = set(), {}
    for line in _whole_lines(path).split(b"\n")[1:-1]:
        name, step, value, _ = line.rsplit(b",", 3)  # the last three hold no comma
        steps.add(step)
        if name == field.encode():
            values[int(step)] = float(value)
    return len(steps), dict(sorted(values.items()))


def rewrite(path: Path, frame: pd.DataFrame) -> None:
    """Replace a file's content by `frame` (columns as `read` gives them), whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for field, step, value, seconds in zip(*(frame[name].tolist() for name in SERIES_COLUMNS), strict=True):
        writer.writerow((field, step, repr(value), f"{seconds:.3f}"))
    write_text(path, _HEADER + text.getvalue())


def _whole_lines(path: Path) -> bytes:
    """The lines of a file that are complete; empty where there is no file."""
    whole = path.read_bytes() if path.is_file() else b""
    return whole[: whole.rfind(b"\n") + 1]


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
