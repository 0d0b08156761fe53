"""Recording with the browser's camera."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from static_gesture_classification.active_learning.planning.plan_file import read_plan
from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.review import frame
from static_gesture_classification.review.camera.elements import RecorderView
from static_gesture_classification.review.camera.recording import BACKGROUND, FREE, PLAN
from static_gesture_classification.review.camera.sockets import RECORD
from static_gesture_classification.review.review import Review

ANY = "Anything: perform, then name it"
NOTHING = "No gesture: find false alarms (two minutes)"
AS_PLANNED = "What the plan asks for"


async def build(review: Review) -> None:
    """Choose what to record, then record it."""
    settings = RecordingSettings.from_config(review.config)
    asked, mistaken_for = frame.query("gesture"), frame.query("mistaken_for")
    choices = await frame.in_thread(_choices, settings)
    chosen = _Choice(asked or next(iter(choices)), mistaken_for if asked else "")
    if asked and asked not in review.vocabulary:
        frame.problem(f"there is no gesture {asked!r}; choose one of the list", "This cannot be recorded")
        chosen = _Choice(next(iter(choices)), "")
    view = RecorderView(RECORD, settings.camera.size, settings.camera.rate, settings.mirror)
    with view:
        _start(view, choices, chosen)
    outcome = ui.column().classes("w-full")
    view.on("over", lambda event: _show_outcome(outcome, event.args))


class _Choice:
    """What is chosen: a gesture, or "plan", "free" or "background"."""

    def __init__(self, what: str, mistaken_for: str) -> None:
        self.what, self.mistaken_for = what, mistaken_for

    @property
    def query(self) -> str:
        if self.what in (PLAN, FREE, BACKGROUND):
            return "?" + urlencode({"what": self.what})
        return "?" + urlencode({"gesture": self.what, "mistaken_for": self.mistaken_for})


def _choices(settings: RecordingSettings) -> dict[str, str]:
    planned = {}
    with suppress(UserError):  # there is none, or it is damaged
        planned = {PLAN: AS_PLANNED} if read_plan(settings.plan, settings.vocabulary).recordings else {}
    nothing = {BACKGROUND: NOTHING} if settings.vocabulary.background else {}
    return {**planned, FREE: ANY, **{name: name for name in settings.vocabulary}, **nothing}


def _start(view: RecorderView, choices: dict[str, str], chosen: _Choice) -> None:
    ui.icon("videocam", size="3rem")
    pick = ui.select(choices, label="What to record").props(
        'dark outlined dense options-dense aria-label="What to record"'
    )
    pick.classes("w-72").bind_value(chosen, "what")
    if chosen.mistaken_for:
        about = ui.label(f"which the model takes for {chosen.mistaken_for}")
        about.bind_visibility_from(pick, "value", value=chosen.what)
    start = ui.button("Start the camera", icon="play_arrow", on_click=lambda: view.start(chosen.query))
    start.props("no-caps size=lg")
    ui.label("Pictures go to this computer alone. Only the hand and a little around it is kept.").classes(
        "text-caption"
    )


def _show_outcome(outcome: ui.column, last: dict[str, Any]) -> None:
    outcome.clear()
    with outcome:
        if last.get("screen") == "problem":
            frame.problem(str(last.get("text", "")), "Nothing is recorded now")
        elif last.get("lost"):
            frame.problem(
                "The server no longer answers. What was kept is saved; start it again with gestures app.",
                "The recording ended",
            )
        else:
            _show_recorded(last)
        ui.button("Record again", icon="replay", on_click=lambda: ui.navigate.reload()).props("no-caps outline")


def _show_recorded(last: dict[str, Any]) -> None:
    sets = [each for each in last.get("sets", []) if isinstance(each, dict)]
    for problem in last.get("problems", []):
        frame.problem(str(problem), "Not everything is saved where it belongs")
    if last.get("alarms"):
        ui.label(f"False alarms: {last['alarms']}").classes("text-h6")
    total = sum(int(each.get("pictures", 0)) for each in sets)
    ui.label(f"{total} pictures are saved" if total else "Nothing was recorded").classes("text-h6")
    if not sets:
        return
    columns = [
        {"name": name, "label": label, "field": name, "align": "left"}
        for name, label in (
            ("gesture", "Gesture"),
            ("pictures", "Pictures"),
            ("goes_to", "Goes to"),
            ("session", "Session"),
        )
    ]
    ui.table(rows=sets, columns=columns, row_key="session").classes("w-full")
    ui.label("Train on them to see whether they help; it takes about a minute.")
    ui.button("Retrain", icon="model_training", on_click=lambda: ui.navigate.to("/retrain")).props("no-caps")
