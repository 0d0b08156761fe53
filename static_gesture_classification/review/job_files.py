"""The files of a job.

<folder>/jobs/<id>/
  job.json     what it runs, when it began, and the process that runs it
  log.txt      all that it said
  ended.json   its exit code, and whether it was cancelled; absent while it runs, or where its process was killed
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

JOB, LOG, ENDED = "job.json", "log.txt", "ended.json"
VERSION = 1


class JobRecord(TypedDict):
    """What job.json says. `process` and `process_began` tell a process from a later one of the same number."""

    version: int
    title: str
    kind: str
    command: list[str]
    created: float
    about: dict[str, Any]
    process: int
    process_began: float


class JobEnd(TypedDict):
    """What ended.json says."""

    code: int
    ended: float
    cancelled: bool
