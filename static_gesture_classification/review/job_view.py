"""A job on the page: how far it is, what it says, and what to do when it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from nicegui import ui

from static_gesture_classification.review import frame
from static_gesture_classification.review.job_progress import JobProgress
from static_gesture_classification.review.jobs import Job, Jobs, JobStatus

SECONDS = 0.7  # between two looks
SHOWN_LINES = 400  # of a log
STATES: dict[JobStatus, tuple[str, str, str]] = {  # icon, colour, word
    "running": ("hourglass_top", "info", "running"),
    "finished": ("check_circle", "positive", "finished"),
    "failed": ("error", "negative", "failed"),
    "cancelled": ("cancel", "grey", "cancelled"),
    "killed": ("power_off", "negative", "stopped from outside"),
}
KILLED = "Its process is gone: the machine was switched off, or somebody ended it. What it had finished is kept."


@dataclass(frozen=True)
class JobState:
    """What a look at a job has found; `usual` are the seconds that the same took last time, 0 if it never ran."""

    job: Job
    status: JobStatus
    progress: JobProgress
    log: str
    usual: float


def look(jobs: Jobs, name: str) -> JobState:
    """Look at a job."""
    job = jobs.open(name)
    status = job.status
    same = [one for one in jobs.all() if one.record["command"] == job.record["command"] and one.status == "finished"]
    usual = next((one.seconds for one in same if one.name != name), 0.0)
    log = "\n".join(job.log().splitlines()[-SHOWN_LINES:])
    return JobState(job, status, job.progress(), log, usual)


class JobView:
    """Shows a job as long as the page is open.

    Args:
        jobs: all.
        name: the job's id.
        ended: builds what follows once it has finished or failed.
    """

    def __init__(self, jobs: Jobs, name: str, ended: Callable[[Job], Awaitable[None] | None]) -> None:
        self.jobs, self.name, self.ended = jobs, name, ended
        self.status: JobStatus | None = None

    async def build(self) -> None:
        """Show it, and follow it while it runs."""
        self.place = ui.column().classes("w-full gap-4")
        self.following = ui.timer(SECONDS, self.follow, active=False)
        await self.follow()
        if self.status == "running":
            self.following.activate()

    async def follow(self) -> None:
        """Look again."""
        state = await frame.in_thread(look, self.jobs, self.name)
        if state.status != self.status:
            self.status = state.status
            self.place.clear()
            with self.place:
                await self._show(state)
        if state.status == "running":
            self._move(state)
        else:
            self.following.deactivate()

    async def _show(self, state: JobState) -> None:
        with ui.row().classes("items-center w-full"):
            badge(state.status)
            frame.heading(state.job.title)
            ui.space()
            self.clock = ui.label(f"began {moment(state.job.record['created'])}, took {in_words(state.job.seconds)}")
        if state.status == "running":
            self._show_progress(state)
        elif state.status in ("failed", "killed"):
            show_failure(state)
        elif state.status == "cancelled":
            ui.label("It was cancelled. What it had finished is kept; start it again to go on.")
        if state.status != "running":
            with ui.row():
                ui.button("Start it again", icon="replay", on_click=self._again).props("no-caps outline")
        if state.status in ("finished", "failed"):
            await frame.attempt(self.ended, state.job)
        self._show_log(state)

    def _show_progress(self, state: JobState) -> None:
        self.chips = []
        with ui.row().classes("gap-2").props('role="list" aria-label="Steps"'):
            for name in state.job.stages:
                chip = ui.chip(name, icon="radio_button_unchecked").props('outline role="listitem"')
                self.chips.append(chip)
        self.bar = ui.linear_progress(0, show_value=False, size="14px").props('rounded aria-label="Progress"')
        with ui.row().classes("items-center w-full"):
            self.words = ui.label("").props('role="status"')
            ui.space()
            ui.button("Cancel", icon="stop", on_click=self._cancel).props("no-caps outline color=negative")
        ui.label("You may close this page, or reload it: the work goes on.").classes("text-caption")

    def _show_log(self, state: JobState) -> None:
        with ui.expansion("What it said", icon="notes").classes("w-full"):
            self.log = ui.label(state.log or "nothing yet").classes("job-log").props('tabindex=0 aria-label="Log"')

    def _move(self, state: JobState) -> None:
        progress = state.progress
        for number, chip in enumerate(self.chips, start=1):
            done, here = number < progress.number, number == progress.number
            chip.props(f"icon={'check' if done else 'play_arrow' if here else 'radio_button_unchecked'}")
            chip.props(add="color=primary" if done or here else "", remove="" if done or here else "color")
        share = progress.share
        if share is None:
            self.bar.props(add="indeterminate")
        else:
            self.bar.props(remove="indeterminate").set_value(share)
        self.words.set_text(describe(progress))
        usual = f", {in_words(state.usual)} last time" if state.usual else ""
        self.clock.set_text(f"{in_words(state.job.seconds)} so far{usual}")
        self.log.set_text(state.log or "nothing yet")

    async def _cancel(self) -> None:
        await frame.in_thread(self.jobs.cancel, self.name)
        ui.notify("It is asked to stop; it leaves its work whole.")

    async def _again(self) -> None:
        job = await frame.attempt(frame.in_thread, self.jobs.repeat, self.name)
        if job is not None:
            ui.navigate.to(f"/jobs/{job.name}")


def describe(progress: JobProgress) -> str:
    """How far it is, in words."""
    if not progress.what:
        return progress.stage or "loading the program"
    words = [f"{progress.what}: {progress.done:,.0f}"]
    if progress.total:
        words[0] += f" of {progress.total:,.0f}"
    words[0] += f" {progress.unit}"
    if progress.speed:
        words.append(f"{progress.speed:,.1f} a second")
    if progress.seconds_left is not None and progress.done < progress.total:
        words.append(f"{in_words(progress.seconds_left)} left")
    return ", ".join(words)


def badge(status: JobStatus) -> None:
    """A job's status, as icon and word."""
    icon, colour, word = STATES[status]
    with ui.row().classes("items-center gap-1 no-wrap"):
        ui.icon(icon, color=colour, size="1.5rem").props("aria-hidden=true")
        ui.label(word)


def show_failure(state: JobState) -> None:
    """What went wrong: its own message, which says the way out, and its last lines."""
    lines = [line for line in state.log.splitlines() if line.startswith("error: ")]
    message = KILLED if state.status == "killed" else lines[-1].removeprefix("error: ") if lines else ""
    frame.problem(message or "Its last lines say what went wrong.", "It did not get to its end")
    if last := state.job.last_lines():
        ui.label("Its last lines").classes("text-subtitle2")
        ui.label(last).classes("job-log").props('tabindex=0 aria-label="Last lines"')


def running_card(job: Job) -> None:
    """A job that is at work, with a way to its page."""
    with ui.card().classes("w-full").props("flat bordered"), ui.row().classes("items-center w-full no-wrap"):
        ui.spinner(size="1.5rem")
        ui.label(f"{job.title}: {describe(job.progress())}").classes("ellipsis")
        ui.space()
        ui.button("See it", on_click=lambda: ui.navigate.to(f"/jobs/{job.name}")).props("no-caps flat")


def job_table(jobs: list[Job]) -> None:
    """Jobs, newest first, each a way to its page."""
    with ui.list().props("bordered separator role=none").classes("w-full rounded-borders"):
        for job in jobs:
            icon, colour, word = STATES[job.status]
            with ui.item().props(f'clickable tag=a role=link href="/jobs/{job.name}"'):
                with ui.item_section().props("avatar"):
                    ui.icon(icon, color=colour).props("aria-hidden=true")
                with ui.item_section():
                    ui.item_label(job.title)
                    when = moment(job.record["created"])
                    ui.item_label(f"{word}; began {when}, {in_words(job.seconds)}").props("caption")


def in_words(seconds: float) -> str:
    """A length of time.

    >>> in_words(8.4), in_words(75), in_words(7320)
    ('8 s', '1 min 15 s', '2 h 2 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(at: float) -> str:
    """When something was, in local time; `at` is in seconds since 1970."""
    when = datetime.fromtimestamp(at)
    return f"{when:%H:%M}" if when.date() == datetime.now().date() else f"{when:%Y-%m-%d %H:%M}"
