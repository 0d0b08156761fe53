"""The record of what was fetched into a dataset's folder: which contents, from which file, how much, and where it lies.

It lies in the folder that the pipeline watches, so that a newly fetched gesture is noticed, and has nothing in it that
differs from one machine or day to another.
"""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.file_data import read_json

VERSION = 1


class Entry(TypedDict):
    """One content. `places` are the folders (or the file) that hold it, relative to the dataset's root."""

    file: str
    url: str
    sha256: str | None
    files: int
    bytes: int
    places: list[str]


class Record(TypedDict):
    """What the file says: see `write_record`."""

    contents: dict[str, Entry]


def read_record(path: Path) -> dict[str, Entry]:
    """The contents by name; none where there is no record. Raises `DataError` for a file that is none."""
    way_out = "it is not a record of downloads: delete it (what was fetched stays as it is)"
    return read_json(path, Record, way_out, ("record_version", VERSION))["contents"] if path.exists() else {}


def write_record(path: Path, dataset: str, contents: dict[str, Entry]) -> None:
    """Write the record as JSON, whole or not at all."""
    write_json(path, {"record_version": VERSION, "dataset": dataset, "contents": dict(sorted(contents.items()))})
