"""Commands in turn: the first that fails ends them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from static_gesture_classification.configuration import PROJECT
from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import watched


def run_in_turn(commands: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Run Python modules one after another, each with what it says on this terminal.

    Args:
        commands: a stage's name ("" where the modules name their own), and a module with its arguments.

    Raises:
        UserError: one of them failed (its own message stands above); the rest is not run.
    """
    own = str(Path(sys.executable).parent)  # DVC's stages call `python`, which is the one of this environment
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PATH": os.pathsep.join([own, os.environ.get("PATH", "")])}
    for stage, arguments in commands:
        if stage:
            watched.stage(stage)
        ended = subprocess.run([sys.executable, "-m", *arguments], env=environment)
        if ended.returncode:
            raise UserError(f"python -m {' '.join(arguments)} failed (see above); mend that, then repeat this")
