"""What was decided on the page: who, when, what; each can be taken back. And what was kept for later."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.review import frame, thumbnails
from static_gesture_classification.review.decisions import Decisions
from static_gesture_classification.review.finding import known_samples
from static_gesture_classification.review.journal import Entry, History
from static_gesture_classification.review.predictions_choice import choices, read_predicted
from static_gesture_classification.review.review import Review

PAGE = 50  # entries at a time


async def build(review: Review) -> None:
    """Show what was kept for later, and all entries, newest first."""
    decisions = review.decisions()
    await frame.in_thread(_know_pictures, review)
    page = HistoryPage(decisions)
    page.show()


def _know_pictures(review: Review) -> None:
    """Make the pictures of samples that may be in the history known."""
    for choice in choices(review):
        try:
            read_predicted(review, choice)
        except UserError:  # the page Confusions says what is wrong with it
            continue
    for workspace in (review.quick, review.workspace):
        known_samples(review, workspace)


class HistoryPage:
    """The page in one tab."""

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.shown = PAGE

    def show(self) -> None:
        """Build the content."""
        self.content = ui.column().classes("w-full gap-4")
        self._draw()

    def _draw(self) -> None:
        history = self.decisions.history()
        self.content.clear()
        with self.content:
            if history.unreadable:
                lines = ", ".join(map(str, history.unreadable[:10]))
                frame.problem(
                    f"{self.decisions.settings.journal}: lines {lines} cannot be read and are left out; the others "
                    "are whole",
                    "A part of the history is damaged",
                )
            if not history.entries:
                text = "Look at what the model confuses and decide; each decision appears here and can be taken back."
                frame.empty("history", "Nothing was decided yet", text, [("Confusions", "/confusions")])
                return
            self._later(history)
            self._entries(history)

    def _later(self, history: History) -> None:
        later = [entry for entry in history.standing if entry.action == "later"]
        if later:
            frame.heading(f"Kept for later: {len(later):,}")
            with ui.row().classes("gap-2"):
                for entry in later:
                    self._picture(entry)

    def _picture(self, entry: Entry) -> None:
        with ui.link(target=f"/samples/{entry.sample}").classes("plain-link").props(f'aria-label="{entry.in_words}"'):
            ui.html(_img(entry.sample, 104), sanitize=False)
            ui.label(entry.label).classes("text-caption")

    def _entries(self, history: History) -> None:
        undone, newest = history.undone, history.entries[::-1]
        frame.heading(f"All decisions: {len(newest):,}")
        with ui.list().props("separator").classes("w-full"):
            for entry in newest[: self.shown]:
                self._entry(entry, history, entry.id in undone)
        if len(newest) > self.shown:
            ui.button("Show more", color=None, on_click=self._more).props("outline no-caps")

    def _entry(self, entry: Entry, history: History, is_undone: bool) -> None:
        words = entry.in_words if entry.action != "undo" else f"taken back: {history.find(entry.undoes).in_words}"
        with ui.item():
            with ui.item_section().props("avatar"):
                if entry.action == "promote":
                    ui.icon("workspace_premium", size="48px").props("aria-hidden=true")
                else:
                    with ui.link(target=f"/samples/{entry.sample}"):
                        ui.html(_img(entry.sample, 48, words), sanitize=False)
            with ui.item_section():
                ui.item_label(words).style("text-decoration: line-through" if is_undone else "")
                about = f", sample {entry.sample[:10]}" if entry.sample else ""
                ui.item_label(f"{entry.who}, {_when(entry.time)}{about}").props("caption")
            with ui.item_section().props("side"):
                if is_undone:
                    ui.label("taken back").classes("text-caption")
                elif entry.action == "promote":
                    ui.link("Checkpoints", "/checkpoints").classes("plain-link")
                elif entry.action != "undo":
                    frame.button("undo", f"Take back: {words}", lambda _, name=entry.id: self._undo(name))

    def _more(self) -> None:
        self.shown += PAGE
        self._draw()

    def _undo(self, name: str) -> None:
        try:
            self.decisions.undo(name)
        except UserError as error:
            ui.notify(str(error), type="warning", multi_line=True)
        else:
            ui.notify("Taken back.", type="info")
        self._draw()


def _img(sample: str, side: int, alt: str = "") -> str:
    address = thumbnails.address_of(sample)
    style = "object-fit: cover; border-radius: 4px; background: rgba(128,128,128,0.2)"
    return f'<img src="{address}" alt="{alt}" width="{side}" height="{side}" style="{style}" loading="lazy">'


def _when(time: str) -> str:
    return datetime.fromisoformat(time).strftime("%d %B %Y, %H:%M")
