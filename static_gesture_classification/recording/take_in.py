"""Report the recorded sessions, and admit them: DVC adds them, and the pipeline retrains."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Column

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.terminal import Table, note, say, show_table, warn

QUICK_LOOP = "gestures retrain"
COMPOSE = ("-m", "static_gesture_classification.configuration")


def print_recorded(recorder: Recorder, problems: Sequence[str]) -> None:
    """Print what was recorded, and what went wrong."""
    for problem in problems:
        warn(problem)
    if recorder.camera.message:
        say(recorder.camera.message)
    if not recorder.saved:
        say("Nothing was recorded.")
        return
    table = Table("gesture", "pictures", "goes to", Column("session", overflow="fold"), box=None)
    for current in recorder.saved:
        session, folder = current.writer.session, current.writer.folder
        split = session.split or "as the split decides"
        name = folder.name if folder is not None else "not on the disk"
        table.add_row(session.gesture or "not named yet", str(len(current.kept)), split, name)
    say(f"recorded in {recorder.settings.storage.root}:")
    show_table(table)


def take_in_recorded(recorder: Recorder) -> None:
    """Print the commands that add the named sessions, or run them."""
    writers = [current.writer for current in recorder.saved]
    folders = [writer.folder for writer in writers if writer.folder is not None and writer.session.gesture]
    if len(folders) < len(writers):
        note("some pictures have no gesture yet: start the recorder again to name them")
    if folders and recorder.settings.commit:
        take_in(folders, recorder.settings.storage.root)
    elif folders:
        print_commands(folders, recorder.settings.storage.root)
        say("commit=true adds them and runs the pipeline by itself.")


def print_commands(folders: Sequence[Path], root: Path) -> None:
    """Print how to train on sessions."""
    lines = [(QUICK_LOOP, "within a minute: do they help?")]
    if _is_below_here(root):
        lines.append((shlex.join(["dvc", *to_add(folders, root)]), "keep them under version control"))
    lines.append(("dvc repro", "train on them, evaluate, make the next plan"))
    say("To train on them:")
    for command, purpose in lines:
        say(f"  {command}   # {purpose}")


def take_in(folders: Sequence[Path], root: Path) -> None:
    """Add sessions to DVC and run the pipeline.

    Raises:
        UserError: DVC is not set up here, or a command failed; the sessions are safe.
    """
    if not Path(".dvc").is_dir():
        raise UserError(
            f"commit=true needs DVC, which is not set up in {Path.cwd().name}/: run it in the project's folder "
            f"(the sessions are safe in {root})"
        )
    if _is_below_here(root):
        _run("-m", "dvc", *to_add(folders, root))
    else:
        note(f"{root} lies outside this folder, so DVC does not keep it")
    _run(*COMPOSE)
    _run("-m", "dvc", "repro")


def to_add(folders: Sequence[Path], root: Path) -> list[str]:
    """DVC's arguments that add sessions one by one, or their whole folder if DVC tracks it already."""
    if root.with_name(f"{root.name}.dvc").is_file():
        return ["add", str(root)]
    return ["add", *map(str, folders)]


def _is_below_here(root: Path) -> bool:
    return Path().resolve() in root.resolve().parents


def _run(*arguments: str) -> None:
    command = " ".join(arguments).removeprefix("-m ")
    say(command)
    done = subprocess.run([sys.executable, *arguments])
    if done.returncode != 0:
        raise UserError(f"{command} failed (see above); the sessions are safe, repeat it when that is mended")
