"""Lines of the plan for errors that were caught in use.

What is caught is a few pictures of one person in one minute. So the plan asks for more of the pair, by other people and
in other light: `plan.per_error` samples for each time that it was caught, until that many were recorded for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from static_gesture_classification.active_learning.diagnosis.in_use import ErrorInUse
from static_gesture_classification.active_learning.planning.budget import BudgetSettings
from static_gesture_classification.sources.recorded import readable_sessions

Pair = tuple[str, str]


def share_in_use(
    errors: Sequence[ErrorInUse], recorded: dict[Pair, int], settings: BudgetSettings
) -> list[tuple[ErrorInUse, int]]:
    """Errors in use with the samples to record, most often caught first, within their part of the budget.

    Args:
        errors: pairs that val's predictions do not plan already.
        recorded: samples that were recorded for a pair since it was caught and are part of the data.
    """
    left = round(settings.budget * settings.for_in_use)
    lines = []
    for error in errors:
        wanted = min(settings.most, max(settings.least, settings.per_error * error.sessions))
        count = min(wanted - recorded.get((error.gesture, error.prediction), 0), left)
        if count >= settings.least:
            lines.append((error, count))
            left -= count
    return lines


def count_recorded_since(errors: Sequence[ErrorInUse], sessions: Collection[str], root: Path) -> dict[Pair, int]:
    """How many pictures were recorded for each pair since it was caught first.

    Args:
        errors: the pairs.
        sessions: names of the recorded sessions that count; those that no longer load are left out.
        root: their folder.
    """
    caught = {(error.gesture, error.prediction): error.first for error in errors}
    found: dict[Pair, int] = {}
    for session in readable_sessions(root, sorted(sessions)):
        pair = (session.confusion.gesture, session.confusion.mistaken_for) if session.confusion else None
        if pair in caught and session.time >= caught[pair]:
            found[pair] = found.get(pair, 0) + len(session.images)
    return found
