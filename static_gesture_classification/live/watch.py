"""Watching a camera: picture, hands, gestures, hooks, what is caught, keys."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from static_gesture_classification.inference.held_gestures import BEGIN, FollowedHand, GestureEvent, HeldGestures
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.live.catcher import Catcher
from static_gesture_classification.live.hooks.hook import Hook
from static_gesture_classification.recording.capture.latest_frame import (
    RUNNING,
    CameraStatus,
    Captured,
    LatestFrame,
    Rate,
)
from static_gesture_classification.recording.judging.observer import Sight, choose_hand
from static_gesture_classification.recording.judging.settings import HandRule
from static_gesture_classification.recording.keys import CLOSED, ESCAPE, SHORTCUTS, Key
from static_gesture_classification.recording.loop import WAIT_SECONDS, Figures

LIVE_NOTICE_SECONDS = 6.0
SHOWN_EVENTS = 9


class Watch:
    """What is seen, and what follows. It draws nothing and reads no device.

    Args:
        predictor: finds hands and names their gestures.
        held: tells which gestures begin and end.
        hooks: act on these.
        catcher: keeps errors.
        rule: which of several hands is caught.
        say: says what went wrong, once.
        clock: seconds that never go back.

    Attributes:
        captured: the latest picture; None before the first.
        begun: the gestures that began last, latest first, with their events.
        camera: the camera's status.
        over: whether it has ended.
    """

    def __init__(
        self,
        predictor: Predictor,
        held: HeldGestures,
        hooks: Sequence[Hook],
        catcher: Catcher,
        rule: HandRule,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.predictor, self.held, self.hooks, self.catcher, self.rule = predictor, held, hooks, catcher, rule
        self._say, self._clock = say, clock
        self.captured: Captured | None = None
        self.begun: deque[GestureEvent] = deque(maxlen=SHOWN_EVENTS)
        self.events: list[GestureEvent] = []
        self.camera = CameraStatus(RUNNING)
        self.over = False
        self._notice, self._notice_until = "", 0.0

    @property
    def hands(self) -> list[FollowedHand]:
        """The hands of the latest picture."""
        return self.held.hands

    @property
    def notice(self) -> str:
        """A message that is shown for some seconds."""
        return self._notice if self._clock() < self._notice_until else ""

    @property
    def gestures(self) -> tuple[str, ...]:
        """The gestures that may have been meant."""
        return self.catcher.rules.vocabulary.names

    @property
    def keys(self) -> list[Key]:
        """The keys that do something now."""
        if self.catcher.waiting is not None:
            return [Key("", "1 2 3 …", "what was meant"), Key(ESCAPE, "Esc", "nothing was wrong", self.catcher.forget)]
        wrong = [Key("w", "W", "that was wrong", self._ask)] if self.catcher.on else []
        return [*wrong, Key("q", "Q", "quit", self._quit, also=(ESCAPE,))]

    def see(self, captured: Captured) -> None:
        """Take the next picture."""
        self.captured = captured
        recognised = self.predictor.predict(captured.image)
        self._act(self.held.see(captured.time, recognised))
        hand = choose_hand([each.hand for each in recognised], self.rule)
        counts = next((each for each in recognised if each.hand is hand), None)
        self._tell(self.catcher.see(Sight(captured, tuple(each.hand for each in recognised), hand, counts)))

    def tick(self, camera: CameraStatus) -> None:
        """Take the time and the camera's status, and see what hooks and disk say."""
        self.camera = camera
        self.catcher.tick(self._clock())
        for hook in self.hooks:
            for problem in hook.problems():
                self._tell(problem)
                self._say(problem)
        if any(hook.over for hook in self.hooks) or (camera.over and self.catcher.waiting is None):
            self._quit()

    def press(self, key: str) -> None:
        """Take a key; see `recording.keys`."""
        if key == CLOSED:
            self._quit()
            return
        key = key.lower() if len(key) == 1 else key
        if self.catcher.waiting is not None and key in SHORTCUTS[: len(self.gestures)]:
            self._tell(self.catcher.name(self.gestures[SHORTCUTS.index(key)]))
            return
        for binding in self.keys:
            if binding.action is not None and key in (binding.key, *binding.also):
                binding.action()
                return

    def correct(self, gesture: str) -> str:
        """Something was wrong, and this gesture was meant; returns what was kept, in words."""
        if not self.catcher.on:
            return "Nothing is kept: catch=true switches it on."
        if gesture not in self.gestures:
            return f"There is no gesture {gesture!r}; type one of {', '.join(self.gestures)}."
        return self.catcher.say_wrong() or self.catcher.name(gesture)

    def close(self) -> list[str]:
        """End all gestures; returns messages about caught pictures that the disk refused."""
        self._act(self.held.end())
        return self.catcher.close()

    def new_events(self) -> list[GestureEvent]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def _act(self, events: Sequence[GestureEvent]) -> None:
        self.events += events
        for event in events:
            if event.event == BEGIN:
                self.begun.appendleft(event)
            for hook in self.hooks:
                hook.tell(event)

    def _ask(self) -> None:
        self._tell(self.catcher.say_wrong())

    def _quit(self) -> None:
        self.over = True

    def _tell(self, text: str) -> None:
        if text:
            self._notice, self._notice_until = text, self._clock() + LIVE_NOTICE_SECONDS


class WatchDisplay(Protocol):
    """Shows the watch: a window, or lines."""

    def show(self, watch: Watch, figures: Figures) -> list[str]:
        """Show what is seen; returns the pressed keys."""


def run_watch(watch: Watch, frames: LatestFrame, display: WatchDisplay) -> None:
    """Watch until the user quits or no more pictures come.

    Raises:
        UserError: the source cannot be read, a model does not work.
    """
    rate = Rate()
    while not watch.over:
        captured = frames.take(WAIT_SECONDS)
        if captured is not None:
            watch.see(captured)
            rate.count()
        watch.tick(frames.status)
        for key in display.show(watch, Figures(frames.rate, rate.value, frames.dropped, frames.remark)):
            watch.press(key)
