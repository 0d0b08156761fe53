"""The sets to record: the plan's lines, one gesture, or sets whose gesture is chosen afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from static_gesture_classification.active_learning.planning.dealing import Dealer, Standing
from static_gesture_classification.active_learning.planning.plan_file import (
    Example,
    PlannedRecording,
    RecordingPlan,
    count_recorded,
    read_plan,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.sources.recorded import Confusion, Session

SECONDS_WITHOUT_WINDOW = 120  # longest duration of a set that no user can end
SECONDS_WATCHED = 120  # duration of a set without gestures, if recording.seconds does not say
MOST_WATCHED = 1000  # pictures of such a set
USUAL_SET = 30  # pictures of a set where neither the plan nor `recording.count` says
NO_GESTURE = (
    "Show no gesture: work, talk, drink, scratch your head. Each hand that the model names is a false alarm, and kept."
)
EXAMPLE_SIZE = 200  # pixels
EXAMPLE_MARGIN = 0.15


@dataclass(frozen=True)
class Job:
    """One set to record.

    Args:
        gesture: what to perform; None if it is chosen afterwards.
        mistaken_for: what the model takes it for; None if the job is not about a confusion.
        count: pictures that are still missing.
        reason: why, in words; "" without a plan.
        example: uint8 (EXAMPLE_SIZE, EXAMPLE_SIZE, 3) RGB, a hand that shows the error; None without one.
    """

    gesture: str | None
    count: int
    mistaken_for: str | None = None
    reason: str = ""
    example: np.ndarray | None = None

    @property
    def title(self) -> str:
        """What to perform, in words."""
        if self.gesture is None:
            return "Any gesture: perform it, name it afterwards"
        return (
            self.gesture if self.mistaken_for is None else f"{self.gesture}, the model takes it for {self.mistaken_for}"
        )

    @property
    def confusion(self) -> Confusion | None:
        """The confusion that a session is recorded for."""
        if self.gesture is None or self.mistaken_for is None:
            return None
        return Confusion(self.gesture, self.mistaken_for)

    def begin_session(self, subject: str, room: str, checkpoint: str | None, split: str) -> Session:
        """A session of this job that begins now, without pictures."""
        return Session(
            gesture=self.gesture or "",
            subject=subject,
            camera=room,
            time=datetime.now().astimezone().isoformat(timespec="seconds"),
            confusion=self.confusion,
            checkpoint=checkpoint,
            split=split,
        )


@dataclass(frozen=True)
class Work:
    """All sets to record.

    Args:
        jobs: in order.
        endless: whether the last job is repeated until the user stops.
        checkpoint: whose errors the plan follows; "" without a plan.
        planned: whether the jobs follow the plan.
        standings: how each gesture does on val, by the plan.
        dealt: pictures to record in sets that a dealer chooses; 0 where the jobs are recorded as they are listed.
        left_out: gestures that are not dealt: a user switched off all their lines.
    """

    jobs: tuple[Job, ...]
    endless: bool = False
    checkpoint: str = ""
    planned: bool = False
    standings: tuple[Standing, ...] = ()
    dealt: int = 0
    left_out: frozenset[str] = frozenset()


def find_work(settings: RecordingSettings) -> Work:
    """The sets to record, by `recording.mode`, `recording.gesture` and the plan.

    Raises:
        DataError: a plan is asked for and there is none, or it is damaged.
        UserError: an unknown gesture; a gesture that the plan does not ask for; a plan that is already done.
    """
    if settings.background:
        return _work_without_gestures(settings)
    for name in filter(None, (settings.gesture, settings.mistaken_for)):
        settings.vocabulary.index(name)
    if settings.mistaken_for is not None and settings.gesture is None:
        raise UserError(
            f"recording.mistaken_for is {settings.mistaken_for}, and no gesture that is mistaken for it is named; add "
            "recording.gesture=NAME"
        )
    count = USUAL_SET if settings.count is None else settings.count
    one = Work((Job(settings.gesture, count, settings.mistaken_for),), endless=settings.gesture is None)
    path = settings.plan
    if settings.mode == "free" or (settings.mode == "auto" and not path.is_file()):
        return one
    plan = read_plan(path, settings.vocabulary)
    lines = [
        line
        for line in plan.wanted
        if settings.gesture in (None, line.gesture) and settings.mistaken_for in (None, line.mistaken_for)
    ]
    if not lines and settings.mode == "plan":
        wanted = f"no {settings.gesture}" if settings.gesture else "nothing"
        taken = f" that is taken for {settings.mistaken_for}" if settings.mistaken_for else ""
        raise UserError(f"{path} asks for {wanted}{taken}; record what you like with recording.mode=free")
    return _work_of_plan(plan, lines, path, settings) if lines else one


def _work_without_gestures(settings: RecordingSettings) -> Work:
    """One set in which every hand that the model names is kept as background."""
    name = settings.vocabulary.background
    if name is None:
        raise UserError(
            "recording.background=true keeps hands as the background gesture, and there is none; name it: "
            "gestures.background=NAME"
        )
    if settings.gesture not in (None, name):
        raise UserError(
            f"recording.background=true keeps all hands as {name}, and recording.gesture is {settings.gesture}; "
            "leave one of them out"
        )
    return Work((Job(name, MOST_WATCHED, reason=NO_GESTURE),))


def _work_of_plan(
    plan: RecordingPlan, lines: Sequence[PlannedRecording], path: Path, settings: RecordingSettings
) -> Work:
    done = count_recorded(plan, settings.storage.root)
    missing = [max(line.count - done.get((line.gesture, line.mistaken_for), 0), 0) for line in lines]
    if settings.count is not None:
        missing = _share(settings.count, missing)
    jobs = [
        Job(line.gesture, count, line.mistaken_for, line.reason, example_picture(line.examples))
        for line, count in zip(lines, missing, strict=True)
        if count
    ]
    deals = settings.order == "dealt" and settings.gesture is None and not plan.ordered
    dealt = (plan.count - sum(done.values()) if settings.count is None else settings.count) if deals else 0
    if not jobs or (deals and dealt <= 0):
        raise UserError(
            f"all that {path} asks for is recorded. Train on it with dvc repro (which makes a new plan), or record "
            "more with recording.mode=free"
        )
    off = {line.gesture for line in plan.recordings} - {line.gesture for line in plan.wanted}
    about = (plan.checkpoint, True, plan.standings, dealt, frozenset(off))
    return Work(tuple(jobs), False, *about)


def _share(count: int, missing: Sequence[int]) -> list[int]:
    """`count` pictures over lines that miss so many: in their order, and what is left over goes to the last."""
    shares = []
    for wanted in missing:
        shares.append(min(wanted, count))
        count -= shares[-1]
    shares[-1] += count
    return shares


def open_dealer(settings: RecordingSettings, work: Work, judge: Vocabulary | None) -> Dealer | None:
    """The dealer that chooses the sets of the work; None where they are recorded as listed, or nothing judges."""
    if not work.dealt or judge is None:
        return None
    gestures = [gesture for gesture in settings.vocabulary if gesture not in work.left_out]
    return Dealer(settings.dealing, gestures, work.standings, settings.judge.seed)


def dealt_job(dealer: Dealer, gesture: str, most: int, lines: Sequence[Job]) -> Job:
    """A turn of a gesture that was dealt.

    Args:
        most: pictures at most.
        lines: the plan's, one of which may show an example.
    """
    mistaken_for = dealer.taken_for(gesture)
    own = [line for line in lines if line.gesture == gesture]
    alike = next((line for line in own if line.mistaken_for == mistaken_for), own[0] if own else None)
    example = None if alike is None else alike.example
    return Job(gesture, min(dealer.settings.turn, most), mistaken_for, dealer.why(gesture), example)


def fit_to_camera(settings: RecordingSettings, work: Work, live: bool) -> RecordingSettings:
    """The settings without a countdown for a file; without a window, also without the review.

    Raises:
        UserError: there is no window to name the gesture in.
    """
    changes: dict[str, object] = {} if live else {"countdown": 0.0}
    if settings.background and settings.seconds is None:
        changes["seconds"] = float(SECONDS_WATCHED)
    if settings.window == "none":
        if any(job.gesture is None for job in work.jobs):
            raise UserError(
                "without a window nobody can name what was performed: give recording.gesture=NAME, or a plan "
                "(make plan)"
            )
        seconds = SECONDS_WITHOUT_WINDOW if settings.seconds is None else settings.seconds
        changes |= {"review": False, "seconds": seconds}
    return settings.model_copy(update=changes)


def example_picture(examples: Sequence[Example]) -> np.ndarray | None:
    """A crop of the first readable example; None without one."""
    for example in examples:
        try:
            image = read_image(example.path)
        except (UnreadableImageError, OSError):
            continue
        return crop_square(image, example.box, EXAMPLE_SIZE, EXAMPLE_MARGIN)
    return None
