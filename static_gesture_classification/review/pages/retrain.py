"""Retrain: choose, start, see what it came to, and promote."""

from __future__ import annotations

from nicegui import ui

from static_gesture_classification.active_learning.retraining.choices import METHODS
from static_gesture_classification.active_learning.retraining.settings import BY_LANDMARKS
from static_gesture_classification.review import frame, outcome_view
from static_gesture_classification.review.job_view import job_table, running_card
from static_gesture_classification.review.jobs import Job
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.starting import (
    USUAL,
    experiments,
    models,
    start_full,
    start_quick,
    usual_experiment,
)

SHOWN_JOBS = 8


async def build(review: Review) -> None:
    """Show the two ways to train, what the last one came to, and all jobs."""
    jobs = await frame.in_thread(review.jobs.all)
    usual = await frame.in_thread(usual_experiment, review)
    for job in jobs:
        if job.status == "running":
            running_card(job)
    with ui.element("div").classes("w-full grid grid-cols-1 md:grid-cols-2 gap-4"):
        _quick(review, jobs, usual)
        _full(review)
    await outcome_view.show_last(review)
    if jobs:
        frame.heading("What was started here")
        job_table(jobs[:SHOWN_JOBS])


def _quick(review: Review, jobs: list[Job], usual: str) -> None:
    before = next((job.record["about"] for job in jobs if job.kind == "retrain"), {})
    known = {USUAL: "Your data, as configured"} | {
        name: f"{name}: {each.about}" if each.about else name for name, each in experiments().items()
    }
    last = before.get("experiment", usual)
    with _way("bolt", "Quick", "It learns from the hand's 21 points, in about a minute. The full model stays."):
        what = ui.select(known, value=last if last in known else USUAL, label="What it learns from").classes("w-full")
        method = before.get("method", BY_LANDMARKS)
        how = ui.select(METHODS, value=method if method in METHODS else BY_LANDMARKS, label="How it learns")
        how.classes("w-full")

        async def start() -> None:
            await _start(start_quick, review, str(what.value or USUAL), str(how.value))

        ui.button("Retrain quickly", icon="bolt", on_click=start).props("no-caps")


def _full(review: Review) -> None:
    known = {USUAL: "The configured model"} | {name: name for name in models()}
    text = "The whole pipeline, as make repro runs it: minutes to hours. Stages that have nothing new are skipped."
    with _way("factory", "Full", text):
        which = ui.select(known, value=USUAL, label="Model").classes("w-full")

        async def start() -> None:
            await _start(start_full, review, str(which.value or USUAL))

        ui.space()
        ui.button("Train in full", icon="factory", on_click=start).props("no-caps outline")


def _way(icon: str, title: str, text: str) -> ui.card:
    card = ui.card().classes("w-full").props("flat bordered")
    with card:
        with ui.row().classes("items-center"):
            ui.icon(icon, size="1.6rem").props("aria-hidden=true")
            frame.heading(title)
        ui.label(text)
    return card


async def _start(start: object, review: Review, *choice: str) -> None:
    job = await frame.attempt(frame.in_thread, start, review.jobs, *choice)
    if job is not None:
        ui.navigate.to(f"/jobs/{job.name}")
