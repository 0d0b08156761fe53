"""Record samples of gestures from a camera, a video, a folder of images or a stream.

    gestures record                                    # what the plan asks for, or freely without one
    gestures record recording.mode=free recording.source=1
    gestures record --background                       # two minutes without gestures: false alarms
    gestures record window=none recording.source=video.mp4 recording.gesture=FIST recording.subject=anna

The window shows its keys at the lower edge. docs/recording.md explains the rest.
"""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from static_gesture_classification.active_learning.retraining.settings import RetrainSettings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.predictor import load_model
from static_gesture_classification.recording.capture.camera import open_camera
from static_gesture_classification.recording.capture.latest_frame import LOST
from static_gesture_classification.recording.jobs import find_work, fit_to_camera
from static_gesture_classification.recording.judging.observer import Observer, judging_checkpoint, open_observer
from static_gesture_classification.recording.opening import open_recorder
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import check_writable
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.take_in import print_recorded, take_in_recorded
from static_gesture_classification.recording.window.run import record
from static_gesture_classification.terminal import note, say


@entry_point
def main(config: DictConfig) -> None:
    """Record, then admit what was recorded."""
    settings = RecordingSettings.from_config(config)
    work = find_work(settings)
    check_writable(settings.storage.root)
    camera = open_camera(settings.source, settings.camera)
    settings = fit_to_camera(settings, work, camera.live)
    checkpoint = judging_checkpoint(settings.judge, work.checkpoint)
    if settings.background and checkpoint is None:
        raise UserError(
            "recording.background=true keeps what a model takes for a gesture, and there is no model; train one "
            "(gestures retrain), or name it: recording.checkpoint=FILE"
        )
    observer = open_observer(settings.judge, checkpoint, every_hand=settings.background)
    recorder = open_recorder(settings, work, observer)
    say_who_judges(observer)
    problems = record(recorder, observer, camera)
    print_recorded(recorder, [*problems, *camera.remarks])
    if recorder.watched is not None:
        compare_false_alarms(recorder, observer, RetrainSettings.from_config(config))
    take_in_recorded(recorder)
    if any(current.trouble for current in recorder.sets) or recorder.camera.state == LOST:
        sys.exit(1)


def compare_false_alarms(recorder: Recorder, observer: Observer, retraining: RetrainSettings) -> None:
    """Print the false alarms a minute; where hands were kept, retrain quickly and print those of the new model too."""
    watched = recorder.watched
    assert watched is not None
    say(f"false alarms: {watched.rate}")
    if not recorder.saved or observer.predictor is None or recorder.settings.commit:
        return
    # Training imports libraries for seconds, for which no other recording waits.
    from static_gesture_classification.active_learning.retraining.retrain import retrain

    try:
        retrain(retraining)
        classifier = load_model(retraining.workspace.trained)
    except UserError as error:
        note(f"no quick retrain, so no figure of afterwards: {error}")
        return
    if classifier.input != observer.predictor.classifier.input:
        note(f"{retraining.workspace.trained} sees {classifier.input}, {observer.checkpoint} does not: not comparable")
        return
    say(f"false alarms before: {watched.rate}")
    say(f"false alarms after:  {watched.rate_of(classifier)}, on the same hands, some of which it has learned from")


def say_who_judges(observer: Observer) -> None:
    """Print which checkpoint judges, and how it learns; or that there is none."""
    if observer.predictor is None:
        note(
            "no checkpoint yet, so no picture counts as hard: all pictures that differ are kept. "
            "Train one with make repro."
        )
    else:
        about = f"; {observer.about_learner}" if observer.about_learner else ""
        say(f"judged by {observer.checkpoint}{about}")


if __name__ == "__main__":
    main()
