"""A run: its dashboards under their names, live while it trains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui

from static_gesture_classification.file_state import file_state
from static_gesture_classification.review import frame, known_runs, matrix
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.pages import dashboards
from static_gesture_classification.review.pages.epoch_scores import EpochScores
from static_gesture_classification.review.pages.runs import ICONS
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.run_folder import Status

SECONDS = 2.0  # between two looks at the run folder, while it trains
LIVE = ("run.json", "status", "series/epochs.csv", "series/seconds.csv")  # files that change while a run trains

Dashboard = Callable[[KnownRun], Awaitable[None]]
DASHBOARDS: dict[str, Dashboard] = {
    "Configuration": dashboards.configuration,
    "Gestures distribution in data": dashboards.distribution,
    "Train progression": dashboards.train_progression,
    "Train Data Samples": dashboards.train_samples,
    "Val Data Samples": dashboards.val_samples,
    "Val Dataset Metrics": dashboards.val_curves,
    "Errors": dashboards.errors,
    "Monitoring": dashboards.monitoring,
    "Files": dashboards.files,
}
FIRST, VAL = "Train progression", "Val Dataset Metrics"
GROWING = {"Train progression", VAL, "Monitoring"}  # new content with each epoch


async def build(review: Review) -> None:
    """Show the run that the address names."""
    known = known_runs.find(frame.part("run"), review)
    await frame.in_thread(known.folder.record)  # a damaged one says so
    ui.add_head_html(matrix.STYLE + dashboards.STYLE)
    page = RunPage(review, known)
    await page.open(page.tabs.value)


class RunPage:
    """Heading, tabs, and the dashboard that is open."""

    def __init__(self, review: Review, known: KnownRun) -> None:
        self.review, self.known = review, known
        self.state = states(known)
        self.heading = ui.column().classes("w-full gap-1")
        self.show_heading()
        wanted = frame.query("tab", FIRST)
        with ui.tabs() as self.tabs:
            for name in DASHBOARDS:
                ui.tab(name)
        self.tabs.set_value(wanted if wanted in DASHBOARDS else FIRST)
        self.tabs.classes("w-full").props(
            'dense align=left no-caps outside-arrows mobile-arrows aria-label="Dashboards"'
        )
        self.tabs.on_value_change(lambda change: self.open(change.value))
        self.content = ui.column().classes("w-full gap-4").props('role="tabpanel"')
        self.scores: EpochScores | None = None
        self.timer = ui.timer(SECONDS, self.look)

    def show_heading(self) -> None:
        """Name, status, tags, times, best epoch; and where to go from here."""
        run = self.known.folder
        record, best, status = run.record(), run.best, run.status
        numbers = {
            "max weighted F1": f"{best[1]:.4f} (epoch {best[0]})" if best else "none yet",
            "epochs": str(run.scores()[0]),
            "running time": str(timedelta(seconds=round(run.running_time))),
            "created": f"{datetime.fromtimestamp(record['created']):%Y-%m-%d %H:%M}",
            "owner": record["owner"],
        }
        self.heading.clear()
        with self.heading:
            with ui.row().classes("w-full items-center gap-3"):
                frame.heading(self.known.name)
                show_status(status)
                ui.space()
                links(self.known.name)
            with ui.row().classes("gap-1"):
                for tag in [*run.tags, *(["quick loop"] if self.known.is_quick else [])]:
                    ui.badge(tag, color="grey-4", text_color="black")
            with ui.row().classes("gap-x-8 gap-y-1"):
                for name, value in numbers.items():
                    with ui.column().classes("gap-0"):
                        ui.label(value).classes("text-weight-medium")
                        ui.label(name).classes("text-caption")

    async def open(self, name: object) -> None:
        """Show a dashboard; the address says which, so that a reload shows it again."""
        self.content.clear()
        self.content.props(f'aria-label="{name}"')
        self.scores = None
        ui.navigate.history.replace(f"{self.known.address}?{urlencode({'tab': str(name)})}")
        with self.content:
            if name == VAL:
                self.scores = EpochScores(self.review, self.known)
                await frame.attempt(self.scores.build)
            self.growing = ui.column().classes("w-full gap-4")
            with self.growing:
                await frame.attempt(DASHBOARDS[str(name)], self.known)

    async def look(self) -> None:
        """Follow the run, if it trains."""
        now = await frame.in_thread(states, self.known)
        if now != self.state:
            self.state = now
            self.show_heading()
            if self.tabs.value in GROWING:
                self.growing.clear()
                with self.growing:
                    await frame.attempt(DASHBOARDS[str(self.tabs.value)], self.known)
            if self.scores is not None:
                await frame.attempt(self.scores.follow)
        if now[0] != "running":
            self.timer.cancel()


def states(known: KnownRun) -> tuple[Status, tuple[tuple[int, int], ...]]:
    """What changes while a run trains: its status, and the states of its files."""
    return known.folder.status, tuple(file_state(known.folder.path / name) for name in LIVE)


def show_status(status: str) -> None:
    """An icon and a word."""
    with ui.row().classes("items-center gap-1 no-wrap"):
        ui.icon(ICONS.get(status, "help_outline"), size="sm")
        ui.label(status)


def links(name: str) -> None:
    """Where one goes from a run."""
    places = {
        "All runs": "/runs",
        "Confusions": "/confusions?" + urlencode({"run": name}),
        "Checkpoints": "/checkpoints?" + urlencode({"run": name}),
    }
    for text, place in places.items():
        ui.link(text, place).classes("plain-link")
