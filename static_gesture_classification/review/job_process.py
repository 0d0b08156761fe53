"""The process around a job's command: `python -m static_gesture_classification.review.job_process FOLDER COMMAND...`.

It outlives the server: it runs the command, writes all output to `log.txt`, and at the end `ended.json`. SIGTERM asks
the command to stop as Ctrl-C does, so that it can leave its work whole. In a job's folder lie

  job.json     what it runs, and when it began
  process.json this process, which the server writes too: one that was killed meanwhile finds the job again
  progress.json how far it is; see `progress_file`
  log.txt      all that it said
  ended.json   its exit code, and whether it was cancelled; absent while it runs, or where its process was killed
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.progress_file import VARIABLE

JOB, PROCESS, PROGRESS, LOG, ENDED = "job.json", "process.json", "progress.json", "log.txt", "ended.json"
VERSION = 1
GRACE_SECONDS = 20.0  # between asking and killing


def main() -> None:
    """Run one job to its end."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    note_process(folder, os.getpid())
    environment = {**os.environ, VARIABLE: str((folder / PROGRESS).resolve()), "COLUMNS": "100"}
    # Where the server runs in the background of a script, it ignores SIGINT, and its children would too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with (folder / LOG).open("ab", buffering=0) as log:
        # A group of its own: workers of the command are asked to stop together with it.
        command = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
        )
        cancelled = _Cancelled(command.pid)
        signal.signal(signal.SIGTERM, cancelled)
        code = _wait(command, cancelled)
    write_json(folder / ENDED, {"code": code, "ended": time.time(), "cancelled": cancelled.at is not None})


def note_process(folder: Path, number: int) -> None:
    """Write process.json."""
    write_json(folder / PROCESS, {"number": number, "began": psutil.Process(number).create_time()})


class _Cancelled:
    """Passes a wish to stop on to a process group, and remembers when."""

    def __init__(self, group: int) -> None:
        self.group = group
        self.at: float | None = None

    def __call__(self, *_: Any) -> None:
        self.at = self.at or time.monotonic()
        self.send(signal.SIGINT)

    def send(self, what: signal.Signals) -> None:
        """Send a signal to the whole group, as far as it is there."""
        with suppress(ProcessLookupError):
            os.killpg(self.group, what)


def _wait(command: subprocess.Popen[bytes], cancelled: _Cancelled) -> int:
    while True:
        try:
            return command.wait(timeout=1)
        except subprocess.TimeoutExpired:
            if cancelled.at is not None and time.monotonic() - cancelled.at > GRACE_SECONDS:
                cancelled.send(signal.SIGKILL)


class JobRecord(TypedDict):
    """What job.json says."""

    version: int
    title: str
    kind: str
    command: list[str]
    created: float
    about: dict[str, Any]


class JobProcess(TypedDict):
    """What process.json says: its number, and when it began, which tells it from a later one of the same number."""

    number: int
    began: float


class JobEnd(TypedDict):
    """What ended.json says."""

    code: int
    ended: float
    cancelled: bool


if __name__ == "__main__":
    main()
