"""The recorder without a window: the same information as lines, without questions."""

from __future__ import annotations

from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import KEPT
from static_gesture_classification.recording.keys import ENTER, SPACE
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.states import Finished, Ready, Recording, Watching
from static_gesture_classification.recording.wording import kept_by_rule, which_hand
from static_gesture_classification.terminal import say

SECONDS_BETWEEN_LINES = 1.0


class RecorderLines:
    """Prints what happens, and starts each job once, in order."""

    def __init__(self) -> None:
        self._started: set[int] = set()
        self._last, self._last_at, self._kept = "", float("-inf"), 0
        self._current: SetInProgress | None = None

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Print what is new; returns the keys that a user at a window would press now."""
        state = recorder.state
        if self._current is not None and (not isinstance(state, Recording) or state.set is not self._current):
            kept, count = len(self._current.kept), self._current.job.count
            share = f"  {kept} recorded" if recorder.settings.background else f"  {kept} of {count} recorded"
            say(share if kept else "  nothing was kept")
            self._current = None
        if isinstance(state, Recording):
            self._current = state.set
            self._announce(recorder, state)
            self._say_what_happens(recorder, state, sight, figures)
            return [ENTER] if state.set.trouble else []
        if isinstance(state, Ready):
            return self._next(recorder)
        return [ENTER] if isinstance(state, Finished) else []

    def _next(self, recorder: Recorder) -> list[str]:
        if recorder.camera.over or (recorder.last_set is not None and recorder.last_set.trouble):
            return ["q"]
        if recorder.number not in self._started:
            return [SPACE]
        return ["n", SPACE] if recorder.more_jobs else ["q"]

    def _announce(self, recorder: Recorder, state: Recording) -> None:
        if recorder.number in self._started:
            return
        self._started.add(recorder.number)
        self._kept = 0
        job, placement = state.set.job, state.set.placement
        if isinstance(state, Watching):
            seconds = f"{state.seconds_left:.0f} seconds without a gesture"
            say(f"{seconds}: hands that the model names are kept as {job.title}")
            return
        say(f"{job.title}: {job.count} pictures, {kept_by_rule(state.set)}")
        for text in filter(None, (job.reason, placement.reason)):
            say(f"  {text}")

    def _say_what_happens(self, recorder: Recorder, state: Recording, sight: Sight | None, figures: Figures) -> None:
        kept = len(state.set.kept)
        if kept > self._kept and state.verdict is not None and state.verdict.outcome == KEPT:
            self._kept = kept
            count = "" if isinstance(state, Watching) else f" of {state.set.job.count}"
            say(f"  {kept:>3}{count}  {state.verdict.text}")
        for text in (state.set.trouble, recorder.camera.message, figures.remark):
            self._say(text, recorder.now, text)
        if state.verdict is not None and state.verdict.outcome != KEPT:
            self._say(state.verdict.text, recorder.now, f"           {state.verdict.text}{which_hand(recorder, sight)}")

    def _say(self, text: str, now: float, line: str) -> None:
        """Print a line unless it repeats the last one or follows it too soon."""
        if text and text != self._last and now - self._last_at >= SECONDS_BETWEEN_LINES:
            self._last, self._last_at = text, now
            say(line)
