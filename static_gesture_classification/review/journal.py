"""The journal of what was decided on the page: JSON lines, only ever appended. This module owns their format.

A line is acknowledged once it is on the disk. A last line without its end is what a kill left of one that was not
acknowledged; the next line takes its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import parse_json
from static_gesture_classification.preparation.label_fixes import LabelFix
from static_gesture_classification.process_lock import change_alone

VERSION = 1
JOURNAL = "journal.jsonl"

Action = Literal["label", "drop", "right", "record", "later", "undo", "promote"]


@dataclass(frozen=True)
class Entry:
    """One line.

    Args:
        version: of the format.
        id: of this entry.
        time: when, ISO 8601 with its offset from UTC.
        who: who did it.
        action: what was done.
        sample: the sample's id; "" for a checkpoint (promote).
        label: its gesture before; the checkpoint in words (promote).
        to: the right gesture (label), what it was taken for (record), or who uses it from now on (promote).
        count: samples that were added to the plan (record).
        asked_before, off_before: what the line of the plan was without any wish (record).
        earlier: the line of the label fixes that it replaced.
        undoes: id of the entry that it takes back (undo).
    """

    version: int
    id: str
    time: str
    who: str
    action: Action
    sample: str
    label: str
    to: str = ""
    count: int = 0
    asked_before: bool = False
    off_before: bool = False
    earlier: LabelFix | None = None
    undoes: str = ""

    @property
    def in_words(self) -> str:
        """`TWO is THREE`, `TWO is dropped`, `record more TWO taken for THREE`."""
        taken_for = f" taken for {self.to}" if self.to else ""
        return {
            "label": f"{self.label} is {self.to}",
            "drop": f"{self.label} is dropped",
            "right": f"{self.label} is right",
            "record": f"record more {self.label}{taken_for}",
            "later": f"{self.label} is kept for later",
            "undo": "undone",
            "promote": f"{self.label} is in use by {self.to}",
        }[self.action]


@dataclass(frozen=True)
class History:
    """What a journal says.

    Args:
        entries: oldest first.
        unreadable: numbers of lines that are no entries.
    """

    entries: tuple[Entry, ...] = ()
    unreadable: tuple[int, ...] = ()

    @property
    def undone(self) -> frozenset[str]:
        """Ids of the entries that were taken back."""
        return frozenset(entry.undoes for entry in self.entries if entry.undoes)

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The entries that still hold, oldest first."""
        undone = self.undone
        return tuple(entry for entry in self.entries if entry.id not in undone and entry.action != "undo")

    def find(self, name: str) -> Entry:
        """The entry of an id. Raises `DataError` where there is none."""
        for entry in self.entries:
            if entry.id == name:
                return entry
        raise DataError(f"the history has no entry {name}; load the page again")


def read_history(path: Path) -> History:
    """The entries of a journal; none where there is no file. A line that cannot be read is named, not fatal."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line's end was never acknowledged
    except FileNotFoundError:
        return History()
    return _parse(lines)


def append_entry(path: Path, entry: Entry) -> None:
    """Write an entry; when this returns it is on the disk.

    Raises:
        OutputError: full disk, read-only folder; earlier entries stay.
    """
    line = json.dumps(asdict(entry), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    with change_alone(path), explain_write_errors(path), path.open("a+b") as file:
        whole = _end_of_last_line(file)
        file.truncate(whole)
        try:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(whole)
            raise


def _end_of_last_line(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if file.read(1) in (b"", b"\n"):
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _parse(lines: Iterable[bytes]) -> History:
    entries, unreadable = [], []
    for number, line in enumerate(lines, start=1):
        try:
            entry = parse_json(line.decode(), Entry, "", "")
        except (DataError, UnicodeDecodeError):
            unreadable.append(number)
            continue
        entries.append(entry)
    return History(tuple(entries), tuple(unreadable))
