"""Making, reading about and downloading a checkpoint's ONNX file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from nicegui import ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.review import exports, frame
from static_gesture_classification.review.exports import Exports

SECONDS = 1.0  # between two looks at a job
MARKDOWN = ["fenced-code-blocks", "tables", "code-friendly"]  # names such as THUMBS_UP stay as they are
STYLE = """
<style>
  .model-card h1 { font-size: 1.5rem; } .model-card h2 { font-size: 1.25rem; } .model-card h3 { font-size: 1.1rem; }
  .model-card h1, .model-card h2, .model-card h3 { font-weight: 500; line-height: 1.3; margin: .8em 0 .3em; }
  .model-card td, .model-card th { padding: 3px 10px 3px 0; vertical-align: top; }
</style>
"""
TAIL = 12  # lines of a failed job's log


async def open_dialog(made: Exports, title: str, checkpoint: Path) -> None:
    """The dialog about a checkpoint's file; `title` says to people which checkpoint it is."""
    with ui.dialog().props('aria-label="ONNX file and model card"') as dialog:
        card = ui.card().classes("w-full").style("max-width: 900px")
    dialog.open()
    with card:
        await frame.attempt(_fill, made, title, checkpoint)
        ui.button("Close", on_click=dialog.close, color=None).props("flat no-caps").classes("self-end")


async def _fill(made: Exports, title: str, checkpoint: Path) -> None:
    name = await frame.in_thread(made.name_of, title, checkpoint)
    await OnnxPanel(made, name, checkpoint).show()


class OnnxPanel:
    """Make, download, read: follows the job that makes the file."""

    def __init__(self, made: Exports, name: str, checkpoint: Path) -> None:
        self.exports, self.name, self.checkpoint = made, name, checkpoint
        frame.heading(name).style("overflow-wrap: anywhere")
        self.place = ui.column().classes("w-full")
        self.timer = ui.timer(SECONDS, self.look, active=False)

    async def show(self) -> None:
        """Show how far it is."""
        job = await frame.in_thread(self.exports.job, self.name)
        text = await frame.in_thread(self.exports.card, self.name)
        running = job is not None and job.status == "running"
        self.timer.active = running
        self.place.clear()
        with self.place:
            if running:
                with ui.row().classes("items-center no-wrap").props('role="status"'):
                    ui.spinner()
                    ui.label("It is made and measured; that takes a minute or more. You may leave this page.")
            elif text is not None:
                address = f"{exports.ADDRESS}/{quote(self.name)}"
                ui.button("Download", icon="download", on_click=lambda: ui.download(address)).props("no-caps")
                ui.markdown(text, extras=MARKDOWN).classes("w-full overflow-x-auto model-card")
            else:
                self.show_start(None if job is None else job.log() if job.status != "finished" else None)

    def show_start(self, log: str | None) -> None:
        """Offer to make it; after a failure, with the last lines of what it said."""
        if log is not None:
            lines = [line for line in log.splitlines() if line.strip()][-TAIL:]
            frame.problem("\n".join(lines) or "It ended without a word.", "Making it did not work; its last lines")
        ui.label(
            "An ONNX file runs in other programs without this one. Making it also writes the model card: what it was "
            "trained on, how good it is, and for whom."
        ).classes("max-w-prose")
        ui.button("Make it", icon="build", on_click=self.start).props("no-caps")

    async def start(self) -> None:
        """Begin."""
        try:
            await frame.in_thread(self.exports.start, self.name, self.checkpoint)
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True, close_button="OK")
        await self.show()

    async def look(self) -> None:
        """Follow the job."""
        job = await frame.in_thread(self.exports.job, self.name)
        if job is None or job.status != "running":
            await self.show()
