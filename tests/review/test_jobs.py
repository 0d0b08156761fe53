"""Jobs: their progress, their ends, and what they survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.review import jobs as jobs_module
from static_gesture_classification.review.job_process import JOB, PROCESS
from static_gesture_classification.review.jobs import Job, Jobs
from tests.support.waiting import until

STAGES = {"stages": ["count", "end"]}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs whose only command counts; those that a test leaves are ended."""

    class Counting:
        module = "tests.support.counting_job"

    monkeypatch.setattr(jobs_module, "commands", lambda: {"count": Counting, "count again": Counting})
    made = Jobs(tmp_path / "jobs", ["given=1"])
    yield made
    for job in made.running():
        made.cancel(job.name)
        until(lambda job=job: made.open(job.name).status != "running")


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.open(job.name).status != "running")
    return jobs.open(job.name)


def waiting(jobs: Jobs) -> Job:
    """A job that waits."""
    job = jobs.start("Wait", "count", ["wait"], STAGES)
    until(lambda: "it waits" in jobs.open(job.name).log())
    return jobs.open(job.name)


def test_a_job_says_how_far_it_is_and_what_it_said(jobs: Jobs) -> None:
    job = ended(jobs, jobs.start("Count", "count", (), STAGES))
    assert (job.status, job.title) == ("finished", "Count")
    assert "counting: 5 numbers" in job.log()
    progress = job.progress()
    assert (progress.stage, progress.number, progress.stages) == ("end", 2, 2)


def test_a_job_gets_what_the_page_was_started_with_unless_it_says_otherwise(jobs: Jobs) -> None:
    plain = ended(jobs, jobs.start("Count", "count", ["model=a"]))
    other = ended(jobs, jobs.start("Count", "count", ["given=2"]))
    assert plain.record["command"][-2:] == ["given=1", "model=a"]
    assert other.record["command"][-1] == "given=2"
    assert "given=1" not in other.record["command"]


def test_a_failed_job_keeps_its_last_lines(jobs: Jobs) -> None:
    job = ended(jobs, jobs.start("Count", "count", ["fail"]))
    assert job.status == "failed"
    assert job.last_lines().endswith("error: the number is odd; take an even one")


def test_a_cancelled_job_stops_as_by_ctrl_c_and_can_be_repeated(jobs: Jobs) -> None:
    job = waiting(jobs)
    with pytest.raises(UserError, match="running already"):
        jobs.start("Count", "count")
    jobs.cancel(job.name)
    stopped = ended(jobs, job)
    assert stopped.status == "cancelled"
    assert "stopped whole" in stopped.log()
    again = jobs.repeat(job.name)
    assert again.name != job.name
    assert again.record["command"] == job.record["command"]


def test_a_job_survives_the_death_of_its_server(jobs: Jobs, project: Path) -> None:
    """The server is killed the moment it has started a job; another server finds the job at work."""
    start = (
        "import os, signal, sys; from pathlib import Path; from static_gesture_classification.review import jobs as m\n"
        "m.commands = lambda: {'count': type('Counting', (), {'module': 'tests.support.counting_job'})}\n"
        "m.note_process = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"m.Jobs(Path({str(jobs.folder)!r})).start('Wait', 'count', ['wait'])\n"
    )
    killed = subprocess.run([sys.executable, "-c", start], env={**os.environ, "PYTHONPATH": str(project)})
    assert killed.returncode == -signal.SIGKILL
    until(lambda: any((folder / PROCESS).is_file() for folder in jobs.folder.glob("*-count-*")))
    (job,) = jobs.all()
    assert job.status == "running"
    until(lambda: "it waits" in jobs.open(job.name).log())
    jobs.cancel(job.name)
    assert ended(jobs, job).status == "cancelled"


def test_a_job_whose_process_is_gone_is_said_to_be_so(jobs: Jobs) -> None:
    job = waiting(jobs)
    number = json.loads((job.folder / PROCESS).read_text())["number"]
    children = psutil.Process(number).children(recursive=True)
    os.kill(number, signal.SIGKILL)
    for child in children:
        child.kill()
    until(lambda: jobs.open(job.name).status == "killed")


def test_a_name_from_the_browser_is_no_path(jobs: Jobs, tmp_path: Path) -> None:
    job = ended(jobs, jobs.start("Count", "count"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / JOB).write_bytes((job.folder / JOB).read_bytes())
    for name in ("../outside", str(outside), ".", "", "*", "\0"):
        with pytest.raises(DataError, match="there is no job"):
            jobs.open(name)
