"""The files of a job.

<folder>/jobs/<id>/
  job.json     what it runs, and when it began
  process.json the process around it, which writes it too: a server that was killed meanwhile finds the job again
  progress.json how far it is; see `progress_file`
  log.txt      all that it said
  ended.json   its exit code, and whether it was cancelled; absent while it runs, or where its process was killed
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

JOB, PROCESS, PROGRESS, LOG, ENDED = "job.json", "process.json", "progress.json", "log.txt", "ended.json"
VERSION = 1


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
