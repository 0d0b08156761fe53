"""A job: how far it is, what it says, and what comes after it."""

from __future__ import annotations

from nicegui import ui

from static_gesture_classification.review import frame, outcome_view
from static_gesture_classification.review.job_view import JobView
from static_gesture_classification.review.jobs import Job
from static_gesture_classification.review.review import Review

QUICK = ("retrain", "first-model")


async def build(review: Review) -> None:
    """Show the job that the address names."""

    async def ended(job: Job) -> None:
        newest = await frame.in_thread(_newest, review, job.kind)
        if job.kind in QUICK and newest == job.name:
            await outcome_view.show_last(review)
        elif job.kind in QUICK:
            ui.label("A later training has taken its place; Retrain shows what that came to.")
        with ui.row():
            for label, address in job.next_steps:
                ui.button(label, on_click=lambda _, to=address: ui.navigate.to(to)).props("no-caps")

    await JobView(review.jobs, frame.part("job"), ended).build()


def _newest(review: Review, kind: str) -> str | None:
    jobs = [job for job in review.jobs.all() if job.kind in QUICK or job.kind == kind]
    return next((job.name for job in jobs if job.status == "finished"), None)
