"""Watch a camera, a video or a stream, and act on gestures.

    gestures live                                             # a window
    gestures live 'keys={THUMBS_UP:page_down}'                # a hand turns the slides
    gestures live window=none json_lines=- source=rtsp://...        # events for another program

docs/live.md has an example of each hook. With catch=true, errors are kept to train on.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.held_gestures import HeldGestures
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.live.catcher import Catcher
from static_gesture_classification.live.hooks.json_lines import STANDARD_OUTPUT
from static_gesture_classification.live.hooks.opening import open_hooks
from static_gesture_classification.live.lines import EventLines, print_events
from static_gesture_classification.live.opinions import AskOpinions, open_opinions
from static_gesture_classification.live.screen import LIVE_TITLE, Screen
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.live.watch import Watch, WatchDisplay, run_watch
from static_gesture_classification.recording.capture.camera import Camera, open_camera
from static_gesture_classification.recording.capture.latest_frame import LOST, LatestFrame
from static_gesture_classification.recording.judging.observer import fast_model, judging_checkpoint, open_detector
from static_gesture_classification.recording.session_writer import check_writable
from static_gesture_classification.recording.subjects import match_known, read_known
from static_gesture_classification.recording.take_in import print_commands
from static_gesture_classification.recording.window.window import Window
from static_gesture_classification.terminal import in_number, leave_standard_output_to_data, note, say, warn


@entry_point
def main(config: DictConfig) -> None:
    """Watch until the user quits or no more pictures come."""
    settings = LiveSettings.from_config(config)
    if settings.hooks.json_lines == STANDARD_OUTPUT:
        leave_standard_output_to_data()
    checkpoint = find_checkpoint(settings)
    if settings.catching.catch:
        check_writable(settings.root)
    camera = open_camera(settings.source, settings.camera)
    with ExitStack() as open_until:
        detector = open_until.enter_context(open_detector(settings.recording.judge))
        predictor = Predictor.load(fast_model(checkpoint) if settings.recording.judge.onnx else checkpoint, detector)
        settings.hooks.check_gestures(predictor.vocabulary)
        hooks = open_hooks(settings.hooks, open_until)
        held = HeldGestures(settings.holding, predictor.vocabulary)
        catcher = open_catcher(settings, predictor, checkpoint)
        watch = Watch(predictor, held, hooks, catcher, settings.recording.judge.hand, warn)
        say(f"{checkpoint} names the gestures. {what_is_kept(catcher)}")
        problems = watch_camera(watch, camera, settings)
    for problem in [*problems, *camera.remarks]:
        warn(problem)
    print_caught(catcher)
    if problems or watch.camera.state == LOST:
        sys.exit(1)


def find_checkpoint(settings: LiveSettings) -> Path:
    """The checkpoint that names the gestures: without a choice the usual one, or one that learned a gesture since.

    Raises:
        UserError: there is none, or the one that the settings name does not exist.
    """
    judge = settings.recording.judge.model_copy(update={"checkpoint": settings.checkpoint})
    checkpoint = judging_checkpoint(judge, "")
    if settings.checkpoint is None and _is_newer(settings.added, checkpoint):
        return settings.added
    if checkpoint is None:
        usual = " nor ".join(map(str, judge.other_checkpoints))
        raise UserError(f"there is neither {usual}: train a model (gestures retrain), or name one with checkpoint=FILE")
    return checkpoint


def _is_newer(added: Path, usual: Path | None) -> bool:
    """Whether a gesture was added after the usual checkpoint was made."""
    return added.is_file() and (usual is None or added.stat().st_mtime > usual.stat().st_mtime)


def open_catcher(settings: LiveSettings, predictor: Predictor, checkpoint: Path) -> Catcher:
    """What keeps errors; it is off unless `live.catch` is on."""
    known = read_known(settings.recording.storage.root)
    subject = match_known(settings.catching.subject or "", known.subjects)
    room = match_known(settings.catching.room or "", known.rooms)
    if settings.window != "none":
        subject, room = subject or next(iter(known.subjects), ""), room or next(iter(known.rooms), "")
    storage = settings.recording.storage.model_copy(update={"root": settings.root})
    about = (predictor.vocabulary, str(checkpoint), subject, room)
    return Catcher(settings.catching, settings.recording, storage, *about, ask=whom_to_ask(settings, predictor))


def whom_to_ask(settings: LiveSettings, predictor: Predictor) -> AskOpinions | None:
    """Who may disagree with the model about a hand; None without anybody, or where nothing is kept without a key."""
    catching = settings.catching
    if catching.catch and catching.catch_doubts:
        return open_opinions(predictor, catching.second, settings.recording.judge.onnx)
    if catching.second is not None:
        note("live.second is not asked: catch=true and catch_doubts=true keep that on which the two disagree")
    return None


def what_is_kept(catcher: Catcher) -> str:
    """Whether pictures are kept, and which, in words."""
    if not catcher.on:
        return "Nothing is kept (catch=true keeps errors to train on)."
    also = f", also a hand on which {catcher.asked} disagree" if catcher.asked else ""
    by_itself = f" What contradicts itself is kept without a key{also}." if catcher.settings.catch_doubts else ""
    parts = "whole pictures" if catcher.storage.whole_frame else "hands, not the room"
    return f"Catching is on: errors are kept in {catcher.storage.root} ({parts}).{by_itself}"


def watch_camera(watch: Watch, camera: Camera, settings: LiveSettings) -> list[str]:
    """Watch until it ends; returns messages about caught pictures that the disk refused."""
    try:
        with ExitStack() as open_until:
            frames = open_until.enter_context(LatestFrame(camera, settings.camera))
            run_watch(watch, frames, open_display(settings, open_until))
    except KeyboardInterrupt:
        pass
    finally:
        problems = watch.close()
    if settings.window == "none":
        print_events(watch)
    if watch.camera.message:
        say(watch.camera.message)
    return problems


def open_display(settings: LiveSettings, open_until: ExitStack) -> WatchDisplay:
    """The window, or lines, until the stack closes.

    Raises:
        UserError: there is no display.
    """
    if settings.window != "none":
        window = open_until.enter_context(Window(LIVE_TITLE))
        say("The window is open; it shows its keys at the lower edge.")
        return Screen(window, settings.mirror)
    if settings.catching.catch:
        say("When something was wrong, type what was meant, and Enter.")
    return EventLines(reads=settings.catching.catch)


def print_caught(catcher: Catcher) -> None:
    """Print what was caught, and how to train on it."""
    if not catcher.kept:
        if catcher.on:
            say("Nothing was caught.")
        return
    say(f"caught {in_number(catcher.pictures, 'picture')} in {in_number(len(catcher.kept), 'session')}:")
    for error in catcher.kept:
        say(f"  {error.folder}  {error.gesture or 'no gesture yet'}, {in_number(error.pictures, 'picture')}")
    named = [error.folder for error in catcher.kept if error.gesture]
    if len(named) < len(catcher.kept):
        note("what has no gesture yet is named by gestures record, which shows it at its start")
    if named:
        print_commands(named, catcher.storage.root)


if __name__ == "__main__":
    main()
