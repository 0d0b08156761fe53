"""The subjects and rooms that were recorded before; they are stored beside the sessions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError, OutputError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.sources.recorded import readable_sessions
from static_gesture_classification.sources.source import folders_in

FILE = ".recorder.json"
SUBJECTS_VERSION = 1
MINED = "mined-"  # sessions that nobody recorded here
LONGEST = 80  # characters of a name


@dataclass(frozen=True)
class KnownNames:
    """Names of subjects and rooms, the latest first."""

    subjects: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()

    def with_latest(self, subject: str, room: str) -> KnownNames:
        """The same with these as the latest; names that differ in capitals only are equal."""
        return replace(self, subjects=_first(subject, self.subjects), rooms=_first(room, self.rooms))


@dataclass(frozen=True)
class _Memory:
    """The file's content."""

    people: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()


def read_known(root: Path) -> KnownNames:
    """The names in the file and in the sessions of `root`. Without a readable file only their order is lost."""
    known = _read_memory(root)
    subjects, rooms = list(known.subjects), list(known.rooms)
    newest_first = [name for name in reversed(folders_in(root)) if not name.startswith(MINED)]
    for session in readable_sessions(root, newest_first):
        subjects.append(session.subject)
        rooms.append(session.camera)
    return KnownNames(_distinct(subjects), _distinct(rooms))


def remember(root: Path, subject: str, room: str) -> None:
    """Store a subject and a room as the latest ones; a write error is ignored."""
    known = _read_memory(root).with_latest(subject, room)  # read anew: another recorder may have added one
    try:
        write_json(root / FILE, {"version": SUBJECTS_VERSION, "people": known.subjects, "rooms": known.rooms})
    except OutputError:
        return


def tidy(name: str) -> str:
    """A name without control characters and surplus spaces, with accents in NFC; any script, any sign."""
    text = "".join(
        letter if unicodedata.category(letter) != "Cc" else " " for letter in unicodedata.normalize("NFC", name)
    )
    return " ".join(text.split())[:LONGEST]


def match_known(name: str, known: Sequence[str]) -> str:
    """The known name that differs in capitals only, else the name; a subject must not become two."""
    name = tidy(name)
    return next((other for other in known if other.casefold() == name.casefold()), name)


def _read_memory(root: Path) -> KnownNames:
    try:
        memory = read_json(root / FILE, _Memory, "")
    except DataError:
        return KnownNames()
    return KnownNames(memory.people, memory.rooms)


def _first(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return _distinct([name, *names])


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        if name.strip():
            found.setdefault(name.casefold(), name)
    return tuple(found.values())
