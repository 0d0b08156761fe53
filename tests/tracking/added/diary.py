"""A tracker as somebody would add it: every run as lines of one text file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from static_gesture_classification.tracking.run_folder import RunFolder, Scalar, Status
from static_gesture_classification.tracking.trackers import Tracker


class Diary(Tracker):
    """Writes what it is given to `path`, a line each."""

    name = "diary"
    sends_checkpoints = False

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def _write(self, *lines: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def start(self, run: RunFolder, known: str | None) -> str:
        self._write(f"run {run.run_id}")
        return known or run.run_id

    def config(self, fields: Mapping[str, Scalar]) -> None:
        self._write(*(f"{field} = {value}" for field, value in fields.items()))

    values = config

    def tags(self, tags: Sequence[str]) -> None:
        self._write(f"tags {' '.join(tags)}")

    def series(self, rows: pd.DataFrame) -> None:
        self._write(*(f"{row.field} {row.step}: {row.value}" for row in rows.itertuples()))

    def file(self, field: str, path: Path) -> None:
        self._write(f"file {field}")

    def status(self, status: Status) -> None:
        self._write(f"status {status}")
