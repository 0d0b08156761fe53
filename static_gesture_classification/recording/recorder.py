"""The recorder: who performs what, set by set, and where each of its states leads.

It draws nothing and reads no device: the window, the lines without a window, and the tests drive the same one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from static_gesture_classification.active_learning.admission import (
    TRAIN,
    Settings,
    Side,
    past_sessions,
    split_for,
)
from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.latest_frame import RUNNING, CameraStatus
from static_gesture_classification.recording.jobs import Job, Work
from static_gesture_classification.recording.judging.learning_head import Kept, LearningLayer
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Selector
from static_gesture_classification.recording.people import as_known, read_known, remember
from static_gesture_classification.recording.session_writer import SessionWriter
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.settings import AUTO, NONE, RecordingSettings
from static_gesture_classification.recording.states import (
    Asking,
    Choosing,
    Finished,
    Ready,
    Recording,
    Reviewing,
    State,
)
from static_gesture_classification.recording.window.keys import CLOSED
from static_gesture_classification.sources.recorded import Session

NOTICE_SECONDS = 4.0
ASK_PERSON = "Who is in front of the camera?"
WHY_PERSON = (
    "One person's pictures never stand on both sides of train and val. A short name that stays the same is enough."
)
ASK_ROOM = "Which camera, in which room?"
WHY_ROOM = "For example: laptop, kitchen. It helps to see later where errors come from."


@dataclass(frozen=True)
class Rules:
    """What decides about sessions and pictures beside the recorder's own settings.

    Args:
        admission: margins and shares.
        group: `splits.group`.
        splits: the split stage's sample table, which need not exist.
    """

    admission: Settings
    group: str
    splits: Path


class Recorder:
    """Drives a recording. Call `see`, `press` and `tick` from one thread.

    Args:
        settings: the recorder's.
        rules: see `Rules`.
        vocabulary: the project's gestures.
        work: what to record.
        judge: the gestures that the model knows; None without a model.
        checkpoint: that judges, as sessions name it.
        unfinished: sets of killed recorders whose gesture was not chosen yet; they come first.
        clock: seconds that never go back.
        learner: the judging model's last layer that learns from what is kept; None where it does not.

    Attributes:
        state: what it is doing.
        over: whether it has ended.
        notice: a message for the next seconds.
        camera: how the camera does.
        sets: what was recorded, in order; discarded ones too, until `close`.
    """

    def __init__(
        self,
        settings: RecordingSettings,
        rules: Rules,
        vocabulary: Vocabulary,
        work: Work,
        judge: Vocabulary | None,
        checkpoint: str = "",
        unfinished: Sequence[SessionWriter] = (),
        clock: Callable[[], float] = time.monotonic,
        learner: LearningLayer | None = None,
    ) -> None:
        self.settings, self.rules, self.vocabulary, self.work = settings, rules, vocabulary, work
        self.judge, self.checkpoint, self._clock = judge, checkpoint, clock
        self.learner = learner
        self.can_judge = judge is not None
        self.hard = self.can_judge and (work.planned if settings.hard == AUTO else bool(settings.hard))
        self.now = clock()
        self.over = False
        self.camera = CameraStatus(RUNNING)
        self.sets: list[SetInProgress] = []
        self.person, self.room = "", ""
        self._notice, self._notice_until = "", 0.0
        self._job = 0
        self._unfinished = list(unfinished)
        self.known = read_known(settings.storage.root)
        self.state: State = Ready(self)
        self._begin()

    # What goes in

    def see(self, sight: Sight) -> None:
        """Take a picture."""
        self.state.see(sight)

    def press(self, key: str) -> None:
        """Take a key; see `keys`."""
        if key == CLOSED:
            self._close_window()
        else:
            self.state.press(key.lower() if len(key) == 1 and not isinstance(self.state, Asking) else key)

    def tick(self, camera: CameraStatus) -> None:
        """Take the time, and how the camera does."""
        self.now = self._clock()
        ended, self.camera = camera.over and not self.camera.over, camera
        self.state.tick(self.now)
        if ended or (camera.over and isinstance(self.state, (Ready, Recording))):
            self.state.camera_over()
        if self.learner is not None:
            self.learner.learn_from(self.lessons)

    def close(self) -> list[str]:
        """Make what was dropped final, and rescue what the disk refused.

        Returns:
            messages about rescued pictures, or about those that could not be.
        """
        self._count_current()
        messages = []
        for current in self.sets:
            try:
                current.save()
                rescued = current.writer.rescue()
            except OutputError as error:
                messages.append(f"{current.writer.unsaved} pictures could not be saved anywhere: {error}")
            else:
                if rescued is not None:
                    messages.append(
                        f"{current.trouble} The pictures that it refused are safe in {rescued}; when there is room, "
                        f"move that folder to {self.settings.storage.root}"
                    )
            current.writer.close()
        return messages

    # What is the case

    @property
    def job(self) -> Job:
        """What is recorded now or next."""
        return self.work.jobs[min(self._job, len(self.work.jobs) - 1)]

    @property
    def number(self) -> int:
        """Which of the jobs that is, from 1."""
        return min(self._job, len(self.work.jobs) - 1) + 1

    @property
    def more_jobs(self) -> bool:
        """Whether another job follows."""
        return self._job + 1 < len(self.work.jobs)

    @property
    def last_set(self) -> SetInProgress | None:
        """The set that was recorded last; None before the first."""
        return self.sets[-1] if self.sets else None

    @property
    def hard_now(self) -> bool:
        """Whether only what is hard is kept, of the set that is recorded now or next."""
        state = self.state
        return state.set.selector.hard if isinstance(state, Recording) else self.hard and self.job.gesture is not None

    @property
    def lessons(self) -> list[Kept]:
        """What the judging model can learn from: the pictures kept for train, with the gestures that they show."""
        current = [self.state.set] if isinstance(self.state, Recording) and self.state.set not in self.sets else []
        return [lesson for each in [*self.sets, *current] for lesson in self._lessons_of(each)]

    @property
    def saved(self) -> list[SetInProgress]:
        """The sets that hold pictures and are not discarded."""
        return [current for current in self.sets if current.kept and not current.writer.discarded]

    @property
    def notice(self) -> str:
        """A message that is shown for some seconds."""
        return self._notice if self.now < self._notice_until else ""

    @notice.setter
    def notice(self, text: str) -> None:
        self._notice, self._notice_until = text, self.now + NOTICE_SECONDS

    # Where states lead

    def go(self, state: State) -> None:
        """Change the state."""
        self.state = state

    def finish(self) -> None:
        """All is done: show what it came to."""
        self.go(Finished(self))

    def ask_person(self) -> None:
        """Ask who performs."""
        self.go(Asking(self, ASK_PERSON, WHY_PERSON, self.known.people, self._take_person))

    def ask_room(self) -> None:
        """Ask which camera and room."""
        self.go(Asking(self, ASK_ROOM, WHY_ROOM, self.known.rooms, self._take_room))

    def start_set(self) -> None:
        """Begin the current job."""
        self.go(Recording(self, self._new_set()))

    def set_recorded(self, current: SetInProgress) -> None:
        """A set has ended: it is named where that is open, then shown."""
        if current not in self.sets and current.writer.entries:
            self.sets.append(current)
        if not current.kept:
            self.notice = "Nothing was kept."
            self._after(current)
        elif not current.writer.session.gesture:
            self._ask_gesture(current)
        elif self.settings.review:
            self.go(Reviewing(self, current))
        else:
            self._after(current)

    def break_off(self, current: SetInProgress) -> None:
        """Leave a set before it is full: what it has is shown; without anything it is as if it had not begun."""
        current.selector.flush()
        if current.kept:
            self.set_recorded(current)
        else:
            self.go(Ready(self))

    def keep(self, current: SetInProgress) -> None:
        """The set stays; on to the next job."""
        self._after(current)

    def discard(self, current: SetInProgress) -> None:
        """The set goes to the trash; the same job is due again."""
        try:
            current.discard()
        except OutputError as error:
            self.notice = str(error)
            return
        self.notice = "The set is discarded. U brings it back."
        self.go(Ready(self))

    def reopen_last_set(self) -> None:
        """Back to the contact sheet of the last set, taken out of the trash if it is there."""
        current = self.last_set
        if current is None:
            return
        try:
            current.writer.restore()
        except OutputError as error:
            self.notice = str(error)
            return
        self.over = False
        if current.writer.session.gesture:
            self.go(Reviewing(self, current))
        else:
            self._ask_gesture(current)

    def next_job(self) -> None:
        """Leave the current job for the next one."""
        if self.more_jobs:
            self._job += 1

    def toggle_hard(self) -> None:
        """Keep everything, or only what is hard for the model."""
        self.hard = self.can_judge and not self.hard

    def _begin(self) -> None:
        """Whoever and whatever is known already is not asked for."""
        self.person = as_known(self.settings.subject or "", self.known.people)
        self.room = as_known(self.settings.room or "", self.known.rooms)
        if self.settings.window != NONE:
            self.person = self.person or next(iter(self.known.people), "")
            self.room = self.room or next(iter(self.known.rooms), "")
        self._remember()

    def _ask_what_is_missing(self) -> None:
        nobody_answers = self.settings.window == NONE
        if not self.person and not nobody_answers:
            self.ask_person()
        elif not self.room and not nobody_answers:
            self.ask_room()
        elif self._unfinished:
            self._adopt(self._unfinished.pop(0))
        else:
            self.go(Ready(self))

    def _adopt(self, writer: SessionWriter) -> None:
        job = Job(None, len(writer.entries))
        current = SetInProgress(job, self._selector(job, False), writer, Side("", ""))
        self.sets.append(current)
        self.notice = "These were recorded earlier and have no gesture yet."
        self._ask_gesture(current)

    def _take_person(self, name: str) -> None:
        self.person = name
        self._remember()

    def _take_room(self, name: str) -> None:
        self.room = name
        self._remember()

    def _remember(self) -> None:
        if self.person and self.room:
            remember(self.settings.storage.root, self.person, self.room)
            self.known = self.known.with_latest(self.person, self.room)
        self._ask_what_is_missing()

    def _new_set(self) -> SetInProgress:
        job = self.job
        whole = not self.hard or job.gesture is None
        side = self._side(whole)
        session = Session(
            gesture=job.gesture or "",
            subject=self.person,
            camera=self.room,
            time=datetime.now().astimezone().isoformat(timespec="seconds"),
            confusion=job.confusion,
            checkpoint=self.checkpoint or None,
            split=side.split,
        )
        hard = self.hard and job.gesture is not None and not side.held_out
        return SetInProgress(job, self._selector(job, hard), SessionWriter(self.settings.storage, session), side)

    def _side(self, whole: bool) -> Side:
        try:
            past = past_sessions(self.settings.storage.root, self.rules.splits)
        except (DataError, UserError) as error:  # a damaged session is the index stage's business; recording goes on
            return Side("", f"the split stage decides ({error})")
        return split_for(self.person, past, self.rules.admission.held_out, self.rules.group, whole)

    def _selector(self, job: Job, hard: bool) -> Selector:
        return Selector(self.settings.selection, self.rules.admission, self.judge, job.gesture, job.mistaken_for, hard)

    def _ask_gesture(self, current: SetInProgress) -> None:
        question = f"Which gesture do these {len(current.kept)} pictures show?"

        def chosen(gesture: str) -> None:
            current.label(gesture)
            self.go(Reviewing(self, current))

        self.go(Choosing(self, question, chosen, lambda: self.discard(current), current.kept, _guess(current)))

    def _after(self, current: SetInProgress) -> None:
        """On from a set that is done with."""
        unfinished = current.job is self.job and current.job.gesture is not None and current.missing > 0
        if self.camera.over:
            self.finish()
        elif all(current.job is not job for job in self.work.jobs):
            self._ask_what_is_missing()
        elif unfinished:
            self._want(current.missing)
            self.go(Ready(self))
        elif self.work.endless:
            self.go(Ready(self))
        elif self.more_jobs:
            self._job += 1
            self.start_set()
        else:
            self.finish()

    def _lessons_of(self, current: SetInProgress) -> Iterator[Kept]:
        if current.side.split != TRAIN or current.writer.discarded or self.judge is None:
            return  # what is held out, or may be yet, is not learned from
        for entry in current.kept:
            gesture = entry.image.gesture or current.writer.session.gesture
            if entry.embedding is not None and gesture in self.judge:
                yield Kept(id(entry), entry.embedding, self.judge.index(gesture))

    def _want(self, count: int) -> None:
        """The current job still wants `count` pictures."""
        jobs = [replace(job, count=count) if job is self.job else job for job in self.work.jobs]
        self.work = replace(self.work, jobs=tuple(jobs))

    def _close_window(self) -> None:
        """The window was closed: what is kept stays."""
        self._count_current()
        self.over = True

    def _count_current(self) -> None:
        """The set that is being recorded is one of those that were."""
        if isinstance(self.state, Recording) and self.state.set.writer.entries and self.state.set not in self.sets:
            self.sets.append(self.state.set)


def _guess(current: SetInProgress) -> str | None:
    """The gesture that the model finds likeliest over all pictures of a set."""
    rows = [entry.probabilities for entry in current.kept if entry.probabilities is not None]
    if not rows or current.selector.vocabulary is None:
        return None
    return current.selector.vocabulary.names[int(sum(rows).argmax())]  # type: ignore[union-attr]
