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

from static_gesture_classification.active_learning.retraining.retrain import retrain
from static_gesture_classification.active_learning.retraining.settings import RetrainSettings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.predictor import load_model
from static_gesture_classification.recording.capture.camera import open_camera
from static_gesture_classification.recording.capture.latest_frame import LOST
from static_gesture_classification.recording.jobs import Work, find_work, fit_to_camera, open_dealer
from static_gesture_classification.recording.judging.observer import Observer, judging_checkpoint, open_observer
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.run import record
from static_gesture_classification.recording.session_writer import (
    SessionWriter,
    check_writable,
    clear_trash,
    reopen_unfinished,
)
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import begin
from static_gesture_classification.recording.take_in import print_recorded, take_in_recorded
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


def open_recorder(settings: RecordingSettings, work: Work, observer: Observer) -> Recorder:
    """Open the recorder, with unfinished sets of killed recorders."""
    clear_trash(settings.storage.root)
    clear_trash(settings.in_use)
    unfinished = [] if settings.window == "none" else unnamed_sets(settings)
    if observer.predictor is None:
        note(
            "no checkpoint yet, so no picture counts as hard: all pictures that differ are kept. "
            "Train one with make repro."
        )
    else:
        about = f"; {observer.about_learner}" if observer.about_learner else ""
        say(f"judged by {observer.checkpoint}{about}")
    judge, checkpoint, learner = observer.vocabulary, observer.checkpoint, observer.learner
    dealer = open_dealer(settings, work, judge)
    return begin(Recorder(settings, work, judge, checkpoint, unfinished, learner=learner, dealer=dealer))


def unnamed_sets(settings: RecordingSettings) -> list[SessionWriter]:
    """Sets whose gesture nobody has chosen yet: of killed recorders, and what `gestures live` caught by itself."""
    caught = settings.storage.model_copy(update={"root": settings.in_use})
    return [*reopen_unfinished(settings.storage), *reopen_unfinished(caught)]


if __name__ == "__main__":
    main()
