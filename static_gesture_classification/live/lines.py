"""Watching without a window: events as lines, and names that are typed."""

from __future__ import annotations

import os
import queue
import sys
import threading

from static_gesture_classification.inference.held_gestures import BEGIN, GestureEvent
from static_gesture_classification.live.watch import Watch
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.terminal import say

BYTES = 1024


class EventLines:
    """Prints what happens; where errors are caught, each line that is typed names what was meant.

    Args:
        reads: whether lines are typed.
    """

    def __init__(self, reads: bool) -> None:
        self._typed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last: dict[str, str] = {}
        if reads:
            threading.Thread(target=self._read, name="typed lines", daemon=True).start()

    def show(self, watch: Watch, figures: Figures) -> list[str]:
        """Print what is new; see `WatchDisplay`."""
        print_events(watch)
        while not self._typed.empty():
            say(watch.correct(self._typed.get()))
        for kind, text in (
            ("camera", "" if watch.camera.over else watch.camera.message),
            ("size", figures.remark),
            ("disk", watch.catcher.trouble),
            ("caught", watch.notice if watch.notice.startswith("Kept") else ""),
        ):
            if text and self._last.get(kind) != text:
                say(text)
            self._last[kind] = text
        return []

    def _read(self) -> None:
        """Read lines; not by `sys.stdin`, whose lock a thread that waits would hold when the program ends."""
        left = b""
        while read := os.read(sys.stdin.fileno(), BYTES):
            *lines, left = (left + read).split(b"\n")
            for line in lines:
                if text := line.decode(errors="replace").strip():
                    self._typed.put(text)


def print_events(watch: Watch) -> None:
    """Print the events since the last call."""
    for event in watch.new_events():
        say(event_in_words(event))


def event_in_words(event: GestureEvent) -> str:
    """An event for people: `12.4 s  FIST, right hand, 97 %`."""
    hand = f", {event.hand} hand" if event.hand else ""
    if event.event == BEGIN:
        return f"{event.time:7.1f} s  {event.gesture}{hand}, {event.score:.0%}"
    return f"{event.time:7.1f} s  {event.gesture} ends after {event.held:.1f} s"
