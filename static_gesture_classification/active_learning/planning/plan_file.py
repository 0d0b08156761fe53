"""The recording plan: what to record or search for next, how many, and why. This module owns its file.

On disk it is JSON: `version`, `checkpoint` (whose errors it follows), `recordings` (in the order to record them, each
with example samples), `taken_in` (the recorded sessions that were part of the data), `standings` (how each gesture does
on val), and `notes`. `plan.md` beside it is the same to read. What a user changes in it (`plan_edits`) is marked, and
stays when the plan is made again.

A recorded session that is not in `taken_in` counts towards the plan. So a plan that is made again from the same data
and errors still counts what was recorded for it, and a plan after `dvc repro` begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.table import Column

from static_gesture_classification.active_learning.planning.dealing import Standing
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import PathInside, read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import image_path
from static_gesture_classification.sources.recorded import readable_sessions
from static_gesture_classification.sources.source import folders_in
from static_gesture_classification.terminal import Table, note, say, show_table

PLAN_VERSION = 2
MAKE = "gestures plan"
# benchmarks/results/active_learning.md: as many random samples taught as much, and hard mode needed half of the views.
WHAT_IT_IS = "This is what fails and what is lacking. It saves looking; as many random pictures taught as much."


@dataclass(frozen=True)
class Example:
    """An example of a planned error or gesture.

    Args:
        sample_id: of the sample table.
        image: path relative to `root`, with forward slashes.
        root: the source's folder.
        box: x1, y1, x2, y2 of the hand, normalised to 0..1.
    """

    sample_id: str
    image: PathInside
    root: str
    box: tuple[float, float, float, float]

    @property
    def path(self) -> Path:
        """Where the image is."""
        return image_path(self.root, self.image)


@dataclass(frozen=True)
class PlannedRecording:
    """One line of the plan.

    Args:
        gesture: what to perform.
        mistaken_for: what the model takes it for; None where the gesture lacks data.
        count: samples to record, above 0.
        errors: samples of the gesture with this error, in val's predictions.
        rate: their share of the gesture's samples, 0..1.
        f1_at_stake: weighted F1 to be gained without these errors (see `confusions`).
        reason: why, in words.
        examples: samples of the error, most certain first; of the gesture where it lacks data.
        off: whether a user switched it off, so that nobody is asked to record it.
        by_user: whether a user asked for it, or for this count.
    """

    gesture: str
    mistaken_for: str | None
    count: Annotated[int, Field(ge=1)]
    errors: int
    rate: float
    f1_at_stake: float
    reason: str
    examples: tuple[Example, ...] = ()
    off: bool = False
    by_user: bool = False

    @property
    def pair(self) -> tuple[str, str | None]:
        """What the line is about; no two lines of a plan have the same."""
        return self.gesture, self.mistaken_for


@dataclass(frozen=True)
class RecordingPlan:
    """What to record next.

    Args:
        version: of the file's format.
        checkpoint: whose errors it follows; "" without one.
        recordings: in the order to record them.
        notes: for the reader.
        taken_in: recorded sessions that were part of the data when it was made.
        standings: how each gesture does on val; the recorder deals gestures from there on.
        ordered: whether a user chose the order of the lines; then they are recorded one after the other.
    """

    version: int
    checkpoint: str
    recordings: tuple[PlannedRecording, ...]
    notes: tuple[str, ...] = ()
    taken_in: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    ordered: bool = False

    @property
    def wanted(self) -> tuple[PlannedRecording, ...]:
        """The lines that are not switched off."""
        return tuple(line for line in self.recordings if not line.off)

    @property
    def count(self) -> int:
        """Samples to record in all."""
        return sum(line.count for line in self.wanted)


def write_plan(plan: RecordingPlan, path: Path) -> None:
    """Write a plan as JSON."""
    write_json(path, asdict(plan))


def read_plan(path: Path, vocabulary: Vocabulary | None = None) -> RecordingPlan:
    """Read a plan; with a `vocabulary`, one that can be performed with it.

    Raises:
        DataError: the file is missing, is not a plan, has another version, or names a picture outside its folder.
        UserError: it names a gesture that is not in the vocabulary.
    """
    if not path.is_file():
        raise DataError(f"no recording plan at {path}; make one with {MAKE}")
    plan = read_json(path, RecordingPlan, f"make it again with {MAKE}", ("version", PLAN_VERSION))
    if vocabulary is not None:
        _check_gestures(plan, vocabulary, path)
    return plan


def count_recorded(plan: RecordingPlan, root: Path) -> dict[tuple[str, str | None], int]:
    """Count the pictures recorded for a plan since it was made, by gesture and what it is mistaken for.

    Mined sessions, which have no time, do not count.
    """
    found: dict[tuple[str, str | None], int] = {}
    for session in readable_sessions(root, sorted(set(folders_in(root)) - set(plan.taken_in))):
        if session.time:
            key = (session.gesture, session.confusion.mistaken_for if session.confusion else None)
            found[key] = found.get(key, 0) + sum(image.gesture in (None, session.gesture) for image in session.images)
    return found


def show_plan(plan: RecordingPlan, recorded: Mapping[tuple[str, str | None], int] | None = None) -> None:
    """Print a plan, and how much of it is recorded already (`count_recorded`)."""
    if plan.recordings:
        say(f"record next, {plan.count:,} samples:")
        show_table(_table(plan))
        say(WHAT_IT_IS)
    there = sum(min(line.count, (recorded or {}).get(line.pair, 0)) for line in plan.wanted)
    if there:
        say(f"{there:,} of them are recorded already; to train on them: dvc repro")
    for text in plan.notes:
        note(text)


def as_markdown(plan: RecordingPlan) -> str:
    """The plan as Markdown, with the paths of its examples."""
    return "\n".join(_markdown(plan)) + "\n"


def _table(plan: RecordingPlan) -> Table:
    columns = (Column("record", no_wrap=True), Column("taken for", no_wrap=True), Column("samples", justify="right"))
    table = Table(*columns, Column("why", ratio=1), leading=1)
    for line in plan.recordings:
        table.add_row(line.gesture, line.mistaken_for or "", "off" if line.off else f"{line.count:,}", line.reason)
    return table


def _markdown(plan: RecordingPlan) -> Iterator[str]:
    yield "# What to record next"
    yield from ("", f"Follows the errors of `{plan.checkpoint}`: {plan.count:,} samples.", "", WHAT_IT_IS)
    if plan.recordings:
        yield from ("", "| record | taken for | samples | why |", "|---|---|---:|---|")
    for line in plan.recordings:
        count = "off" if line.off else line.count
        yield f"| {line.gesture} | {line.mistaken_for or ''} | {count} | {line.reason.replace('|', '/')} |"
    for remark in plan.notes:
        yield from ("", f"Note: {remark}.")
    if any(line.examples for line in plan.recordings):
        yield from ("", "## Examples")
    for line in plan.recordings:
        if line.examples:
            yield from ("", f"{line.gesture}{f' taken for {line.mistaken_for}' if line.mistaken_for else ''}:", "")
            yield from (f"- `{example.path.as_posix()}`" for example in line.examples)


def _check_gestures(plan: RecordingPlan, vocabulary: Vocabulary, path: Path) -> None:
    for recording in plan.recordings:
        for gesture in filter(None, (recording.gesture, recording.mistaken_for)):
            if gesture not in vocabulary:
                raise UserError(
                    f"{path} plans {gesture}, which is not in the vocabulary ({', '.join(vocabulary)}); "
                    f"make it again with {MAKE}"
                )
