"""Record samples of gestures from a camera, a video, a folder of images or a stream.

    gestures record                                    # what the plan asks for, or freely without one
    gestures record recording.mode=free recording.source=1
    gestures record window=none recording.source=video.mp4 recording.gesture=FIST recording.subject=anna

Keys stand at the window's lower edge. docs/recording.md explains the rest.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig
from rich.markup import escape
from rich.table import Column

from static_gesture_classification.active_learning.admission import Settings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import Camera, open_camera
from static_gesture_classification.recording.capture.latest_frame import LOST, LatestFrame
from static_gesture_classification.recording.jobs import Work, work_to_do
from static_gesture_classification.recording.judging.observer import Observer, judging_checkpoint, open_observer
from static_gesture_classification.recording.loop import run
from static_gesture_classification.recording.recorder import Recorder, Rules
from static_gesture_classification.recording.session_writer import check_writable, clear_trash, reopened, unfinished
from static_gesture_classification.recording.settings import NONE, RecordingSettings
from static_gesture_classification.recording.taking_in import print_commands, take_in
from static_gesture_classification.recording.window.lines import Lines
from static_gesture_classification.recording.window.window import Window
from static_gesture_classification.terminal import Table, console

SECONDS_WITHOUT_WINDOW = 120  # that a set takes at most when nobody can end it


@entry_point
def main(config: DictConfig) -> None:
    """Record, then take in what was recorded."""
    settings = RecordingSettings.from_config(config)
    vocabulary = Vocabulary.from_config(config.gestures)
    work = work_to_do(settings, config, vocabulary)
    check_writable(settings.storage.root)
    camera = open_camera(settings.source, settings.camera)
    settings = adapted(settings, work, camera)
    observer = open_observer(config, judging_checkpoint(config, work.checkpoint))
    recorder = new_recorder(settings, config, vocabulary, work, observer)
    problems = record(recorder, observer, camera)
    report(recorder, problems, camera)
    take_in_recorded(recorder)
    if any(current.trouble for current in recorder.sets) or recorder.camera.state == LOST:
        sys.exit(1)


def adapted(settings: RecordingSettings, work: Work, camera: Camera) -> RecordingSettings:
    """The settings, without what needs a window where there is none.

    Raises:
        UserError: without a window, nothing says which gesture is performed.
    """
    if settings.window != NONE:
        return settings if camera.live else replace(settings, countdown=0.0)
    if any(job.gesture is None for job in work.jobs):
        raise UserError(
            "without a window nobody can name what was performed: give recording.gesture=NAME, or a plan (make plan)"
        )
    return replace(
        settings,
        review=False,
        countdown=settings.countdown if camera.live else 0.0,
        seconds=SECONDS_WITHOUT_WINDOW if settings.seconds is None else settings.seconds,
    )


def new_recorder(
    settings: RecordingSettings, config: DictConfig, vocabulary: Vocabulary, work: Work, observer: Observer
) -> Recorder:
    """The recorder, with what killed recorders left behind."""
    root = settings.storage.root
    clear_trash(root)
    left = [] if settings.window == NONE else [reopened(folder, settings.storage) for folder in unfinished(root)]
    if observer.predictor is None:
        console.print(
            "[yellow]No checkpoint yet, so nothing says what is hard: all pictures that differ are kept.[/] "
            "Train one with make repro.",
            highlight=False,
        )
    else:
        about = f"; {observer.about_learner}" if observer.about_learner else ""
        console.print(escape(f"judged by {observer.checkpoint}{about}"), highlight=False, soft_wrap=True)
    return Recorder(
        settings,
        Rules(
            Settings.from_config(config.admission), config.splits.group, Path(config.paths.splits) / "samples.parquet"
        ),
        vocabulary,
        work,
        observer.vocabulary,
        observer.checkpoint,
        [writer for writer in left if writer is not None],
        learner=observer.learner,
    )


def record(recorder: Recorder, observer: Observer, camera: Camera) -> list[str]:
    """Record until the user, the camera or the work is at its end; what is kept is on disk whatever happens.

    Returns:
        messages about pictures that the disk refused.
    """
    try:
        with observer.detector, LatestFrame(camera, recorder.settings.camera) as frames:
            if recorder.settings.window == NONE:
                run(recorder, observer, frames, Lines())
            else:
                with Window() as window:
                    console.print("The window is open; its keys stand at the lower edge.", highlight=False)
                    run(recorder, observer, frames, window)
    except KeyboardInterrupt:
        recorder.press("window closed")
    finally:
        problems = recorder.close()
    return problems


def report(recorder: Recorder, problems: list[str], camera: Camera) -> None:
    """Say what was recorded, and what went wrong."""
    for message in [*problems, *getattr(camera, "remarks", [])]:
        console.print(f"[bold red]{escape(message)}[/]", highlight=False, soft_wrap=True)
    if recorder.camera.message:
        console.print(escape(recorder.camera.message), highlight=False, soft_wrap=True)
    if not recorder.saved:
        console.print("Nothing was recorded.", highlight=False)
        return
    table = Table("gesture", "pictures", "goes to", Column("session", overflow="fold"), box=None)
    for current in recorder.saved:
        folder = current.writer.folder
        split = current.writer.session.split or "as the split decides"
        name = folder.name if folder is not None else "not on the disk"
        table.add_row(current.writer.session.gesture or "not named yet", str(len(current.kept)), split, name)
    console.print(f"recorded in {escape(str(recorder.settings.storage.root))}:", highlight=False)
    console.print(table)


def take_in_recorded(recorder: Recorder) -> None:
    """Print the commands that take the named sessions in, or run them."""
    folders = [
        current.writer.folder
        for current in recorder.saved
        if current.writer.folder is not None and current.writer.session.gesture
    ]
    if len(folders) < len(recorder.saved):
        console.print("[yellow]Some pictures have no gesture yet: start the recorder again to name them.[/]")
    if folders and recorder.settings.commit:
        take_in(folders, recorder.settings.storage.root)
    elif folders:
        print_commands(folders, recorder.settings.storage.root)


if __name__ == "__main__":
    main()
