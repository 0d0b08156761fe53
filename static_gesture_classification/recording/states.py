"""What the recorder can be doing, one class each: what its keys do, and how it reacts to pictures and to time.

Asking -> Ready -> Recording -> (Choosing) -> Reviewing -> Ready ... -> Finished
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Verdict
from static_gesture_classification.recording.people import as_known
from static_gesture_classification.recording.session_writer import Entry
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.window.keys import (
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
    KeyHint,
)

if TYPE_CHECKING:
    from static_gesture_classification.recording.recorder import Recorder

COLUMNS, ROWS = 6, 3  # of the contact sheet
RETRY_SECONDS = 2.0  # between two attempts to write what the disk refused
CLICKED = "picture:"  # what a click on a picture of the contact sheet is as a key


class State(ABC):
    """What the recorder is doing."""

    looks = False  # whether hands are looked for in the pictures

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @property
    @abstractmethod
    def keys(self) -> list[KeyHint]:
        """The keys that do something now."""

    @abstractmethod
    def press(self, key: str) -> None:
        """React to a key: a character, or a name of `keys`."""

    def see(self, sight: Sight) -> None:  # noqa: B027  most states only show pictures
        """React to a picture."""

    def tick(self, now: float) -> None:  # noqa: B027
        """React to the time, in seconds of the recorder's clock."""

    def camera_over(self) -> None:  # noqa: B027
        """React to the end of all pictures."""


class Asking(State):
    """Asks for a name: of the person, or of the room.

    Args:
        question: in words.
        why: it matters, in words.
        known: names to choose from, the latest first.
        answer: takes the name.
    """

    def __init__(
        self, recorder: Recorder, question: str, why: str, known: Sequence[str], answer: Callable[[str], None]
    ) -> None:
        super().__init__(recorder)
        self.question, self.why, self.known, self.answer = question, why, known, answer
        self.typed = ""
        self.chosen = 0 if known else -1  # a line of `known`, or -1 for what is typed

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        choose = [KeyHint(UP, "↑ ↓", "one of before")] if self.known else []
        return [
            KeyHint("", "type", "a name"),
            *choose,
            KeyHint(ENTER, "Enter", "go on"),
            KeyHint(ESCAPE, "Esc", "quit"),
        ]

    def press(self, key: str) -> None:
        """See `State.press`."""
        if key == ESCAPE:
            self.recorder.finish()
        elif key in (UP, DOWN) and self.known:
            self.chosen = (self.chosen + (1 if key == DOWN else -1)) % len(self.known)
        elif key in (BACKSPACE, DELETE):
            self.typed = self.typed[:-1]
        elif key == ENTER:
            self._answer()
        elif key == SPACE or len(key) == 1:
            self.typed, self.chosen = self.typed + (" " if key == SPACE else key), -1

    def _answer(self) -> None:
        name = as_known(self.typed, self.known) if self.typed.strip() else ""
        if not name and self.chosen >= 0:
            name = self.known[self.chosen]
        if name:
            self.answer(name)
        else:
            self.recorder.notice = "A name is needed: it keeps one person's pictures on one side of train and val."


class Ready(State):
    """Shows what comes next and waits for the start."""

    looks = True

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        recorder = self.recorder
        keys = [KeyHint(SPACE, "Space", "start")]
        if recorder.more_jobs:
            keys.append(KeyHint("n", "N", "next gesture"))
        keys += [KeyHint("p", "P", "another person"), KeyHint("r", "R", "another room")]
        if recorder.can_judge:
            keys.append(KeyHint("h", "H", "keep all" if recorder.hard else "only what is hard"))
        if recorder.last_set is not None:
            keys.append(KeyHint("u", "U", "back to the last set"))
        return [*keys, KeyHint("q", "Q", "finish")]

    def press(self, key: str) -> None:
        """See `State.press`."""
        actions: dict[str, Callable[[], None]] = {
            SPACE: self.recorder.start_set,
            ENTER: self.recorder.start_set,
            "n": self.recorder.next_job,
            "p": self.recorder.ask_person,
            "r": self.recorder.ask_room,
            "h": self.recorder.toggle_hard,
            "u": self.recorder.reopen_last_set,
            "q": self.recorder.finish,
            ESCAPE: self.recorder.finish,
        }
        actions.get(key, lambda: None)()

    def camera_over(self) -> None:
        """See `State.camera_over`."""
        self.recorder.finish()


class Recording(State):
    """Counts down, then keeps pictures until the set is full."""

    looks = True

    def __init__(self, recorder: Recorder, current: SetInProgress) -> None:
        super().__init__(recorder)
        self.set = current
        self.verdict: Verdict | None = None
        self.paused = False
        self.flash = 0.0  # when the latest picture was kept
        self._starts = recorder.now + recorder.settings.countdown
        self._ends = math.inf if recorder.settings.seconds is None else self._starts + recorder.settings.seconds
        self._hopeful = self._starts  # when the latest picture was kept, or the start
        self._retry = 0.0

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        done = "name it" if self.set.job.gesture is None else "done"
        keys = [
            KeyHint(SPACE, "Space", "go on" if self.paused else "pause"),
            KeyHint(ENTER, "Enter", done),
            KeyHint("u", "U", "drop the last"),
        ]
        if self.recorder.can_judge and self.set.job.gesture is not None and not self.set.side.held_out:
            keys.append(KeyHint("h", "H", "keep all" if self.set.selector.hard else "only what is hard"))
        return [*keys, KeyHint(ESCAPE, "Esc", "break off")]

    @property
    def countdown(self) -> int:
        """Seconds until it begins; 0 once it has."""
        return max(0, math.ceil(self._starts - self.recorder.now))

    @property
    def seconds_left(self) -> float:
        """Until the set ends by itself; infinite without a limit."""
        return max(self._ends - self.recorder.now, 0.0)

    @property
    def patience_is_over(self) -> bool:
        """Whether nothing was kept for so long that advice is due."""
        return not self.paused and self.recorder.now - self._hopeful > self.recorder.settings.patience

    def press(self, key: str) -> None:
        """See `State.press`."""
        if key == SPACE:
            self.paused = not self.paused
            self._hopeful = self.recorder.now
        elif key == ENTER:
            self.finish()
        elif key in ("u", BACKSPACE) and not self.set.drop_last():
            self.recorder.notice = "Nothing is kept yet."
        elif key == "h" and self.recorder.can_judge and self.set.job.gesture is not None:
            self._toggle_hard()
        elif key == ESCAPE:
            self.recorder.break_off(self.set)

    def see(self, sight: Sight) -> None:
        """See `State.see`."""
        if self.paused or self.countdown or self.set.trouble:
            return
        self.verdict = self.set.see(sight)
        if self.verdict.kept is not None:
            self.flash = self._hopeful = self.recorder.now
        if not self.set.missing and not self.set.trouble:
            self.finish()

    def tick(self, now: float) -> None:
        """See `State.tick`."""
        if self.set.trouble and now >= self._retry:
            self._retry = now + RETRY_SECONDS
            if self.set.save():
                self.recorder.notice = "Saved again: all pictures are on the disk."
        if now >= self._ends:
            self.finish()

    def camera_over(self) -> None:
        """See `State.camera_over`."""
        self.finish()

    def finish(self) -> None:
        """End the set: what waits is kept, then it is named or shown."""
        self.set.flush()
        self.recorder.set_recorded(self.set)

    def _toggle_hard(self) -> None:
        if self.set.side.held_out:
            self.recorder.notice = "This set is held out for val: all of it is kept, hard or easy."
            return
        self.set.selector.hard = not self.set.selector.hard
        self._hopeful = self.recorder.now


class Choosing(State):
    """Asks which gesture a set, or one picture of it, shows.

    Args:
        question: in words.
        chosen: takes the gesture.
        cancel: goes back without one; None where one is needed.
        shown: the pictures in question.
        start: the gesture that is proposed.
    """

    def __init__(
        self,
        recorder: Recorder,
        question: str,
        chosen: Callable[[str], None],
        cancel: Callable[[], None],
        shown: Sequence[Entry],
        start: str | None = None,
    ) -> None:
        super().__init__(recorder)
        self.question, self.chosen, self.cancel, self.shown = question, chosen, cancel, shown
        self.gestures = recorder.vocabulary.names
        self.line = self.gestures.index(start) if start in self.gestures else 0

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        return [
            KeyHint(UP, "↑ ↓", "choose"),
            KeyHint(ENTER, "Enter", "take it"),
            KeyHint("", "1 2 3 …", "take that one"),
            KeyHint(ESCAPE, "Esc", "back"),
        ]

    def press(self, key: str) -> None:
        """See `State.press`."""
        if key in (UP, DOWN):
            self.line = (self.line + (1 if key == DOWN else -1)) % len(self.gestures)
        elif key == ENTER:
            self.chosen(self.gestures[self.line])
        elif key == ESCAPE:
            self.cancel()
        elif key in SHORTCUTS[: len(self.gestures)] and len(key) == 1:
            self.chosen(self.gestures[SHORTCUTS.index(key)])


class Reviewing(State):
    """The contact sheet: pictures are dropped or relabelled, the set is kept or discarded."""

    def __init__(self, recorder: Recorder, current: SetInProgress) -> None:
        super().__init__(recorder)
        self.set = current
        self.cursor = 0

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        return [
            KeyHint("", "arrows", "choose"),
            KeyHint(SPACE, "Space", "drop / take back"),
            KeyHint("l", "L", "relabel"),
            KeyHint("g", "G", "all are another gesture"),
            KeyHint("u", "U", "undo"),
            KeyHint("d", "D", "discard the set"),
            KeyHint(ENTER, "Enter", "keep the set"),
        ]

    @property
    def entries(self) -> list[Entry]:
        """The pictures of the set, dropped ones too."""
        return self.set.writer.entries

    @property
    def page(self) -> int:
        """Which page of the contact sheet the cursor is on, from 0."""
        return self.cursor // (COLUMNS * ROWS)

    def press(self, key: str) -> None:
        """See `State.press`."""
        steps = {LEFT: -1, RIGHT: 1, UP: -COLUMNS, DOWN: COLUMNS, PAGE_UP: -COLUMNS * ROWS, PAGE_DOWN: COLUMNS * ROWS}
        if key in steps:
            self.cursor = min(max(self.cursor + steps[key], 0), len(self.entries) - 1)
        elif key in (SPACE, "x", DELETE, BACKSPACE) and self.entries:
            self.set.drop(self.entries[self.cursor])
        elif key.startswith(CLICKED):
            self.cursor = int(key.removeprefix(CLICKED))
            self.set.drop(self.entries[self.cursor])
        elif key in ("l", "g"):
            self._ask_gesture(whole=key == "g")
        elif key == "u" and not self.set.undo():
            self.recorder.notice = "Nothing to undo."
        elif key == "d":
            self.recorder.discard(self.set)
        elif key == ENTER:
            self.recorder.keep(self.set)

    def tick(self, now: float) -> None:
        """See `State.tick`."""
        if self.set.trouble:
            self.set.save()

    def _ask_gesture(self, whole: bool) -> None:
        back = self._come_back
        session = self.set.writer.session
        if whole:
            question, start, shown = "What do all of these show?", session.gesture, self.set.kept

            def chosen(gesture: str) -> None:
                self.set.label(gesture)
                back()
        else:
            entry = self.entries[self.cursor]
            question, start, shown = "What does this picture show?", entry.image.gesture or session.gesture, [entry]

            def chosen(gesture: str) -> None:
                self.set.relabel(entry, gesture)
                back()

        self.recorder.go(Choosing(self.recorder, question, chosen, back, shown, start))

    def _come_back(self) -> None:
        self.recorder.go(self)


class Finished(State):
    """All is recorded; shows what it came to until a key is pressed."""

    @property
    def keys(self) -> list[KeyHint]:
        """See `State.keys`."""
        keys = [KeyHint(ENTER, "Enter", "close")]
        if self.recorder.last_set is not None:
            keys.append(KeyHint("u", "U", "back to the last set"))
        return keys

    def press(self, key: str) -> None:
        """See `State.press`."""
        if key in (ENTER, ESCAPE, SPACE, "q"):
            self.recorder.over = True
        elif key == "u" and self.recorder.last_set is not None:
            self.recorder.reopen_last_set()
