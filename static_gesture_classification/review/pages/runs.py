"""All training runs: find one, see one move, choose several to compare."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from nicegui import ui

from static_gesture_classification.review import frame, known_runs
from static_gesture_classification.review.pages import chosen_runs
from static_gesture_classification.review.review import Review
from static_gesture_classification.terminal import in_number

SECONDS = 2.0  # between two looks at the run folders, while something runs
IDLE_SECONDS = 10.0  # while nothing does: a terminal may start a training
PER_PAGE = 25
TRAINING = {"train", "retrain", "loop", "repro", "record"}  # commands that begin runs
NUMBER = {"align": "right", "sortable": True}
TEXT = {"align": "left", "sortable": True}
SCORE = {":format": "v => v?.toFixed(4) ?? '-'", **NUMBER}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "run", "label": "Run", "field": "run", **TEXT},
    {"name": "created", "label": "Created", "field": "created", **TEXT},
    {"name": "status", "label": "Status", "field": "status", **TEXT},
    {"name": "score", "label": "Max weighted F1", "field": "score", **SCORE},
    {"name": "best", "label": "Best epoch", "field": "best", ":format": "v => v ?? '-'", **NUMBER},
    {"name": "epochs", "label": "Epochs", "field": "epochs", **NUMBER},
    {"name": "model", "label": "Model", "field": "model", **TEXT},
    {"name": "tags", "label": "Tags", "field": "tags", **TEXT},
    {"name": "data", "label": "Data version", "field": "data", **TEXT},
    {"name": "seconds", "label": "Running time", "field": "seconds", ":format": "(v, row) => row.time", **NUMBER},
    {"name": "owner", "label": "Owner", "field": "owner", **TEXT},
)
# Names are sorted by a button, so that the keyboard can; Quasar's own header is for the mouse alone.
HEADER = """
<q-th :props="props"><button type="button" class="sort" @keydown.enter.stop.prevent="props.sort(props.col)"
  @keydown.space.stop.prevent="props.sort(props.col)">{{ props.col.label }}</button></q-th>
"""
LOOK = 'flat bordered dense binary-state-sort :grid="Quasar.Screen.lt.sm"'
CHECK_ALL = '<q-checkbox v-model="props.selected" aria-label="Choose all runs that are shown" />'
CHECK = """<q-checkbox v-model="props.selected" :aria-label="'Choose ' + props.row.run" />"""
RUN = '<q-td :props="props"><a :href="props.row.address">{{ props.value }}</a></q-td>'
CREATED = """
<q-td :props="props"><span class="text-no-wrap">{{ props.value.slice(0, 10) }}</span>{{ props.value.slice(10) }}</q-td>
"""
STATUS = """
<q-td :props="props"><span class="text-no-wrap"><q-icon :name="props.row.icon" size="xs" class="q-mr-xs"
  :class="{ 'rotating': props.value === 'running' }" />{{ props.value }}</span></q-td>
"""
CARD = """
<div class="q-pa-xs col-12"><q-card flat bordered class="q-pa-sm">
  <div class="row items-center no-wrap">
    <q-checkbox v-model="props.selected" :aria-label="'Choose ' + props.row.run" />
    <a :href="props.row.address" class="text-weight-medium ellipsis">{{ props.row.run }}</a>
    <q-space /><span class="no-wrap"><q-icon :name="props.row.icon" size="xs" /> {{ props.row.status }}</span>
  </div>
  <div class="q-pl-sm">Max weighted F1 <b>{{ props.row.score?.toFixed(4) ?? '-' }}</b>, best epoch
    {{ props.row.best ?? '-' }} of {{ props.row.epochs }}</div>
  <div class="q-pl-sm text-caption">{{ props.row.created }}, {{ props.row.time }}, {{ props.row.owner }},
    {{ props.row.model }}, data {{ props.row.data || 'not known' }}</div>
  <div class="q-pl-sm text-caption">{{ props.row.tags }}</div>
</q-card></div>
"""
ICONS = {
    "running": "autorenew",
    "finished": "check_circle_outline",
    "interrupted": "pause_circle_outline",
    "failed": "error_outline",
}
STYLE = """
<style>
  .runs .sort { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 2px 0; }
  .runs .sort { cursor: pointer; white-space: normal; text-align: inherit; }
  .runs a { color: inherit; text-decoration: underline; text-decoration-color: rgba(128, 128, 128, .7); }
  .runs td { white-space: normal; }
  .runs th, .runs td { padding: 4px 8px !important; } .runs th .sort { max-width: calc(100% - 18px); }
  .runs td:nth-child(n+3) { font-variant-numeric: tabular-nums; }
  @media (prefers-reduced-motion: no-preference) { .rotating { animation: turn 2s linear infinite; } }
  @keyframes turn { to { transform: rotate(360deg); } }
</style>
"""


async def build(review: Review) -> None:
    """Show the table of runs, or the chosen ones beside each other."""
    request = ui.context.client.request
    chosen = request.query_params.getlist("chosen") if request else []
    if chosen:
        await chosen_runs.build(review, chosen)
        return
    runs = await frame.in_thread(known_runs.list_known, review)
    if runs.empty:
        frame.empty("insights", "No training yet", "Train a model, and its run appears here.", [("Train", "/retrain")])
        return
    ui.add_head_html(STYLE)
    RunsTable(review, runs)


class RunsTable:
    """The table, with search, tags, and the runs that are chosen."""

    def __init__(self, review: Review, runs: pd.DataFrame) -> None:
        self.review, self.rows = review, rows_of(runs)
        with ui.row().classes("w-full items-center gap-2"):
            self.search = ui.input("Search", on_change=self.show).props('outlined dense clearable type="search"')
            self.search.classes("grow").props('aria-label="Search in all columns (/)"')
            self.tags = ui.select(tags_of(self.rows), label="Tags", multiple=True, clearable=True, on_change=self.show)
            self.tags.props('outlined dense use-chips aria-label="Show runs with all of these tags"').classes(
                "min-w-40"
            )
            self.compare = ui.button("Compare", icon="compare_arrows", on_click=self.open_chosen).props("no-caps")
        self.said = ui.label().props('role="status"').classes("text-caption")
        self.table = self._table()
        self.table.on_select(self.show_chosen)
        ui.keyboard(self.press, ignore=["input", "select", "textarea"])
        self.timer = ui.timer(SECONDS, self.look)
        self.show()
        self.show_chosen()

    def _table(self) -> ui.table:
        pagination = {"rowsPerPage": PER_PAGE, "sortBy": "created", "descending": True}
        table = ui.table(
            rows=self.rows, columns=list(COLUMNS), row_key="name", selection="multiple", pagination=pagination
        )
        table.classes("w-full runs").props(LOOK)
        for name, slot in {
            "header-cell": HEADER,
            "header-selection": CHECK_ALL,
            "body-selection": CHECK,
            "body-cell-run": RUN,
            "body-cell-created": CREATED,
            "body-cell-status": STATUS,
            "item": CARD,
        }.items():
            table.add_slot(name, slot)
        return table

    def show(self) -> None:
        """Show the rows that have the tags; the table itself searches."""
        wanted = set(self.tags.value or ())
        self.table.rows = [row for row in self.rows if wanted <= set(row["tags"].split(", "))]
        self.table.filter = self.search.value or ""
        self.said.text = self._words()

    def _words(self) -> str:
        running = sum(row["status"] == "running" for row in self.rows)
        return in_number(len(self.rows), "run") + (f", {running} running" if running else "")

    def show_chosen(self) -> None:
        """Say how many are chosen."""
        count = len(self.table.selected)
        self.compare.text = f"Compare {count}" if count else "Compare"
        self.compare.set_enabled(count > 1)
        tip = "Compare the chosen runs (C)" if count > 1 else "Choose two or more runs to compare"
        self.compare.props(f'aria-label="{tip}" title="{tip}"')

    def open_chosen(self) -> None:
        """Show the chosen runs beside each other."""
        if len(self.table.selected) > 1:
            ui.navigate.to("/runs?" + urlencode([("chosen", row["name"]) for row in self.table.selected]))

    def press(self, event: Any) -> None:
        """Keys of the page."""
        if not event.action.keydown or event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt:
            return
        if event.key == "/":
            self.search.run_method("focus")
        elif event.key == "c":
            self.open_chosen()

    async def look(self) -> None:
        """Follow what runs; while nothing does, look less often."""
        rows = rows_of(await frame.in_thread(known_runs.list_known, self.review))
        if rows != self.rows:
            self.rows = rows
            self.tags.options = tags_of(rows)
            self.tags.update()
            self.show()
        moves = any(row["status"] == "running" for row in rows) or await frame.in_thread(is_training, self.review)
        self.timer.interval = SECONDS if moves else IDLE_SECONDS


def is_training(review: Review) -> bool:
    """Whether a job runs that may begin a run."""
    return any(job.kind in TRAINING for job in review.jobs.running())


def rows_of(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the table."""
    return [row_of(row) for row in runs.to_dict("records")]


def row_of(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One row: values to sort by, and texts."""
    known = {name: None if pd.isna(value) else value for name, value in row.items()}
    seconds = round(known["running_time"] or 0)
    return {
        "name": row["name"],
        "run": row["name"],
        "address": known_runs.address_of(row["name"]),
        "created": f"{known['creation_time']:%Y-%m-%d %H:%M}" if known["creation_time"] else "",
        "status": row["status"],
        "icon": ICONS.get(row["status"], "help_outline"),
        "score": known["max_weighted_F1"],
        "best": known["best_epoch"],
        "epochs": known["epochs"] or 0,
        "model": known["model"] or "",
        "tags": known["tags"] or "",
        "data": known["data_version"] or "",
        "seconds": seconds,
        "time": str(timedelta(seconds=seconds)),
        "owner": known["owner"] or "",
    }


def tags_of(rows: list[dict[str, Any]]) -> list[str]:
    """All tags, in alphabetical order."""
    return sorted({tag for row in rows for tag in row["tags"].split(", ") if tag})
