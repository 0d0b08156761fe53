"""The model live: before the camera, on pictures and videos; and what was caught in use."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from static_gesture_classification.active_learning.diagnosis.in_use import find_errors_in_use
from static_gesture_classification.errors import UserError
from static_gesture_classification.live.live import find_checkpoint
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.review import frame
from static_gesture_classification.review.camera.elements import LiveView, TryView
from static_gesture_classification.review.camera.sockets import LIVE, ON, TRY, WRONG
from static_gesture_classification.review.review import Review
from static_gesture_classification.terminal import in_number


async def build(review: Review) -> None:
    """Show the camera, a place for pictures, and what was caught."""
    settings = LiveSettings.from_config(review.config)
    try:
        await frame.in_thread(find_checkpoint, settings)
    except UserError:
        text = "Train a model first; then it names your gestures here."
        frame.empty("back_hand", "No model yet", text, [("Train a model", "/retrain"), ("Record a gesture", "/record")])
        return
    _Live(review, settings).show()


class _Live:
    def __init__(self, review: Review, settings: LiveSettings) -> None:
        self.review, self.settings = review, settings

    def show(self) -> None:
        """Build the page's parts."""
        self.camera = ui.column().classes("w-full")
        self._show_camera()
        frame.heading("Try a picture or a video")
        largest = self.review.settings.largest_upload
        tried = TryView(TRY, WRONG, self.settings.recording.vocabulary.names, largest)
        frame.heading("Caught in use")
        self.caught = ui.column().classes("w-full")
        tried.on("kept", self._show_caught)
        ui.timer(0.05, self._show_caught, once=True)

    def _show_camera(self) -> None:
        camera = self.settings.camera
        with self.camera:
            view = LiveView(LIVE, camera.size, camera.rate, self.settings.mirror)
            with view:
                ui.icon("back_hand", size="3rem")
                keep = ui.switch("Keep what was wrong", value=self.settings.catching.catch)
                start = ui.button("Start the camera", icon="play_arrow")
                start.on_click(lambda: view.start(f"?catch={ON}" if keep.value else "")).props("no-caps size=lg")
                about = ui.label().classes("text-caption")
                about.bind_text_from(keep, "value", lambda on: _what_is_kept(self.settings, on))
            view.on("over", lambda event: self._ended(event.args))

    async def _ended(self, last: dict[str, Any]) -> None:
        self.camera.clear()
        with self.camera:
            if last.get("screen") == "problem":
                frame.problem(str(last.get("text", "")), "The camera is off")
            elif last.get("lost"):
                frame.problem("The server no longer answers; start it again with gestures app.", "The camera is off")
            for problem in last.get("problems", []):
                frame.problem(str(problem), "Not everything is saved where it belongs")
        self._show_camera()
        await self._show_caught()

    async def _show_caught(self) -> None:
        errors = await frame.in_thread(find_errors_in_use, self.settings.root)
        self.caught.clear()
        with self.caught:
            if not errors:
                ui.label("Nothing yet. Switch on “Keep what was wrong”, and say so when the model errs (key W).")
                return
            rows = [
                {
                    "pair": f"{error.gesture} taken for {error.prediction}",
                    "times": error.sessions,
                    "pictures": error.pictures,
                    "people": error.subjects or "unknown",
                }
                for error in errors
            ]
            names = {"pair": "Error", "times": "Caught", "pictures": "Pictures", "people": "People"}
            columns = [
                {"name": name, "label": label, "field": name, "align": "left" if name == "pair" else "right"}
                for name, label in names.items()
            ]
            ui.table(rows=rows, columns=columns, row_key="pair").classes("w-full").props("flat bordered dense")
            ui.label("The plan asks for more of these, and a training learns from them.")
            with ui.row():
                ui.button("Retrain", icon="model_training", on_click=lambda: ui.navigate.to("/retrain")).props(
                    "no-caps"
                )
                ui.button("Plan", icon="checklist", on_click=lambda: ui.navigate.to("/plan")).props("no-caps outline")


def _what_is_kept(settings: LiveSettings, on: bool) -> str:
    if not on:
        return "Nothing is kept."
    seconds, most = settings.catching.catch_seconds, in_number(settings.catching.catch_count, "picture")
    doubts = " What contradicts itself is kept without a key." if settings.catching.catch_doubts else ""
    return f"W keeps up to {most} of the last {seconds:g} s: hands, not the room.{doubts}"
