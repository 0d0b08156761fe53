"""A command per gesture, run when the gesture begins.

No shell is involved: a command is a list of arguments. What the command may want to know is in its environment:
GESTURE, SCORE (0..1) and HAND (left or right). While a gesture's command runs, it is not started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from static_gesture_classification.inference.held_gestures import BEGIN, GestureEvent
from static_gesture_classification.live.hooks.hook import Hook

SHOWN_OUTPUT = 200  # bytes of what a failed command wrote
POSIX = os.name == "posix"


class Commands(Hook):
    """Runs the command of each gesture that begins.

    Args:
        commands: gesture -> program and arguments.
        seconds: after which a command is ended.
    """

    name = "commands"

    def __init__(self, commands: Mapping[str, Sequence[str]], seconds: float) -> None:
        super().__init__()
        self.commands, self.seconds = commands, seconds
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def act(self, event: GestureEvent) -> None:
        """See `Hook.act`."""
        command = self.commands.get(event.gesture)
        if event.event != BEGIN or command is None or event.gesture in self._running:
            return
        about = {"GESTURE": event.gesture, "SCORE": f"{event.score:.3f}", "HAND": event.hand}
        # No pipe: a program that the command leaves behind would hold it open.
        written = tempfile.TemporaryFile()  # noqa: SIM115  closed by the thread that watches
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=written,
                env={**os.environ, **about},
                start_new_session=POSIX,
            )
        except (OSError, ValueError) as error:
            written.close()
            self.complain(f"the command for {event.gesture} does not start: {error}")
            return
        self._running[event.gesture] = process
        threading.Thread(target=self._watch, args=(event.gesture, process, written), daemon=True).start()

    def close(self) -> None:
        """End all commands that still run."""
        for process in list(self._running.values()):
            _kill(process)

    def _watch(self, gesture: str, process: subprocess.Popen[bytes], written: IO[bytes]) -> None:
        command = f"the command for {gesture} ({self.commands[gesture][0]})"
        try:
            process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            self.complain(f"{command} was ended: it ran longer than live.command_seconds ({self.seconds:g} s)")
        else:
            if process.returncode > 0:
                written.seek(0)
                output = " ".join(written.read(SHOWN_OUTPUT).decode(errors="replace").split())
                self.complain(f"{command} failed with status {process.returncode}" + (f": {output}" if output else ""))
        finally:
            written.close()
            del self._running[gesture]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    if process.poll() is None and POSIX:
        os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
    elif process.poll() is None:
        process.kill()
    process.wait()
