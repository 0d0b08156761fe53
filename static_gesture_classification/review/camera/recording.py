"""Recording with the browser's camera: the recorder runs in a thread, its face is a page (`recorder_face`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.capture.latest_frame import LatestFrame
from static_gesture_classification.recording.jobs import find_work, fit_to_camera
from static_gesture_classification.recording.judging.observer import judging_checkpoint, open_observer
from static_gesture_classification.recording.loop import run_recorder
from static_gesture_classification.recording.opening import open_recorder
from static_gesture_classification.recording.session_writer import check_writable
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.review.camera.link import Link
from static_gesture_classification.review.camera.recorder_face import RecorderFace, sets_of

PLAN, FREE, BACKGROUND = "plan", "free", "background"  # what to record, as the page's address says it in `what`


def record_what(settings: RecordingSettings, query: Mapping[str, str]) -> RecordingSettings:
    """The settings of a recording that a page asks for.

    Args:
        settings: from the configuration.
        query: of the address: `gesture`, `mistaken_for`, and `what`, one of this module's names.

    Raises:
        UserError: an unknown gesture, or another `what`.
    """
    gesture, mistaken_for = query.get("gesture") or None, query.get("mistaken_for") or None
    for name in filter(None, (gesture, mistaken_for)):
        settings.vocabulary.index(name)
    if mistaken_for is not None and gesture is None:
        raise UserError(f"choose a gesture to record that is mistaken for {mistaken_for}")
    if gesture is not None and gesture == mistaken_for:
        raise UserError(f"{gesture} cannot be mistaken for itself; choose another gesture")
    changes: dict[str, Any] = {"window": "screen", "background": False, "mode": "auto"}
    changes |= {"gesture": gesture, "mistaken_for": mistaken_for}
    what = query.get("what") or PLAN
    if what == FREE:
        changes["mode"] = "free"
    elif what == BACKGROUND:
        changes |= {"background": True, "gesture": None, "mistaken_for": None}
    elif what != PLAN:
        raise UserError(f"what is {what!r}; it can be {PLAN}, {FREE} or {BACKGROUND}")
    return settings.model_copy(update=changes)


def record_on_page(settings: RecordingSettings, elsewhere: bool, link: Link) -> None:
    """Record until the user ends it or the page is gone; kept pictures are on disk at every moment.

    Args:
        settings: see `record_what`.
        elsewhere: whether the page is open on another device, a phone; then pictures are masked unless told otherwise.
        link: to the page.

    Raises:
        UserError: there is nothing to record, no place for it, or no model that works.
    """
    work = find_work(settings)
    check_writable(settings.storage.root)
    settings = fit_to_camera(settings, work, live=True)
    storage = settings.storage.for_pictures_from(elsewhere)
    settings = settings.model_copy(update={"storage": storage})
    checkpoint = judging_checkpoint(settings.judge, work.checkpoint)
    if settings.background and checkpoint is None:
        raise UserError("there is no model yet, so nothing can be a false alarm: train one first")
    link.say({"screen": "opening", "text": "Loading the model and the hand finder."})
    observer = open_observer(settings.judge, checkpoint, every_hand=settings.background)
    recorder = open_recorder(settings, work, observer)
    about = {"judge": observer.checkpoint, "learner": observer.about_learner, "masked": storage.mask is True}
    try:
        with observer.detector, LatestFrame(link.camera, settings.camera) as frames:
            try:
                run_recorder(recorder, observer, frames, RecorderFace(link, about))
            finally:
                link.camera.end()
    finally:
        problems = recorder.close()
        alarms = "" if recorder.watched is None else str(recorder.watched.rate)
        link.say({"screen": "over", "sets": sets_of(recorder), "problems": problems, "alarms": alarms})
