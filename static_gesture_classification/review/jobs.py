"""Jobs: commands that take long, each in a process that outlives a reload of the page and a restart of the server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psutil

from static_gesture_classification.atomic_files import explain_write_errors, write_json
from static_gesture_classification.code_identity import PACKAGE
from static_gesture_classification.commands import commands
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.progress_file import read_progress
from static_gesture_classification.review.job_process import (
    ENDED,
    JOB,
    LOG,
    PROCESS,
    PROGRESS,
    VERSION,
    JobEnd,
    JobProcess,
    JobRecord,
    note_process,
)
from static_gesture_classification.review.job_progress import JobProgress

JobStatus = Literal["running", "finished", "failed", "cancelled", "killed"]
LONGEST_TAIL = 200_000  # bytes of a log that are shown
CLOCK_TOLERANCE = 2.0  # seconds between two readings of when a process began
TAIL_LINES = 15  # of a failed job's log
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True)
class Job:
    """A command that was started from the page.

    Args:
        folder: its files; the name is its id.
        record: what it runs.
        end: how it ended; None while it runs, or where its process was killed.
    """

    folder: Path
    record: JobRecord
    end: JobEnd | None

    @property
    def name(self) -> str:
        """The id."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What it does, in words."""
        return self.record["title"]

    @property
    def kind(self) -> str:
        """The command's name."""
        return self.record["kind"]

    @property
    def status(self) -> JobStatus:
        """Where it stands."""
        if self.end is None:
            return "running" if self.process is not None else "killed"
        if self.end["cancelled"]:
            return "cancelled"
        return "failed" if self.end["code"] else "finished"

    @property
    def process(self) -> int | None:
        """The number of the process around it, while it runs; 0 while it starts."""
        path = self.folder / PROCESS
        if self.end is not None:
            return None
        if not path.is_file():
            return 0 if time.time() - self.record["created"] < CLOCK_TOLERANCE else None
        process = read_json(path, JobProcess, "start the job again")
        return process["number"] if _is_alive(process) else None

    @property
    def stages(self) -> list[str]:
        """The stages that it goes through, as far as known."""
        return [str(name) for name in self.record["about"].get("stages", ())]

    @property
    def next_steps(self) -> list[tuple[str, str]]:
        """What may follow it: labels and addresses."""
        return [(str(label), str(address)) for label, address in self.record["about"].get("then", ())]

    def progress(self) -> JobProgress:
        """How far it is."""
        return JobProgress.of(read_progress(self.folder / PROGRESS), self.stages)

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.end["ended"] if self.end else time.time()) - self.record["created"]

    def log(self) -> str:
        """The end of what it said, without colours; a line that was overwritten appears as it stood last."""
        path = self.folder / LOG
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LONGEST_TAIL, 0))
            text = file.read().decode("utf-8", errors="replace")
        lines = _COLOURS.sub("", text).replace("\r\n", "\n").split("\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)

    def last_lines(self, count: int = TAIL_LINES) -> str:
        """The last lines of its log that say something."""
        return "\n".join([line for line in self.log().splitlines() if line.strip()][-count:])


class Jobs:
    """The jobs of a folder.

    Args:
        folder: each job has a folder in it; created with the first.
        given: overrides that the page itself was started with; its jobs get them too.
    """

    def __init__(self, folder: Path, given: Sequence[str] = ()) -> None:
        self.folder, self.given = folder, tuple(given)

    def start(self, title: str, kind: str, overrides: Sequence[str] = (), about: Mapping[str, Any] = {}) -> Job:
        """Start a command of `gestures`.

        Args:
            title: what it does, in words.
            kind: the command's name.
            overrides: of its settings, `key=value`.
            about: for the page that shows it.

        Raises:
            UserError: it is running already.
            OutputError: the folder cannot be written.
        """
        own = {override.partition("=")[0].lstrip("+~") for override in overrides}
        given = [override for override in self.given if override.partition("=")[0].lstrip("+~") not in own]
        command = [sys.executable, "-m", commands()[kind].module, *given, *overrides]
        return self._start_alone(title, kind, command, about)

    def _start_alone(self, title: str, kind: str, command: list[str], about: Mapping[str, Any]) -> Job:
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = ProcessLock(self.folder / ".starting")
        if not lock.acquire():
            raise UserError("another job is being started; try again")
        try:
            if any(job.kind == kind and job.status == "running" for job in self.all()):
                raise UserError(f"gestures {kind} is running already; wait for it to end, or cancel it")
            return self._start(title, kind, command, about)
        finally:
            lock.release()

    def _start(self, title: str, kind: str, command: list[str], about: Mapping[str, Any]) -> Job:
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{kind}-{uuid.uuid4().hex[:4]}"
        folder = self.folder / name
        folder.mkdir()
        record: JobRecord = {
            "version": VERSION,
            "title": title,
            "kind": kind,
            "command": command,
            "created": time.time(),
            "about": dict(about),
        }
        write_json(folder / JOB, record)
        process = subprocess.Popen(
            [sys.executable, "-m", f"{PACKAGE}.review.job_process", str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C of the server does not end it
        )
        note_process(folder, process.pid)
        return self.open(name)

    def all(self) -> list[Job]:
        """All jobs, newest first; those that cannot be read are left out."""
        jobs = []
        for path in sorted(self.folder.glob(f"*/{JOB}"), reverse=True):
            try:
                jobs.append(self.open(path.parent.name))
            except DataError:
                continue
        return jobs

    def running(self) -> list[Job]:
        """The jobs that run now."""
        return [job for job in self.all() if job.status == "running"]

    def latest(self, kind: str) -> Job | None:
        """The newest job of a command."""
        return next((job for job in self.all() if job.kind == kind), None)

    def open(self, name: str) -> Job:
        """A job by its id. Raises `DataError` where there is none, or its files are damaged."""
        known = {path.parent.name: path.parent for path in self.folder.glob(f"*/{JOB}")}
        if name not in known:  # a name from the browser is never a path
            raise DataError(f"there is no job {name}")
        folder = known[name]
        record = read_json(folder / JOB, JobRecord, "start the job again", ("version", VERSION))
        ended = folder / ENDED
        end = read_json(ended, JobEnd, "start the job again") if ended.is_file() else None
        return Job(folder, record, end)

    def repeat(self, name: str) -> Job:
        """Start a job again, as it was. Raises as `start`."""
        record = self.open(name).record
        return self._start_alone(record["title"], record["kind"], record["command"], record["about"])

    def cancel(self, name: str) -> None:
        """Ask a job to stop as Ctrl-C does; what it has done so far stays."""
        job = self.open(name)
        if number := job.process:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(number, signal.SIGTERM)


def _is_alive(noted: JobProcess) -> bool:
    try:
        process = psutil.Process(noted["number"])
        same = abs(process.create_time() - noted["began"]) < CLOCK_TOLERANCE
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
