"""The recorder's loop: picture, look, decide, show, keys."""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol

from static_gesture_classification.recording.latest_frame import LatestFrame
from static_gesture_classification.recording.observer import Observer, Sight
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.screens import Figures
from static_gesture_classification.recording.states import Recording

WAIT_SECONDS = 0.05  # for a picture, before keys are looked at again
RATE_OVER = 30  # looks that the shown rate is measured over


class Display(Protocol):
    """What shows the recorder: a window, or lines."""

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Show what is the case; returns the keys that were pressed."""


def run(recorder: Recorder, observer: Observer, frames: LatestFrame, display: Display) -> None:
    """Record until the recorder is over.

    Raises:
        UserError: the source cannot be read, a model does not work.
    """
    sight: Sight | None = None
    times: deque[float] = deque(maxlen=RATE_OVER)
    while not recorder.over:
        # While nothing is looked at, keys come first: a name is typed faster than pictures come.
        wait = WAIT_SECONDS if recorder.state.looks else 0.0
        captured = frames.take(wait) if _wants_picture(recorder, frames) else None
        if captured is not None:
            sight = observer.look(captured) if recorder.state.looks else Sight(captured)
            times.append(time.monotonic())
            recorder.see(sight)
        recorder.tick(frames.status)
        looked = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        for key in display.show(recorder, sight, Figures(frames.rate, looked, frames.dropped, frames.remark)):
            recorder.press(key)


def _wants_picture(recorder: Recorder, frames: LatestFrame) -> bool:
    """Whether a picture is wanted now: one that waits its turn is not spent on a screen that keeps none."""
    if not frames.camera.waits:
        return True
    state = recorder.state
    return isinstance(state, Recording) and not state.paused and not state.countdown and not state.set.trouble
