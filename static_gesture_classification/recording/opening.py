"""Opening a recorder: what killed recorders left is cleared away, and their unnamed sets come first."""

from __future__ import annotations

from static_gesture_classification.recording.jobs import Work, open_dealer
from static_gesture_classification.recording.judging.observer import Observer
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import SessionWriter, clear_trash, reopen_unfinished
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import begin


def open_recorder(settings: RecordingSettings, work: Work, observer: Observer) -> Recorder:
    """Open the recorder, with unfinished sets of killed recorders."""
    clear_trash(settings.storage.root)
    clear_trash(settings.in_use)
    unfinished = [] if settings.window == "none" else unnamed_sets(settings)
    judge, checkpoint, learner = observer.vocabulary, observer.checkpoint, observer.learner
    dealer = open_dealer(settings, work, judge)
    return begin(Recorder(settings, work, judge, checkpoint, unfinished, learner=learner, dealer=dealer))


def unnamed_sets(settings: RecordingSettings) -> list[SessionWriter]:
    """Sets whose gesture nobody has chosen yet: of killed recorders, and what `gestures live` caught by itself."""
    caught = settings.storage.model_copy(update={"root": settings.in_use})
    return [*reopen_unfinished(settings.storage), *reopen_unfinished(caught)]
