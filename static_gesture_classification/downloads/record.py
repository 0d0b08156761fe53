"""The record of the contents that were fetched into a dataset's folder: their file, size and places.

It lies in a folder that the pipeline watches, so that `dvc repro` notices a new gesture, and is the same on each
machine and day.
"""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.file_data import read_json

DOWNLOADS_VERSION = 1


class DownloadedContent(TypedDict):
    """One content; `places` are its folders, or its file, relative to the dataset's root."""

    file: str
    url: str
    sha256: str | None
    files: int
    bytes: int
    places: list[str]


class DownloadsRecord(TypedDict):
    """The content of the file."""

    contents: dict[str, DownloadedContent]


def read_downloads(path: Path) -> dict[str, DownloadedContent]:
    """The contents by name; none without a record. Raises `DataError` for another file."""
    way_out = "it is not a record of downloads: delete it (fetched files stay)"
    return (
        read_json(path, DownloadsRecord, way_out, ("record_version", DOWNLOADS_VERSION))["contents"]
        if path.exists()
        else {}
    )


def write_downloads(path: Path, dataset: str, contents: dict[str, DownloadedContent]) -> None:
    """Write the record as JSON, whole or not at all."""
    write_json(
        path, {"record_version": DOWNLOADS_VERSION, "dataset": dataset, "contents": dict(sorted(contents.items()))}
    )
