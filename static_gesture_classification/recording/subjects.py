"""The subjects and rooms that were recorded before, remembered beside the sessions, so that each is asked for once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError, OutputError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.sources.recorded import SESSION_FILE, read_session
from static_gesture_classification.sources.source import folders_in

FILE = ".recorder.json"
VERSION = 1
MINED = "mined-"  # sessions that nobody recorded here
LONGEST = 80  # characters of a name


@dataclass(frozen=True)
class KnownNames:
    """Names of subjects and rooms, the latest first."""

    subjects: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()

    def with_latest(self, subject: str, room: str) -> KnownNames:
        """The same, where these are the latest; a name that differs in capitals only is the same name."""
        return replace(self, subjects=_first(subject, self.subjects), rooms=_first(room, self.rooms))


@dataclass(frozen=True)
class _Memory:
    """What the file says."""

    people: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()


def read_known(root: Path) -> KnownNames:
    """Who and what was recorded before: as remembered, and as the sessions in `root` say.

    A memory that is damaged or missing costs nothing but the order.
    """
    known = _read_memory(root)
    subjects, rooms = list(known.subjects), list(known.rooms)
    for name in reversed(folders_in(root)):
        if not name.startswith(MINED) and (root / name / SESSION_FILE).is_file():
            try:
                session = read_session(root / name)
            except DataError:
                continue
            subjects.append(session.subject)
            rooms.append(session.camera)
    return KnownNames(_distinct(subjects), _distinct(rooms))


def remember(root: Path, subject: str, room: str) -> None:
    """Remember a subject and a room as the latest ones. A disk that does not take it is no reason to stop."""
    known = _read_memory(root).with_latest(subject, room)  # read anew: another recorder may have added one
    try:
        write_json(root / FILE, {"version": VERSION, "people": known.subjects, "rooms": known.rooms})
    except OutputError:
        return


def tidy(name: str) -> str:
    """A name without control characters and surplus spaces, in one way of writing accents; any script, any sign."""
    text = "".join(
        letter if unicodedata.category(letter) != "Cc" else " " for letter in unicodedata.normalize("NFC", name)
    )
    return " ".join(text.split())[:LONGEST]


def match_known(name: str, known: Sequence[str]) -> str:
    """The name as it is known already, where it differs in capitals only; one person must not become two."""
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
