"""A job: how far it is, what it says, and what comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nicegui import ui

from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.review import frame, outcome_view
from static_gesture_classification.review.job_view import JobView
from static_gesture_classification.review.jobs import Job
from static_gesture_classification.review.pages import full_outcome
from static_gesture_classification.review.pages.dashboards import STYLE
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.starting import start_adding

QUICK = ("retrain", "first-model")
FULL = ("repro",)
ADD = "add"


async def build(review: Review) -> None:
    """Show the job that the address names."""

    async def ended(job: Job) -> None:
        if job.kind in (*QUICK, *FULL):
            await _show_outcome(job, review)
        if job.kind == ADD:
            await _show_sheet(job, review)
        if job.status != "finished":
            return
        with ui.row():
            for label, address in job.next_steps:
                ui.button(label, on_click=lambda _, to=address: ui.navigate.to(to)).props("no-caps")

    ui.add_head_html(STYLE)
    await JobView(review.jobs, frame.part("job"), ended).build()


async def _show_outcome(job: Job, review: Review) -> None:
    if job.status != "finished":
        return
    kinds, show = (QUICK, outcome_view.show_last) if job.kind in QUICK else (FULL, full_outcome.show)
    if await frame.in_thread(_newest, review, kinds) == job.name:
        await show(review)
    else:
        ui.label("A later training has taken its place; Retrain shows what that came to.")


def _newest(review: Review, kinds: Sequence[str]) -> str | None:
    """The last training of these kinds that finished."""
    return next((job.name for job in review.jobs.all() if job.kind in kinds and job.status == "finished"), None)


async def _show_sheet(job: Job, review: Review) -> None:
    """The samples of an added gesture with the fitted hands, and where it was refused, the way to insist."""
    about = job.record["about"]
    gesture = str(about.get("gesture", ""))
    sheet = review.workspace.reports / "added" / f"{gesture}.png"
    if sheet.is_file() and sheet.stat().st_mtime >= job.record["created"]:
        try:
            image = await frame.in_thread(read_image, sheet)
        except UnreadableImageError:
            return
        from PIL import Image

        ui.label("Your pictures, the landmarks found in them, and the hand that was fitted to them:")
        ui.image(Image.fromarray(image)).classes("w-full max-w-3xl").props('alt="Samples and fitted hands"')
    if job.status != "failed":
        return

    async def insist() -> None:
        folder = about.get("pictures")
        arguments = (gesture, Path(folder) if folder else None, str(about.get("subject", "")), True)
        again = await frame.attempt(frame.in_thread, start_adding, review.jobs, *arguments)
        if again is not None:
            ui.navigate.to(f"/jobs/{again.name}")

    with ui.row():
        ui.button("Show it anew", on_click=lambda: ui.navigate.to("/add")).props("no-caps")
        ui.button("Add it all the same", on_click=insist).props("no-caps outline")
