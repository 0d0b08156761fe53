"""A recorder before a camera, in its window or as lines, until it is over."""

from __future__ import annotations

from static_gesture_classification.recording.capture.camera import Camera
from static_gesture_classification.recording.capture.latest_frame import LatestFrame
from static_gesture_classification.recording.judging.observer import Observer
from static_gesture_classification.recording.keys import CLOSED
from static_gesture_classification.recording.loop import run_recorder
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.window.lines import RecorderLines
from static_gesture_classification.recording.window.window import Window
from static_gesture_classification.terminal import say


def record(recorder: Recorder, observer: Observer, camera: Camera) -> list[str]:
    """Record until the user quits or the camera or the work ends; kept pictures are on disk at every moment.

    Returns:
        messages about pictures that the disk refused.
    """
    try:
        with observer.detector, LatestFrame(camera, recorder.settings.camera) as frames:
            if not recorder.has_user:
                run_recorder(recorder, observer, frames, RecorderLines())
            else:
                with Window() as window:
                    say("The window is open; it shows its keys at the lower edge.")
                    run_recorder(recorder, observer, frames, window)
    except KeyboardInterrupt:
        recorder.press(CLOSED)
    finally:
        problems = recorder.close()
    return problems
