"""A user's changes to the plan: its order, its numbers, and what is off. They stay when the plan is made again.

Each change reads, changes and writes the plan while nobody else does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from static_gesture_classification.active_learning.planning.plan_file import (
    PlannedRecording,
    RecordingPlan,
    as_markdown,
    count_recorded,
    read_plan,
    write_plan,
)
from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.process_lock import change_alone

_Pair = tuple[str, str | None]
MOST_PLANNED = 1000  # samples of a line


def write_both(plan: RecordingPlan, path: Path) -> Path:
    """Write a plan, and plan.md beside it; returns the latter's path."""
    write_plan(plan, path)
    table = path.with_suffix(".md")
    write_text(table, as_markdown(plan))
    return table


def edit_plan(path: Path, change: Callable[[RecordingPlan], RecordingPlan]) -> RecordingPlan:
    """Change the plan on disk; returns it as it is now.

    Raises:
        UserError: the change is not possible. DataError: there is no plan, or it is damaged.
        OutputError: it cannot be written; the earlier one stays.
    """
    with change_alone(path):
        plan = change(read_plan(path))
        write_both(plan, path)
    return plan


def set_count(plan: RecordingPlan, pair: _Pair, count: int) -> RecordingPlan:
    """Ask for `count` samples of a line."""
    if not 1 <= count <= MOST_PLANNED:
        raise UserError(f"{count} samples cannot be planned; choose 1 to {MOST_PLANNED}, or switch the line off")
    return _change(plan, pair, lambda line: replace(line, count=count, by_user=True))


def switch(plan: RecordingPlan, pair: _Pair, off: bool) -> RecordingPlan:
    """Switch a line off, or on again."""
    return _change(plan, pair, lambda line: replace(line, off=off))


def move(plan: RecordingPlan, pair: _Pair, place: int) -> RecordingPlan:
    """Put a line at a place, from 0; a place beyond the last is the last."""
    line = _line(plan, pair)
    others = [each for each in plan.recordings if each.pair != pair]
    others.insert(max(place, 0), line)
    return replace(plan, recordings=tuple(others), ordered=True)


def put_back(plan: RecordingPlan, line: PlannedRecording) -> RecordingPlan:
    """Make a line again what it was; its place stays."""
    return _change(plan, line.pair, lambda _: line)


def keep_edits(made: RecordingPlan, path: Path, recorded: Path) -> RecordingPlan:
    """A new plan with what a user changed in the one at `path`.

    A line that is off stays off. A number that a user chose, and a line that he asked for, stay until they are
    recorded. If he ordered the lines, those that both plans have stay in his order, before the new ones.

    Args:
        made: the new plan.
        path: of the earlier one; it need not exist.
        recorded: folder of the recorded sessions.
    """
    try:
        before = read_plan(path)
    except DataError:  # there is none, or it is damaged
        return made
    done, old = count_recorded(before, recorded), {line.pair: line for line in before.recordings}
    asked = {pair for pair, line in old.items() if line.by_user and done.get(pair, 0) < line.count}
    lines = [_as_before(line, old, asked) for line in made.recordings]
    known = {line.pair for line in lines}
    lines += [line for line in before.recordings if line.pair in asked - known]
    if before.ordered:
        places = {pair: place for place, pair in enumerate(old)}
        lines.sort(key=lambda line: places.get(line.pair, len(places)))
    return replace(made, recordings=tuple(lines), ordered=before.ordered)


def _as_before(line: PlannedRecording, old: Mapping[_Pair, PlannedRecording], asked: set[_Pair]) -> PlannedRecording:
    before = old.get(line.pair)
    if before is None:
        return line
    kept = replace(line, off=before.off)
    return replace(kept, count=before.count, by_user=True) if line.pair in asked else kept


def _change(plan: RecordingPlan, pair: _Pair, change: Callable[[PlannedRecording], PlannedRecording]) -> RecordingPlan:
    _line(plan, pair)
    return replace(plan, recordings=tuple(change(line) if line.pair == pair else line for line in plan.recordings))


def _line(plan: RecordingPlan, pair: _Pair) -> PlannedRecording:
    line = next((line for line in plan.recordings if line.pair == pair), None)
    if line is None:
        about = f"{pair[0]} taken for {pair[1]}" if pair[1] else pair[0]
        raise UserError(f"the plan no longer asks for {about}: it was made again meanwhile; load the page again")
    return line
