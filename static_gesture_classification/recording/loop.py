"""The recorder's loop: picture, look, decide, show, keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from static_gesture_classification.recording.capture.latest_frame import LatestFrame, Rate
from static_gesture_classification.recording.judging.observer import Observer, Sight
from static_gesture_classification.recording.recorder import Recorder

WAIT_SECONDS = 0.05  # for a picture, before keys are looked at again


@dataclass(frozen=True)
class Figures:
    """Rates of the recorder.

    Args:
        camera: the camera's pictures a second.
        looked: processed pictures a second.
        dropped: pictures that a newer one replaced before they were processed.
        remark: the camera's latest event.
    """

    camera: float = 0.0
    looked: float = 0.0
    dropped: int = 0
    remark: str = ""


class RecorderDisplay(Protocol):
    """Shows the recorder: a window, or lines."""

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Show the recorder's state; returns the pressed keys."""


def run_recorder(recorder: Recorder, observer: Observer, frames: LatestFrame, display: RecorderDisplay) -> None:
    """Record until the recorder is over.

    Raises:
        UserError: the source cannot be read, a model does not work.
    """
    sight: Sight | None = None
    rate = Rate()
    while not recorder.over:
        # While pictures are not processed, keys come first: typing is faster than pictures come.
        wait = WAIT_SECONDS if recorder.state.looks else 0.0
        is_keeping = recorder.state.keeps
        if not frames.camera.live:  # a file pauses while no pictures are kept
            frames.play(is_keeping)
        if frames.camera.waits and not is_keeping:
            captured = None
            sight = sight or (Sight(frames.newest) if frames.newest else None)  # shown, and not yet processed
        else:
            captured = frames.take(wait)
        if captured is not None:
            sight = observer.look(captured) if recorder.state.looks else Sight(captured)
            rate.count()
            recorder.see(sight)
        recorder.tick(frames.status)
        for key in display.show(recorder, sight, Figures(frames.rate, rate.value, frames.dropped, frames.remark)):
            recorder.press(key)
