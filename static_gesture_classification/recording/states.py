"""The recorder's states, one class each: its keys, its reactions to pictures and time, and the next states.

Asking -> Ready -> Recording -> (Choosing) -> Reviewing -> Ready ... -> Finished
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from static_gesture_classification.errors import OutputError
from static_gesture_classification.recording.false_alarms import WatchedHands
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import PictureVerdict
from static_gesture_classification.recording.keys import (
    BACKSPACE,
    DELETE,
    DOWN,
    ENTER,
    ESCAPE,
    LEFT,
    PAGE_DOWN,
    PAGE_UP,
    RIGHT,
    SHORTCUTS,
    SPACE,
    UP,
    Key,
)
from static_gesture_classification.recording.recorder import Recorder, State
from static_gesture_classification.recording.session_writer import DISK_RETRY_SECONDS, SessionEntry
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.subjects import match_known

SHEET_WIDTH, SHEET_HEIGHT = 6, 3  # of the contact sheet
CLICKED = "picture:"  # prefix of the key that a click on a picture of the contact sheet gives
ASK_SUBJECT = "Who is in front of the camera?"
WHY_SUBJECT = "One person's pictures are never in both train and val. A short name that stays the same is enough."
ASK_ROOM = "Which camera, in which room?"
WHY_ROOM = "For example: laptop, kitchen. It helps to see later where errors come from."


class Asking(State):
    """Asks for a name: of the subject, or of the room.

    Args:
        question: in words.
        why: why it matters, in words.
        known: names to choose from, the latest first.
        answer: takes the name.
    """

    takes_text = True

    def __init__(
        self, recorder: Recorder, question: str, why: str, known: Sequence[str], answer: Callable[[str], None]
    ) -> None:
        super().__init__(recorder)
        self.question, self.why, self.known, self.answer = question, why, known, answer
        self.typed = ""
        self.chosen = 0 if known else -1  # a line of `known`, or -1 for what is typed

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        known = [Key(UP, "↑ ↓", "one of before", lambda: self._step(-1)), Key(DOWN, "", "", lambda: self._step(1))]
        return [
            Key("", "type", "a name"),
            *(known if self.known else []),
            Key(ENTER, "Enter", "go on", self._answer),
            Key(ESCAPE, "Esc", "quit", lambda: show_totals(self.recorder)),
            Key(BACKSPACE, "", "", self._erase, also=(DELETE,)),
        ]

    def press(self, key: str) -> None:
        """See `State.press`; characters are typed."""
        if key == SPACE or len(key) == 1:
            self.typed, self.chosen = self.typed + (" " if key == SPACE else key), -1
        else:
            super().press(key)

    def _step(self, lines: int) -> None:
        self.chosen = (self.chosen + lines) % len(self.known)

    def _erase(self) -> None:
        self.typed = self.typed[:-1]

    def _answer(self) -> None:
        name = match_known(self.typed, self.known) if self.typed.strip() else ""
        if not name and self.chosen >= 0:
            name = self.known[self.chosen]
        if name:
            self.answer(name)
        else:
            self.recorder.notice = "A name is needed: it keeps one person's pictures in one split."


class Ready(State):
    """Shows what comes next and waits for the start."""

    looks = True

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        recorder = self.recorder
        keys = [Key(SPACE, "Space", "start", lambda: start_set(recorder), also=(ENTER,))]
        if recorder.more_jobs:
            keys.append(Key("n", "N", "next gesture", recorder.next_job))
        keys.append(Key("p", "P", "another person", lambda: ask_subject(recorder)))
        keys.append(Key("r", "R", "another room", lambda: ask_room(recorder)))
        if recorder.can_judge:
            keys.append(Key("h", "H", "keep all" if recorder.hard else "only what is hard", recorder.toggle_hard))
        return [*keys, *_back(recorder), Key("q", "Q", "finish", self.camera_over, also=(ESCAPE,))]

    def camera_over(self) -> None:
        """See `State.camera_over`."""
        show_totals(self.recorder)


class Recording(State):
    """Counts down, then keeps pictures until the set is full."""

    looks = True
    records = True

    def __init__(self, recorder: Recorder, current: SetInProgress) -> None:
        super().__init__(recorder)
        self.set: SetInProgress = current
        self.verdict: PictureVerdict | None = None
        self.paused = False
        self.flash = 0.0  # when the latest picture was kept
        self._starts = recorder.now + recorder.settings.countdown
        self._ends = math.inf if recorder.settings.seconds is None else self._starts + recorder.settings.seconds
        self._hopeful = self._starts  # time of the latest kept picture, or the start
        self._retry = 0.0

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        keys = [
            Key(SPACE, "Space", "go on" if self.paused else "pause", self._pause),
            Key(ENTER, "Enter", "name it" if self.set.job.gesture is None else "done", self.finish),
            Key("u", "U", "drop the last", self._drop_last, also=(BACKSPACE,)),
        ]
        if self.recorder.can_judge and self.set.job.gesture is not None:
            shown = "" if self.set.placement.held_out else "H"
            text = "keep all" if self.set.selector.hard else "only what is hard"
            keys.append(Key("h", shown, text, self._toggle_hard))
        return [*keys, Key(ESCAPE, "Esc", "break off", self._break_off)]

    @property
    def countdown(self) -> int:
        """Seconds until it begins; 0 once it has."""
        return max(0, math.ceil(self._starts - self.recorder.now))

    @property
    def seconds_left(self) -> float:
        """Seconds until the set ends by itself; infinite without a limit."""
        return max(self._ends - self.recorder.now, 0.0)

    @property
    def patience_is_over(self) -> bool:
        """Whether nothing was kept for so long that the screen gives advice."""
        return not self.paused and self.recorder.now - self._hopeful > self.recorder.settings.patience

    @property
    def keeps(self) -> bool:
        """See `State`."""
        return not (self.paused or self.countdown or self.set.trouble)

    def see(self, sight: Sight) -> None:
        """See `State.see`."""
        if not self.keeps:
            return
        self.verdict = self.set.see(sight)
        if self.verdict.kept is not None:
            self.flash = self._hopeful = self.recorder.now
        turn_over = self.set.turn_over
        if (not self.set.missing or turn_over) and not self.set.trouble:
            self.finish()
            self.recorder.notice = turn_over or self.recorder.notice

    def tick(self, now: float) -> None:
        """See `State.tick`."""
        if self.set.trouble and now >= self._retry:
            self._retry = now + DISK_RETRY_SECONDS
            if self.set.save():
                self.recorder.notice = "Saved again: all pictures are on the disk."
        if now >= self._ends:
            self.finish()

    def camera_over(self) -> None:
        """See `State.camera_over`."""
        self.finish()

    def finish(self) -> None:
        """End the set: keep the waiting picture, then name or show the set."""
        self.set.flush()
        end_set(self.recorder, self.set)

    def _pause(self) -> None:
        self.paused = not self.paused
        self._hopeful = self.recorder.now

    def _drop_last(self) -> None:
        if not self.set.drop_last():
            self.recorder.notice = "Nothing is kept yet."

    def _toggle_hard(self) -> None:
        if self.set.placement.held_out:
            self.recorder.notice = "This set is held out for val: all of it is kept, hard or easy."
            return
        self.set.selector.hard = not self.set.selector.hard
        self._hopeful = self.recorder.now

    def _break_off(self) -> None:
        """Leave the set before it is full: show its pictures; without any, go back to `Ready`."""
        self.set.selector.flush()
        if self.set.kept:
            end_set(self.recorder, self.set)
        else:
            self.recorder.go(Ready(self.recorder))


class Watching(Recording):
    """Watches somebody who shows no gesture, and keeps every hand that the model names as background."""

    def __init__(self, recorder: Recorder, current: SetInProgress) -> None:
        super().__init__(recorder, current)
        assert current.job.gesture is not None
        self.watched = WatchedHands(current.job.gesture)
        recorder.watched = self.watched

    def see(self, sight: Sight) -> None:
        """See `State.see`."""
        if not self.keeps:
            return
        named = [each for each in sight.recognised_all if each.gesture != self.watched.background]
        self.watched.add(sight.captured.time, bool(named), sight.inputs)
        for each in named:
            self.verdict = self.set.see(replace(sight, hand=each.hand, recognised=each))
            if self.verdict.kept is not None:
                self.flash = self.recorder.now
        if not self.set.missing and not self.set.trouble:
            self.finish()

    @property
    def patience_is_over(self) -> bool:
        """Never: it is good if nothing is kept."""
        return False

    def bindings(self) -> list[Key]:
        """See `State.bindings`; what is kept is not chosen by how hard it is."""
        return [key for key in super().bindings() if key.key != "h"]


class Choosing(State):
    """Asks which gesture a set, or one picture of it, shows.

    Args:
        question: in words.
        choose: takes the gesture.
        cancel: goes back without one.
        entries: the pictures.
        start: the proposed gesture.
    """

    def __init__(
        self,
        recorder: Recorder,
        question: str,
        choose: Callable[[str], None],
        cancel: Callable[[], None],
        entries: Sequence[SessionEntry],
        start: str | None = None,
    ) -> None:
        super().__init__(recorder)
        self.question, self.choose, self.cancel, self.entries = question, choose, cancel, entries
        self.gestures = recorder.vocabulary.names
        self.line = self.gestures.index(start) if start in self.gestures else 0

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        return [
            Key(UP, "↑ ↓", "choose", lambda: self._step(-1)),
            Key(DOWN, "", "", lambda: self._step(1)),
            Key(ENTER, "Enter", "take it", lambda: self.choose(self.gestures[self.line])),
            Key("", "1 2 3 …", "take that one"),
            Key(ESCAPE, "Esc", "back", self.cancel),
        ]

    def press(self, key: str) -> None:
        """See `State.press`; a shortcut takes its gesture."""
        if len(key) == 1 and key in SHORTCUTS[: len(self.gestures)]:
            self.choose(self.gestures[SHORTCUTS.index(key)])
        else:
            super().press(key)

    def _step(self, lines: int) -> None:
        self.line = (self.line + lines) % len(self.gestures)


class Reviewing(State):
    """The contact sheet: pictures are dropped or relabelled, the set is kept or discarded."""

    def __init__(self, recorder: Recorder, current: SetInProgress) -> None:
        super().__init__(recorder)
        self.set: SetInProgress = current
        self.cursor = 0

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        return [
            Key("", "arrows", "choose"),
            Key(SPACE, "Space", "drop / take back", self._drop, also=("x", DELETE, BACKSPACE)),
            Key("l", "L", "relabel", self._relabel),
            Key("g", "G", "all are another gesture", self._label_all),
            Key("u", "U", "undo", self._undo),
            Key("d", "D", "discard the set", lambda: discard(self.recorder, self.set)),
            Key(ENTER, "Enter", "keep the set", lambda: go_on(self.recorder, self.set)),
        ]

    @property
    def entries(self) -> list[SessionEntry]:
        """The pictures of the set, also dropped ones."""
        return self.set.writer.entries

    @property
    def page(self) -> int:
        """Which page of the contact sheet the cursor is on, from 0."""
        return self.cursor // (SHEET_WIDTH * SHEET_HEIGHT)

    def press(self, key: str) -> None:
        """See `State.press`; arrows move the cursor, a click drops a picture."""
        steps = {
            LEFT: -1,
            RIGHT: 1,
            UP: -SHEET_WIDTH,
            DOWN: SHEET_WIDTH,
            PAGE_UP: -SHEET_WIDTH * SHEET_HEIGHT,
            PAGE_DOWN: SHEET_WIDTH * SHEET_HEIGHT,
        }
        if key in steps:
            self.cursor = min(max(self.cursor + steps[key], 0), len(self.entries) - 1)
        elif key in (f"{CLICKED}{number}" for number in range(len(self.entries))):
            self.cursor = int(key.removeprefix(CLICKED))
            self._drop()
        else:
            super().press(key)

    def tick(self, now: float) -> None:
        """See `State.tick`."""
        if self.set.trouble:
            self.set.save()

    def _drop(self) -> None:
        if self.entries:
            self.set.drop(self.entries[self.cursor])

    def _undo(self) -> None:
        if not self.set.undo():
            self.recorder.notice = "Nothing to undo."

    def _relabel(self) -> None:
        entry = self.entries[self.cursor]
        start = entry.image.gesture or self.set.writer.session.gesture
        self._ask("What does this picture show?", lambda gesture: self.set.relabel(entry, gesture), [entry], start)

    def _label_all(self) -> None:
        self._ask("What do all of these show?", self.set.label, self.set.kept, self.set.writer.session.gesture)

    def _ask(self, question: str, label: Callable[[str], None], entries: Sequence[SessionEntry], start: str) -> None:
        def choose(gesture: str) -> None:
            label(gesture)
            self.recorder.go(self)

        self.recorder.go(Choosing(self.recorder, question, choose, lambda: self.recorder.go(self), entries, start))


class Finished(State):
    """All is recorded; shows the totals until a key is pressed."""

    def bindings(self) -> list[Key]:
        """See `State.bindings`."""
        return [Key(ENTER, "Enter", "close", self._close, also=(ESCAPE, SPACE, "q")), *_back(self.recorder)]

    def _close(self) -> None:
        self.recorder.over = True


# Transitions


def begin(recorder: Recorder) -> Recorder:
    """Start a recorder: ask for an unknown subject or room, then for the gestures of unfinished sets."""
    recorder.remember_names()
    if not recorder.subject and recorder.has_user:
        ask_subject(recorder)
    elif not recorder.room and recorder.has_user:
        ask_room(recorder)
    elif recorder.unfinished:
        adopted = recorder.adopt(recorder.unfinished.pop(0))
        recorder.notice = "These were recorded earlier and have no gesture yet."
        name_set(recorder, adopted)
    else:
        recorder.go(Ready(recorder))
    return recorder


def ask_subject(recorder: Recorder) -> None:
    """Ask who performs."""

    def take(name: str) -> None:
        recorder.subject = name
        begin(recorder)

    recorder.go(Asking(recorder, ASK_SUBJECT, WHY_SUBJECT, recorder.known.subjects, take))


def ask_room(recorder: Recorder) -> None:
    """Ask which camera and room."""

    def take(name: str) -> None:
        recorder.room = name
        begin(recorder)

    recorder.go(Asking(recorder, ASK_ROOM, WHY_ROOM, recorder.known.rooms, take))


def start_set(recorder: Recorder) -> None:
    """Begin the current job."""
    state = Watching if recorder.settings.background else Recording
    recorder.go(state(recorder, recorder.new_set()))


def end_set(recorder: Recorder, current: SetInProgress) -> None:
    """End a set: ask for its gesture if it has none, else show it."""
    if current not in recorder.sets and current.writer.entries:
        recorder.sets.append(current)
    if not current.kept:
        recorder.notice = "Nothing was kept."
        go_on(recorder, current)
    elif not current.writer.session.gesture:
        name_set(recorder, current)
    elif recorder.settings.review:
        recorder.go(Reviewing(recorder, current))
    else:
        go_on(recorder, current)


def name_set(recorder: Recorder, current: SetInProgress) -> None:
    """Ask which gesture a set shows; propose the model's most probable one over all its pictures."""

    def choose(gesture: str) -> None:
        current.label(gesture)
        recorder.go(Reviewing(recorder, current))

    rows = [entry.probabilities for entry in current.kept if entry.probabilities is not None]
    guess = recorder.judge.names[int(np.sum(rows, axis=0).argmax())] if rows and recorder.judge is not None else None
    question = f"Which gesture do these {len(current.kept)} pictures show?"
    recorder.go(Choosing(recorder, question, choose, lambda: discard(recorder, current), current.kept, guess))


def discard(recorder: Recorder, current: SetInProgress) -> None:
    """Move the set to the trash; its job is next again."""
    try:
        current.discard()
    except OutputError as error:
        recorder.notice = str(error)
        return
    recorder.notice = "The set is discarded. U brings it back."
    recorder.go(Ready(recorder))


def reopen_last_set(recorder: Recorder) -> None:
    """Go back to the contact sheet of the last set, and restore it if it was discarded."""
    current = recorder.last_set
    if current is None:
        return
    try:
        current.writer.restore()
    except OutputError as error:
        recorder.notice = str(error)
        return
    recorder.over = False
    if current.writer.session.gesture:
        recorder.go(Reviewing(recorder, current))
    else:
        name_set(recorder, current)


def go_on(recorder: Recorder, current: SetInProgress) -> None:
    """Go on after a finished set."""
    if recorder.camera.over or (recorder.settings.background and current.job is recorder.job):
        show_totals(recorder)
    elif all(current.job is not job for job in recorder.work.jobs):  # it was adopted
        begin(recorder)
    elif recorder.dealer is None and current.job is recorder.job and current.job.gesture and current.missing > 0:
        recorder.want(current.missing)
        recorder.go(Ready(recorder))
    elif recorder.work.endless:
        recorder.go(Ready(recorder))
    elif recorder.more_jobs:
        recorder.next_job()
        start_set(recorder)
    else:
        show_totals(recorder)


def show_totals(recorder: Recorder) -> None:
    """Show the totals."""
    recorder.go(Finished(recorder))


def _back(recorder: Recorder) -> list[Key]:
    if recorder.last_set is None:
        return []
    return [Key("u", "U", "back to the last set", lambda: reopen_last_set(recorder))]
