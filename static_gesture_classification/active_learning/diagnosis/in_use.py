"""Errors that were caught in use (`gestures live`), counted by pair: a source of its own beside val's predictions.

Nobody counts what went right in use, so there is no rate and no F1 at stake: only how often somebody said that it was
wrong, and of how many people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from static_gesture_classification.sources.recorded import Session, readable_sessions
from static_gesture_classification.sources.source import folders_in
from static_gesture_classification.terminal import Table, in_number, number_columns, say, show_table, text_columns

IN_USE = "in_use"  # of the source in the configuration


@dataclass(frozen=True)
class ErrorInUse:
    """One directed pair that was caught in use.

    Args:
        gesture: what was meant.
        prediction: what it was taken for.
        sessions: how often it was caught.
        pictures: how many pictures of it were kept.
        subjects: how many people are known to have it; 0 where nobody is named.
        first: when it was caught first: ISO 8601 text, "" if unknown.
    """

    gesture: str
    prediction: str
    sessions: int
    pictures: int
    subjects: int
    first: str

    @property
    def in_words(self) -> str:
        """`caught in use 3 times (14 pictures, 2 people)`."""
        times = "once" if self.sessions == 1 else f"{self.sessions:,} times"
        people = f", {in_number(self.subjects, 'person')}" if self.subjects else ""
        return f"caught in use {times} ({in_number(self.pictures, 'picture')}{people})"


def find_errors_in_use(root: Path) -> list[ErrorInUse]:
    """The pairs in the sessions of `root`, most often caught first; none where it does not exist.

    A picture counts where its checkpoint gave it another gesture than the one that was meant. Sessions without a
    gesture yet, and damaged ones, are left out; the index stage reports the latter.
    """
    found: dict[tuple[str, str], list[Session]] = {}
    for session in readable_sessions(root, folders_in(root)):
        for pair in _pairs(session):
            found.setdefault(pair, []).append(session)
    errors = [_count(*pair, sessions) for pair, sessions in found.items()]
    return sorted(errors, key=lambda error: (-error.sessions, -error.pictures, error.gesture, error.prediction))


def show_errors_in_use(errors: Sequence[ErrorInUse], rows: int) -> None:
    """Print the pairs that were caught in use, apart from those on val."""
    if not errors:
        return
    say(f"caught in use: {sum(error.pictures for error in errors):,} pictures of errors; they are no part of val")
    numbers = number_columns("caught", "pictures", "people")
    names = text_columns("gesture", "taken for")
    table = Table(*names, *numbers)
    for error in errors[:rows]:
        people = f"{error.subjects:,}" if error.subjects else "unknown"
        table.add_row(error.gesture, error.prediction, f"{error.sessions:,}", f"{error.pictures:,}", people)
    show_table(table)


def _pairs(session: Session) -> set[tuple[str, str]]:
    pairs = {(image.gesture or session.gesture, image.prediction) for image in session.images}
    return {(gesture, prediction) for gesture, prediction in pairs if prediction and gesture != prediction}


def _count(gesture: str, prediction: str, sessions: Sequence[Session]) -> ErrorInUse:
    pictures = sum(
        (image.gesture or session.gesture, image.prediction) == (gesture, prediction)
        for session in sessions
        for image in session.images
    )
    subjects = {session.subject for session in sessions if session.subject}
    return ErrorInUse(
        gesture, prediction, len(sessions), pictures, len(subjects), min(session.time for session in sessions)
    )
