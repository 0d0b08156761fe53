"""The record of what was fetched into a dataset's folder: which contents, from which file, how much, and where it lies.

It lies in the folder that the pipeline watches, so that a newly fetched gesture is noticed, and has nothing in it that
differs from one machine or day to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.downloads.transfer import RemoteFile
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


class Content(TypedDict):
    """What the file says."""

    contents: dict[str, Entry]


class Record:
    """Reads and writes `path`, JSON: {"record_version": 1, "dataset": name, "contents": {name: Entry}}.

    Raises:
        DataError: the file is there, but not such a record.
    """

    def __init__(self, path: Path, dataset: str) -> None:
        self._path, self._dataset = path, dataset
        self._contents = self._read()

    def entry(self, content: str) -> Entry | None:
        """What is recorded of a content, or None."""
        return self._contents.get(content)

    def in_place(self, content: str, root: Path) -> bool:
        """Whether everything recorded of a content lies below `root`."""
        entry = self._contents.get(content)
        return entry is not None and all((root / place).exists() for place in entry["places"])

    def add(self, content: str, remote: RemoteFile, files: int, size: int, places: Sequence[str]) -> None:
        """Record a content. The file is replaced as a whole."""
        self._contents[content] = Entry(
            file=remote.name, url=remote.url, sha256=remote.sha256, files=files, bytes=size, places=sorted(places)
        )
        contents = {name: self._contents[name] for name in sorted(self._contents)}
        write_json(self._path, {"record_version": VERSION, "dataset": self._dataset, "contents": contents})

    def _read(self) -> dict[str, Entry]:
        if not self._path.exists():
            return {}
        way_out = "it is not a record of downloads: delete it (what was fetched stays as it is)"
        return read_json(self._path, Content, way_out, ("record_version", VERSION))["contents"]
