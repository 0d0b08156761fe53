"""The recorder: who performs what, set by set. It is always in one `State`, and each state leads to others.

It draws nothing and reads no device: the window, the lines without a window, and the tests drive it alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from static_gesture_classification.active_learning.admission import TRAIN, Placement, place_session
from static_gesture_classification.active_learning.planning.dealing import Dealer
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.latest_frame import RUNNING, CameraStatus
from static_gesture_classification.recording.false_alarms import WatchedHands
from static_gesture_classification.recording.jobs import Job, Work, dealt_job
from static_gesture_classification.recording.judging.learning_head import KeptHand, LearningLayer
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Selector
from static_gesture_classification.recording.keys import CLOSED, Key
from static_gesture_classification.recording.session_writer import SessionWriter
from static_gesture_classification.recording.set_in_progress import SetInProgress, close_sets
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.subjects import match_known, read_known, remember

NOTICE_SECONDS = 4.0


class State:
    """A state of the recorder; the classes are in `states`.

    Attributes:
        set: its set; None without one.
        looks: whether hands are detected in the pictures.
        records: whether its set is being recorded.
        takes_text: whether keys write a text.
    """

    set: SetInProgress | None = None
    looks = False
    records = False
    takes_text = False

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def bindings(self) -> list[Key]:
        """The keys that do something now."""
        return []

    @property
    def keys(self) -> list[Key]:
        """The keys that the screen shows."""
        return [key for key in self.bindings() if key.shown]

    @property
    def keeps(self) -> bool:
        """Whether pictures that come now can be kept."""
        return False

    def press(self, key: str) -> None:
        """React to a key: a character, or a name of `keys`."""
        for binding in self.bindings():
            if binding.action is not None and key in (binding.key, *binding.also):
                binding.action()
                return

    def see(self, sight: Sight) -> None:
        """React to a picture."""

    def tick(self, now: float) -> None:
        """React to the time, in seconds of the recorder's clock."""

    def camera_over(self) -> None:
        """React to the end of all pictures."""


class Recorder:
    """Drives a recording. `states.begin` starts it; then call `see`, `press` and `tick` from one thread.

    Args:
        settings: see the class.
        work: what to record.
        judge: the gestures that the model knows; None without a model.
        checkpoint: that judges, as sessions name it.
        unfinished: sets of killed recorders whose gesture was not chosen yet; they come first.
        clock: seconds that never go back.
        learner: the judging model's last layer that learns from kept pictures; None without one.
        dealer: chooses the gesture of each set; None to record the work's jobs as they are listed.

    Attributes:
        state: its current state.
        over: whether it has ended.
        notice: a message for the next seconds.
        camera: the camera's status.
        sets: the recorded sets, in order; also discarded ones, until `close`.
        subject, room: who performs, and where; "" if unknown.
        watched: the hands of the latest time without gestures; None without one.
    """

    def __init__(
        self,
        settings: RecordingSettings,
        work: Work,
        judge: Vocabulary | None,
        checkpoint: str = "",
        unfinished: Sequence[SessionWriter] = (),
        clock: Callable[[], float] = time.monotonic,
        learner: LearningLayer | None = None,
        dealer: Dealer | None = None,
    ) -> None:
        self.settings, self.vocabulary, self.work = settings, settings.vocabulary, work
        self.judge, self.checkpoint, self.learner, self._clock = judge, checkpoint, learner, clock
        self.dealer, self._lines = dealer, work.jobs
        self.can_judge = judge is not None
        self.hard = (
            self.can_judge
            and not settings.background
            and (work.planned if settings.hard == "auto" else bool(settings.hard))
        )
        self.now = clock()
        self.over = False
        self.camera = CameraStatus(RUNNING)
        self.sets: list[SetInProgress] = []
        self.watched: WatchedHands | None = None
        self.unfinished = list(unfinished)
        self._notice, self._notice_until = "", 0.0
        self._job = 0
        self.known = read_known(settings.storage.root)
        self.subject = match_known(settings.subject or "", self.known.subjects)
        self.room = match_known(settings.room or "", self.known.rooms)
        if self.has_user:
            self.subject = self.subject or next(iter(self.known.subjects), "")
            self.room = self.room or next(iter(self.known.rooms), "")
        self.state = State(self)
        self._deal_first()

    # Input

    def see(self, sight: Sight) -> None:
        """Take a picture."""
        self.state.see(sight)

    def press(self, key: str) -> None:
        """Take a key; see `keys`."""
        if key == CLOSED:  # what is kept stays
            self._count_current()
            self.over = True
        else:
            self.state.press(key.lower() if len(key) == 1 and not self.state.takes_text else key)

    def tick(self, camera: CameraStatus) -> None:
        """Take the time and the camera's status."""
        self.now = self._clock()
        ended, self.camera = camera.over and not self.camera.over, camera
        self.state.tick(self.now)
        if ended or (camera.over and self.state.looks):
            self.state.camera_over()
        if self.learner is not None:
            self.learner.learn_from(self.lessons)

    def close(self) -> list[str]:
        """Delete dropped pictures, and rescue pictures that the disk refused.

        Returns:
            messages about rescued pictures, or about those that could not be.
        """
        self._count_current()
        return close_sets(self.sets)

    # Properties

    @property
    def has_user(self) -> bool:
        """Whether there is a window, so that the user can be asked."""
        return self.settings.window != "none"

    @property
    def number(self) -> int:
        """The number of the current or next job, from 1."""
        return min(self._job, len(self.work.jobs) - 1) + 1

    @property
    def job(self) -> Job:
        """That job."""
        return self.work.jobs[self.number - 1]

    @property
    def more_jobs(self) -> bool:
        """Whether another job follows."""
        if self.dealer is not None:
            return self.left_to_deal > 0 and not self.dealer.all_learned
        return self._job + 1 < len(self.work.jobs)

    @property
    def left_to_deal(self) -> int:
        """Pictures still to record in sets that are dealt."""
        return max(self.work.dealt - sum(len(current.kept) for current in self.saved), 0)

    @property
    def current(self) -> SetInProgress | None:
        """The set that is being recorded; None while none is."""
        return self.state.set if self.state.records else None

    @property
    def last_set(self) -> SetInProgress | None:
        """The set that was recorded last; None before the first."""
        return self.sets[-1] if self.sets else None

    @property
    def hard_now(self) -> bool:
        """Whether the current or next set keeps only what is hard."""
        return self.current.selector.hard if self.current else self.hard and self.job.gesture is not None

    @property
    def lessons(self) -> list[KeptHand]:
        """The kept pictures of train with their gestures, for the judging model to learn from."""
        current = [self.current] if self.current is not None and self.current not in self.sets else []
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

    # Actions of states

    def go(self, state: State) -> None:
        """Change the state."""
        self.state = state

    def remember_names(self) -> None:
        """Remember who performs where, for the next time."""
        if self.subject and self.room:
            remember(self.settings.storage.root, self.subject, self.room)
            self.known = self.known.with_latest(self.subject, self.room)

    def next_job(self) -> None:
        """Leave the current job for the next one."""
        if not self.more_jobs:
            return
        if self.dealer is not None:
            self.work = replace(self.work, jobs=(*self.work.jobs, self._deal(self.dealer)))
        self._job += 1

    def want(self, count: int) -> None:
        """The current job still wants `count` pictures."""
        jobs = [replace(job, count=count) if job is self.job else job for job in self.work.jobs]
        self.work = replace(self.work, jobs=tuple(jobs))

    def toggle_hard(self) -> None:
        """Keep everything, or only what is hard for the model."""
        self.hard = self.can_judge and not self.hard

    def new_set(self) -> SetInProgress:
        """A set for the current job."""
        job, hard = self.job, self.hard and self.job.gesture is not None
        placement = self._place(whole=not hard)
        session = job.begin_session(self.subject, self.room, self.checkpoint or None, placement.split)
        selector = self._selector(job, hard and not placement.held_out)
        writer = SessionWriter(self.settings.storage, session)
        return SetInProgress(job, selector, writer, placement, dealer=self.dealer)

    def adopt(self, writer: SessionWriter) -> SetInProgress:
        """Go on with a set of a killed recorder."""
        job = Job(None, len(writer.entries))
        self.sets.append(SetInProgress(job, self._selector(job, False), writer, Placement("", "")))
        return self.sets[-1]

    def _deal_first(self) -> None:
        if self.dealer is not None:
            self.work = replace(self.work, jobs=(self._deal(self.dealer),))

    def _deal(self, dealer: Dealer) -> Job:
        gesture = dealer.deal(leave_out=self.job.gesture)
        assert gesture is not None  # `more_jobs` has said so
        return dealt_job(dealer, gesture, self.left_to_deal, self._lines)

    def _place(self, whole: bool) -> Placement:
        settings = self.settings
        share, roots = settings.admission.held_out, (settings.storage.root, settings.in_use)
        return place_session(roots, settings.split_table, self.subject, share, settings.group, whole)

    def _selector(self, job: Job, hard: bool) -> Selector:
        rules = self.settings.selection, self.settings.admission
        return Selector(*rules, self.judge, job.gesture, job.mistaken_for, hard)

    def _lessons_of(self, current: SetInProgress) -> Iterator[KeptHand]:
        if current.placement.split != TRAIN or current.writer.discarded or self.judge is None:
            return  # nothing that is or may be held out is learned from
        for entry in current.kept:
            gesture = entry.image.gesture or current.writer.session.gesture
            if entry.embedding is not None and gesture in self.judge:
                yield KeptHand(id(entry), entry.embedding, self.judge.index(gesture))

    def _count_current(self) -> None:
        """Add the current set to the recorded ones."""
        if self.current is not None and self.current.writer.entries and self.current not in self.sets:
            self.sets.append(self.current)
