"""What happens to recordings afterwards: DVC adds them, and the pipeline, which watches their folder, retrains."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import console

QUICK_LOOP = "gestures retrain"
CONFIGURATION = ("-m", "static_gesture_classification.configuration")


def print_commands(folders: Sequence[Path], root: Path) -> None:
    """Say how to take sessions in."""
    lines = [(QUICK_LOOP, "within a minute: do they help?")]
    if _is_below_here(root):
        lines.append((shlex.join(["dvc", *to_add(folders, root)]), "keep them under version control"))
    lines.append(("dvc repro", "train on them, evaluate, make the next plan"))
    console.print("To take them in:", highlight=False)
    for command, purpose in lines:
        console.print(f"  [bold cyan]{escape(command)}[/]   # {escape(purpose)}", highlight=False, soft_wrap=True)
    console.print("commit=true adds them and runs the pipeline by itself.", highlight=False)


def take_in(folders: Sequence[Path], root: Path) -> None:
    """Add sessions to DVC and run the pipeline.

    Raises:
        UserError: DVC is not set up here, or a command failed; the sessions are safe all the same.
    """
    if not Path(".dvc").is_dir():
        raise UserError(
            f"commit=true needs DVC, which is not set up in {Path.cwd().name}/: run it in the project's folder "
            f"(the sessions are safe in {root})"
        )
    if Path().resolve() in root.resolve().parents:
        _run("-m", "dvc", *to_add(folders, root))
    else:
        console.print(
            f"[yellow]{escape(str(root))} lies outside this folder, so DVC does not keep it[/]", highlight=False
        )
    _run(*CONFIGURATION)
    _run("-m", "dvc", "repro")


def to_add(folders: Sequence[Path], root: Path) -> list[str]:
    """DVC's arguments that add sessions: each by itself, or the whole folder where DVC has that already."""
    if root.with_name(f"{root.name}.dvc").is_file():
        return ["add", str(root)]
    return ["add", *map(str, folders)]


def _is_below_here(root: Path) -> bool:
    return Path().resolve() in root.resolve().parents


def _run(*arguments: str) -> None:
    shown = " ".join(arguments).removeprefix("-m ")
    console.print(f"[bold cyan]{escape(shown)}[/]", highlight=False, soft_wrap=True)
    done = subprocess.run([sys.executable, *arguments])
    if done.returncode != 0:
        raise UserError(f"{shown} failed (see above); the sessions are safe, repeat it when that is mended")
