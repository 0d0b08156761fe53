"""The recorder's loop: picture, look, decide, show, keys."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from static_gesture_classification.recording.capture.latest_frame import LatestFrame
from static_gesture_classification.recording.judging.observer import Observer, Sight
from static_gesture_classification.recording.recorder import Recorder

WAIT_SECONDS = 0.05  # for a picture, before keys are looked at again
RATE_OVER = 30  # looks that the shown rate is measured over


@dataclass(frozen=True)
class Figures:
    """How fast it goes.

    Args:
        camera: pictures a second that the camera gives.
        looked: pictures a second that are looked at.
        dropped: pictures that a newer one replaced before they were looked at.
        remark: the latest thing that happened to the camera.
    """

    camera: float = 0.0
    looked: float = 0.0
    dropped: int = 0
    remark: str = ""


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
        is_keeping = recorder.state.keeps
        if not frames.camera.live:  # the pictures of a file are not spent on a screen that keeps none
            frames.play(is_keeping)
        if frames.camera.waits and not is_keeping:
            captured = None
            sight = sight or (Sight(frames.newest) if frames.newest else None)  # shown, and not yet looked at
        else:
            captured = frames.take(wait)
        if captured is not None:
            sight = observer.look(captured) if recorder.state.looks else Sight(captured)
            times.append(time.monotonic())
            recorder.see(sight)
        recorder.tick(frames.status)
        looked = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        for key in display.show(recorder, sight, Figures(frames.rate, looked, frames.dropped, frames.remark)):
            recorder.press(key)
