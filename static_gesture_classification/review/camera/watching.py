"""The live view with the browser's camera: a `Watch` runs in a thread, its face is a page (`live_face`)."""

from __future__ import annotations

from static_gesture_classification.inference.held_gestures import HeldGestures
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.live.live import find_checkpoint, open_catcher
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.live.watch import Watch, run_watch
from static_gesture_classification.recording.capture.latest_frame import LatestFrame
from static_gesture_classification.recording.judging.observer import fast_model, open_detector
from static_gesture_classification.review.camera.link import Link
from static_gesture_classification.review.camera.live_face import LiveFace
from static_gesture_classification.terminal import warn


def watch_on_page(settings: LiveSettings, catch: bool, link: Link) -> None:
    """Watch until the user ends it or the page is gone. Hooks do not run: nothing but the page acts on gestures.

    Args:
        settings: from the configuration.
        catch: whether errors are kept from the beginning.
        link: to the page.

    Raises:
        UserError: there is no model, or it does not work.
    """
    checkpoint = find_checkpoint(settings)
    link.say({"screen": "opening", "text": "Loading the model and the hand finder."})
    judge = settings.recording.judge
    with open_detector(judge) as detector:
        predictor = Predictor.load(fast_model(checkpoint) if judge.onnx else checkpoint, detector)
        held = HeldGestures(settings.holding, predictor.vocabulary)
        catcher = open_catcher(settings, predictor, checkpoint)
        catcher.switch(catch)
        watch = Watch(predictor, held, [], catcher, judge.hand, warn)
        try:
            with LatestFrame(link.camera, settings.camera) as frames:
                try:
                    run_watch(watch, frames, LiveFace(link, {"judge": str(checkpoint)}))
                finally:
                    link.camera.end()
        finally:
            problems = watch.close()
            link.say({"screen": "over", "caught": catcher.pictures, "problems": problems})
