"""Start: what there is, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from static_gesture_classification.review import frame
from static_gesture_classification.review.job_view import running_card
from static_gesture_classification.review.jobs import Job, Jobs
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.standing import ADDED, FULL, QUICK, Model, Standing, StepName, survey
from static_gesture_classification.review.starting import (
    DIGITS,
    HAND_FINDER,
    start_download,
    start_first_model,
)
from static_gesture_classification.terminal import in_number

SOURCES = {"synthetic": "drawn hands", "synthetic_landmarks": "posed hands (points without a picture)"}
MODELS = {FULL: "trained in full", QUICK: "trained quickly", ADDED: ADDED}
WHAT_F1_IS = " 1 is perfect; val are people whom it did not learn from."

Action = tuple[str, str | Callable[[Jobs], Job]]  # a label, and an address or what starts a job


@dataclass(frozen=True)
class Step:
    """A step of the path: what it is, how it stands, and what can be done; the first action is the usual one."""

    name: StepName
    title: str
    done: bool
    text: str
    actions: tuple[Action, ...]


async def build(review: Review) -> None:
    """Show the path, with the next step first to see."""
    standing, running = await frame.in_thread(_look, review)
    for job in running:
        running_card(job)
    if not standing.models:
        _welcome()
    if not standing.hand_finder:
        _hand_finder(review)
    with ui.element("ol").classes("w-full path").props('aria-label="The way to a better model"'):
        for number, step in enumerate(steps(standing), start=1):
            _show_step(number, step, standing.next == step.name, review)
    if standing.models:
        _own_gesture(standing)


def _look(review: Review) -> tuple[Standing, list[Job]]:
    return survey(review), review.jobs.running()


def steps(standing: Standing) -> list[Step]:
    """The path."""
    has_model = bool(standing.models)
    see: tuple[Action, ...] = (("See what is confused", "/confusions"),) if standing.has_predictions else ()
    record: tuple[Action, ...] = (("Record", "/record"), ("See the plan", "/plan")) if has_model else ()
    retrain: tuple[Action, ...] = (("Retrain", "/retrain"),) if has_model else ()
    live: tuple[Action, ...] = (("Try it live", "/live"),) if has_model else ()
    return [
        Step("data", "Data", bool(standing.samples), data_in_words(standing), data_actions(standing)),
        Step("model", "A first model", has_model, models_in_words(standing), model_actions(standing)),
        Step("errors", "See its errors", standing.has_predictions, errors_in_words(standing), see),
        Step("record", "Record what it gets wrong", bool(standing.sessions.count), recorded_in_words(standing), record),
        Step("retrain", "Retrain", has_model and not standing.waits_for_training, waiting_in_words(standing), retrain),
        Step("use", "Use it", has_model, "Your camera, a picture or a video; slides that turn at a gesture.", live),
    ]


def data_in_words(standing: Standing) -> str:
    """What data there is."""
    if not standing.samples:
        return "Nothing yet. Drawn hands come with the first model; photographs of real hands make it better."
    parts = ", ".join(f"{count:,} {SOURCES.get(name, f'of {name}')}" for name, count in standing.samples.items())
    return f"{in_number(sum(standing.samples.values()), 'sample')}: {parts}."


def data_actions(standing: Standing) -> tuple[Action, ...]:
    """What can be done for data."""
    if standing.digits:
        return () if standing.samples else (("Train on what is there", "/retrain"),)
    return (("Download the digits (28 MB)", lambda jobs: start_download(jobs, DIGITS)),)


def models_in_words(standing: Standing) -> str:
    """Which models there are."""
    if not standing.models:
        return "It learns from drawn hands in about a minute; nothing is downloaded."
    has_score = any(model.score is not None for model in standing.models)
    models = "; ".join(_model_in_words(model) for model in standing.models)
    return f"{models[:1].upper()}{models[1:]}.{WHAT_F1_IS if has_score else ''}"


def _model_in_words(model: Model) -> str:
    score = "" if model.score is None else f", weighted F1 {model.score:.3f} on val"
    return f"{MODELS[model.kind]}: {len(model.gestures)} gestures{score}"


def model_actions(standing: Standing) -> tuple[Action, ...]:
    """How a model is made."""
    if standing.models:
        return ()
    first: Action = ("Make a first model", start_first_model)
    return (first, ("Train in full", "/retrain")) if not standing.samples else (("Train a model", "/retrain"), first)


def errors_in_words(standing: Standing) -> str:
    """What the model gets wrong most often."""
    worst = standing.worst
    if not standing.has_predictions:
        return "Once there is a model, its errors are here, pair by pair."
    if worst is None:
        return "It makes no error on val. Record other people, rooms and lights to find some."
    return f"Most often, {worst.gesture} is taken for {worst.taken_for}: {worst.errors:,} of {worst.support:,}."


def recorded_in_words(standing: Standing) -> str:
    """What is recorded."""
    if not standing.sessions.count:
        return "Nothing yet. Your camera, a minute for each gesture; pictures stay on this machine."
    pictures = sum(standing.sessions.pictures.values())
    return f"{in_number(standing.sessions.count, 'session')} with {in_number(pictures, 'picture')}."


def waiting_in_words(standing: Standing) -> str:
    """Whether something waits to be learned."""
    if not standing.models:
        return "What you record is learned within a minute; before and after are compared."
    if standing.waits_for_training:
        return "Something was recorded since the model was made: let it learn that, and see whether it gets better."
    return "The model has learned all that is recorded."


def _welcome() -> None:
    with ui.card().classes("w-full").props("flat bordered"):
        ui.label("From nothing to your own gesture in five minutes").classes("text-h5").props(
            'role="heading" aria-level="2"'
        )
        ui.label(
            "First, a model learns the gestures from drawn hands. Then you show your camera a gesture of your own, the "
            "model learns it in seconds, and recognises it live. What is next is marked below."
        )


def _hand_finder(review: Review) -> None:
    place = review.settings.hand_finder
    with ui.card().classes("w-full").props('flat bordered role="note"'):
        with ui.row().classes("items-center no-wrap"):
            ui.icon("back_hand", size="1.6rem", color="primary").props("aria-hidden=true")
            ui.label("To see hands in pictures, a file is missing: MediaPipe's hand finder, 8 MB.").classes("text-h6")
        ui.label(f"The page fetches it once. Without a network, put hand_landmarker.task at {place}.")
        with ui.row():
            _action(("Download the hand finder", lambda jobs: start_download(jobs, HAND_FINDER)), True, review)


def _own_gesture(standing: Standing) -> None:
    with ui.card().classes("w-full").props("flat bordered"):
        with ui.row().classes("items-center no-wrap"):
            ui.icon("waving_hand", size="1.6rem", color="primary").props("aria-hidden=true")
            frame.heading("A gesture of your own")
        waiting = ", ".join(standing.unlearned)
        ui.label(
            f"Recorded, and known to no model: {waiting}."
            if waiting
            else "Show it five times; the newest landmark model learns it in seconds, and you try it live."
        )
        with ui.row():
            ui.button("Add a gesture", icon="add", on_click=lambda: ui.navigate.to("/add")).props("no-caps outline")


def _show_step(number: int, step: Step, is_next: bool, review: Review) -> None:
    icon, colour = ("check_circle", "positive") if step.done else ("radio_button_unchecked", "grey-7")
    state = "done" if step.done else "to do"
    if is_next:
        icon, colour, state = "arrow_circle_right", "primary", "next"
    with ui.element("li").classes("step next" if is_next else "step"):
        ui.icon(icon, color=colour, size="2rem").props(f'role="img" aria-label="{state}"')
        with ui.column().classes("gap-0 grow"):
            ui.label(f"{number}. {step.title}").classes("text-subtitle1 text-bold")
            ui.label(step.text)
        with ui.row().classes("gap-2"):
            for place, action in enumerate(step.actions):
                _action(action, is_next and place == 0, review)


def _action(action: Action, is_next: bool, review: Review) -> None:
    label, what = action

    async def do(_: Any) -> None:
        if isinstance(what, str):
            ui.navigate.to(what)
            return
        job = await frame.attempt(frame.in_thread, what, review.jobs)
        if job is not None:
            ui.navigate.to(f"/jobs/{job.name}")

    ui.button(label, on_click=do).props("no-caps" if is_next else "no-caps outline")
