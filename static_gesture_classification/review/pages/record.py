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
from static_gesture_classification.review.gate import is_loopback
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sharing import WARNING, Sharing
from static_gesture_classification.terminal import in_number

ANY = "Anything: perform, then name it"
NOTHING = "No gesture: find false alarms (two minutes)"
AS_PLANNED = "What the plan asks for"
SHARE = "gestures app review.share_on_lan=true"
MASKED = "Of a phone's pictures all but the hand is blurred before it is saved (recording.mask)."
MOST_LINKS = 3
WHAT_IS_KEPT = "Pictures go to the computer that runs this page alone. Kept is the hand, with a little around it."


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
    request = ui.context.client.request
    if request is not None and is_loopback(request.scope.get("client")):
        _phone(review.sharing)


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
    ui.label(WHAT_IS_KEPT).classes("text-caption")


def _phone(sharing: Sharing | None) -> None:
    """How to record with a phone; shown on this machine alone, for the code holds the token."""
    with ui.expansion("Record with a phone", icon="smartphone").classes("w-full"):
        if sharing is None:
            ui.label("A phone in the same network can be the camera. Start the page again with:")
            ui.label(SHARE).classes("text-weight-medium").style("font-family: monospace")
            ui.label("The terminal and this place then show a code to scan.")
            return
        with ui.row().classes("items-start"):
            picture = ui.element("img").props(f'src="{sharing.as_picture()}" alt="QR code of the address for a phone"')
            picture.style("width: 240px; max-width: 100%")
            with ui.column().classes("max-w-prose"):
                ui.label("Scan this code with a phone in the same network, or open there:")
                for link in sharing.links[:MOST_LINKS]:
                    ui.label(link).style("font-family: monospace; overflow-wrap: anywhere")
                ui.label(WARNING)
                ui.label(MASKED)


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
    ui.label(f"{in_number(total, 'picture')} saved" if total else "Nothing was recorded").classes("text-h6")
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
