"""Wishes: samples that a person asks for while looking at errors become lines of the plan, whatever the budget says.

They stay when the plan is made again, until they are recorded (see `plan_edits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from static_gesture_classification.active_learning.planning.make_plan import sessions_in
from static_gesture_classification.active_learning.planning.plan_edits import write_both
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    read_plan,
)
from static_gesture_classification.process_lock import change_alone
from static_gesture_classification.samples import read_rows

REASON = "asked for while looking at errors"


@dataclass(frozen=True)
class Wish:
    """More samples like one.

    Args:
        gesture: what to perform.
        mistaken_for: what the model takes it for; None where it is right.
        count: samples.
        example: the sample.
        asked_before: whether a user had asked for the line, or for its count, without any wish.
        off_before: whether the line was off without any wish.
    """

    gesture: str
    mistaken_for: str | None
    count: int
    example: Example
    asked_before: bool = False
    off_before: bool = False

    @property
    def pair(self) -> tuple[str, str | None]:
        """The line of the plan that it belongs to."""
        return self.gesture, self.mistaken_for


def add_wish(wish: Wish, path: Path, samples: Path) -> Wish:
    """Add a wish to the plan at `path`, or begin one with it; returns it with what the line was before.

    Args:
        wish: what to add.
        path: of the plan; plan.md beside it is written too.
        samples: table of today's data, whose recordings do not count towards a new plan.

    Raises:
        DataError: the plan cannot be read. OutputError: it cannot be written; the earlier one stays.
    """
    with change_alone(path):
        plan = read_plan(path) if path.is_file() else _empty_plan(samples)
        line = next((line for line in plan.recordings if line.pair == wish.pair), None)
        write_both(replace(plan, recordings=_with(plan.recordings, wish)), path)
        return wish if line is None else replace(wish, asked_before=line.by_user, off_before=line.off)


def remove_wish(wish: Wish, path: Path, is_last: bool = True) -> bool:
    """Take a wish out of the plan again; False where the plan no longer has it.

    Args:
        wish: as `add_wish` gave it.
        path: of the plan.
        is_last: whether no other wish for this line stands; then it is again what it was without any.
    """
    with change_alone(path):
        plan = read_plan(path) if path.is_file() else None
        if plan is None or not any(line.pair == wish.pair for line in plan.recordings):
            return False
        write_both(replace(plan, recordings=_without(plan.recordings, wish, is_last)), path)
        return True


def _with(lines: Sequence[PlannedRecording], wish: Wish) -> tuple[PlannedRecording, ...]:
    others = [line for line in lines if line.pair != wish.pair]
    line = next((line for line in lines if line.pair == wish.pair), None)
    if line is None:
        own = PlannedRecording(*wish.pair, wish.count, 0, 0.0, 0.0, REASON, (wish.example,), by_user=True)
        return (own, *others)
    examples = (wish.example, *(each for each in line.examples if each.sample_id != wish.example.sample_id))
    more = replace(line, count=line.count + wish.count, examples=examples, off=False, by_user=True)
    return tuple(more if each.pair == wish.pair else each for each in lines)


def _without(lines: Sequence[PlannedRecording], wish: Wish, is_last: bool) -> tuple[PlannedRecording, ...]:
    left = []
    for line in lines:
        if line.pair != wish.pair:
            left.append(line)
        elif line.count > wish.count:
            examples = tuple(each for each in line.examples if each.sample_id != wish.example.sample_id)
            fewer = replace(line, count=line.count - wish.count, examples=examples)
            left.append(replace(fewer, by_user=wish.asked_before, off=wish.off_before) if is_last else fewer)
    return tuple(left)


def _empty_plan(samples: Path) -> RecordingPlan:
    taken_in = sessions_in(read_rows(samples, ["source", "image"])) if samples.is_file() else ()
    return RecordingPlan(PLAN_VERSION, "", (), taken_in=taken_in)
