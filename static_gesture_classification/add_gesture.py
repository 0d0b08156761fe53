"""Add a gesture from a few samples of one person, which are recorded now where there are none.

    gestures add ROCK                        # recorded sessions of ROCK, else its poses in conf/poses, else a camera
    gestures add ROCK --record               # five samples from the camera, whatever there is
    gestures add ROCK add.pictures=rock/     # one picture or more, or recorded sessions

`active_learning.adding.add` adds it. Recorded samples lie in a session that no source reads until the gesture is added,
so that a refused gesture leaves nothing that a later training would stumble over.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.active_learning.adding.add import add_gesture, choose_start
from static_gesture_classification.active_learning.adding.local_gestures import read_local
from static_gesture_classification.active_learning.adding.samples import sessions_of_gesture
from static_gesture_classification.active_learning.adding.session import STAGED
from static_gesture_classification.active_learning.adding.settings import ASK, AddSettings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import Camera, open_camera
from static_gesture_classification.recording.jobs import Job, Work, fit_to_camera
from static_gesture_classification.recording.judging.observer import open_observer
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import check_writable
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import begin
from static_gesture_classification.recording.window.run import record
from static_gesture_classification.terminal import note, say, warn

HOW = "Show it to the camera, and turn and tilt the hand a little: samples that look alike are kept once."


@entry_point
def main(config: DictConfig) -> None:
    """Add a gesture."""
    settings = AddSettings.from_config(config)
    read_local(settings.local)  # an error here comes before the work
    start = choose_start(settings)
    if not needs_recording(settings):
        add_gesture(start, settings)
        return
    session = record_samples(settings, RecordingSettings.from_config(config))
    try:
        add_gesture(start, settings.model_copy(update={"pictures": (session,)}))
    except UserError:
        note(f"the recorded samples stay in {session}: add.pictures={session} takes them again")
        raise


def needs_recording(settings: AddSettings) -> bool:
    """Whether samples are to be recorded: as the settings say, or because there are none of any kind."""
    if settings.record is not None:
        return settings.record
    return not (settings.pictures or settings.is_posed or sessions_of_gesture(settings.recorded, settings.gesture))


def record_samples(settings: AddSettings, recording: RecordingSettings) -> Path:
    """Record samples in the recorder's window; returns their session, which no source reads yet.

    Raises:
        UserError: there is no camera, or nothing was kept.
    """
    check_writable(settings.recorded)
    camera = _open(settings, recording)
    work = Work((Job(settings.gesture, settings.samples, reason=HOW),))
    recording = fit_to_camera(of_new_gesture(settings, recording), work, camera.live)
    say(f"recording {settings.samples} samples of {settings.gesture} from {settings.source}")
    recorder = begin(Recorder(recording, work, None))
    for problem in [*record(recorder, open_observer(recording.judge, None), camera), *camera.remarks]:
        warn(problem)
    if recorder.camera.message:
        say(recorder.camera.message)
    folders = [current.writer.folder for current in recorder.saved if current.writer.session.gesture]
    if not folders or folders[-1] is None:
        raise UserError(f"no sample of {settings.gesture} was recorded, so nothing is added")
    return folders[-1]


def _open(settings: AddSettings, recording: RecordingSettings) -> Camera:
    try:
        return open_camera(settings.source, recording.camera)
    except UserError as error:
        if settings.record:
            raise
        raise UserError(f"{settings.no_samples}. They cannot be recorded either: {error}. Or {ASK}") from error


def of_new_gesture(settings: AddSettings, recording: RecordingSettings) -> RecordingSettings:
    """The recorder's settings for samples of a gesture that nobody knows yet: all that differ are kept, for train."""
    names = dict.fromkeys([*settings.vocabulary.names, settings.gesture])
    changes = {
        "vocabulary": Vocabulary(tuple(names), settings.vocabulary.background),
        "storage": recording.storage.model_copy(update={"root": settings.recorded, "prefix": STAGED}),
        "admission": recording.admission.model_copy(update={"held_out": 0.0}),
        "subject": settings.subject or recording.subject,
        "background": False,
    }
    return recording.model_copy(update=changes)


if __name__ == "__main__":
    main()
