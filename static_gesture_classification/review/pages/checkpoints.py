"""Checkpoints: which are in use and how good they are; promote another, take that back, download one as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
from nicegui import ui
from rich.filesize import decimal

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.epochs import epoch_interval
from static_gesture_classification.evaluation.paired_comparison import ChangeSettings
from static_gesture_classification.evaluation.promote import PREVIOUS_BEST, best_record, take_back
from static_gesture_classification.review import exports, frame, known_runs
from static_gesture_classification.review.exports import Exports
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.pages import onnx_panel
from static_gesture_classification.review.pages.dashboards import STYLE
from static_gesture_classification.review.pages.epoch_scores import SCORES, scores_html
from static_gesture_classification.review.pages.promotion import Promotion, sentence
from static_gesture_classification.review.pages.runs import HEADER, LOOK, NUMBER, RUN, SCORE, TEXT
from static_gesture_classification.review.pages.runs import STYLE as TABLE_STYLE
from static_gesture_classification.review.review import Review
from static_gesture_classification.terminal import in_number
from static_gesture_classification.tracking.dashboards import fields_table
from static_gesture_classification.workspace import Workspace

PER_PAGE = 15
MOST_INTERVALS = 60  # rows, the newest ones
COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "run", "label": "Run", "field": "run", **TEXT},
    {"name": "epoch", "label": "Epoch", "field": "epoch", **NUMBER},
    {"name": "score", "label": "Weighted F1 on val", "field": "score", **SCORE},
    {"name": "interval", "label": "95 % interval", "field": "interval", "align": "left"},
    {"name": "used", "label": "In use", "field": "used", **TEXT},
    {"name": "written", "label": "Written", "field": "written", **TEXT},
    {"name": "bytes", "label": "Size", "field": "bytes", ":format": "(v, row) => row.size", **NUMBER},
    {"name": "actions", "label": "Actions", "field": "name", "align": "left"},
)
BUTTONS = """
<q-btn outline dense no-caps icon="upgrade" label="Promote" @click="$parent.$emit('promote', props.row.name)"
  padding="2px 10px"
  :aria-label="'Promote epoch ' + props.row.epoch + ' of ' + props.row.run" :disable="props.row.used !== ''" />
<q-btn outline dense no-caps icon="download" label="ONNX" @click="$parent.$emit('onnx', props.row.name)"
  padding="2px 10px" class="q-ml-xs"
  :aria-label="'ONNX file and model card of epoch ' + props.row.epoch + ' of ' + props.row.run" />
"""
ACTIONS = f'<q-td :props="props">{BUTTONS}</q-td>'
CARD = f"""
<div class="q-pa-xs col-12"><q-card flat bordered class="q-pa-sm">
  <div><a :href="props.row.address" class="text-weight-medium">{{{{ props.row.run }}}}</a>, epoch
    {{{{ props.row.epoch }}}} {{{{ props.row.used ? '(' + props.row.used + ')' : '' }}}}</div>
  <div>Weighted F1 on val <b>{{{{ props.row.score?.toFixed(4) ?? '-' }}}}</b>
    {{{{ props.row.interval ? '(' + props.row.interval + ')' : '' }}}}</div>
  <div class="text-caption">{{{{ props.row.written }}}}, {{{{ props.row.size }}}}</div>
  {BUTTONS}
</q-card></div>
"""


async def build(review: Review) -> None:
    """Show what is in use, then what runs have kept."""
    ui.add_head_html(STYLE + TABLE_STYLE + onnx_panel.STYLE)
    page = CheckpointsPage(review)
    await page.show()


class CheckpointsPage:
    """The cards of the checkpoints in use, and the table of those that runs have kept."""

    def __init__(self, review: Review) -> None:
        self.review = review
        self.exports = Exports(review.settings.folder / exports.FOLDER, review.jobs)
        self.workspaces = {"the pipeline": review.workspace, "the quick loop": review.quick}
        self.used = ui.column().classes("w-full gap-4")
        self.kept = ui.column().classes("w-full gap-2")

    async def show(self) -> None:
        """Show everything as it is now."""
        rows = await frame.in_thread(self.rows)
        records = {name: await frame.in_thread(best_record, place.models) for name, place in self.workspaces.items()}
        self.used.clear()
        with self.used:
            if not any(records.values()):
                self.show_none(bool(rows))
            for name, record in records.items():
                if record is not None:
                    self.show_used(name, self.workspaces[name], record)
        self.kept.clear()
        if rows:
            with self.kept:
                self.show_table(rows)

    def show_none(self, has_kept: bool) -> None:
        """What to do while nothing is promoted."""
        if has_kept:
            text = "No checkpoint is in use yet. Promote one of those below: then live, record and predict take it."
            frame.empty("workspace_premium", "None in use", text)
        else:
            text = "Train a model; the best epochs of each run are kept here."
            frame.empty("workspace_premium", "No checkpoint yet", text, [("Train", "/retrain")])

    def show_used(self, name: str, workspace: Workspace, record: dict[str, Any]) -> None:
        """A checkpoint in use: where it comes from, how good it is, why it was chosen."""
        with ui.card().classes("w-full").props("flat bordered"):
            frame.heading(f"In use by {name}")
            with ui.row().classes("w-full gap-x-8 gap-y-2 items-start"):
                ui.html(fields_table(facts_of(record))).classes("max-w-full")
                with ui.column().classes("gap-2 max-w-prose"):
                    for sentence in sentences_of(record):
                        ui.label(sentence)
            with ui.row().classes("gap-2"):
                title = f"best-{'quick' if workspace is self.review.quick else 'pipeline'}"
                open_onnx = partial(onnx_panel.open_dialog, self.exports, title, workspace.best)
                self.action("download", "ONNX and model card", open_onnx)
                if (workspace.models / PREVIOUS_BEST).is_file():
                    self.action("undo", "Back to the one before", lambda: self.undo(workspace))
            per_gesture = (record.get("scores") or {}).get("per_gesture") or {}
            if per_gesture:
                with ui.expansion("Scores of each gesture on val").classes("w-full"):
                    ui.html(gesture_table(per_gesture)).classes("overflow-x-auto")

    def action(self, icon: str, text: str, do: Any) -> None:
        """A button with a text."""
        ui.button(text, icon=icon, on_click=do, color=None).props("no-caps outline")

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table: all kept checkpoints."""
        rows = []
        for name, workspace in self.workspaces.items():
            promoted = best_record(workspace.models) or {}
            kept = known_runs.list_known_kept(self.review, workspace)
            rows += [row_of(each, name if is_of(promoted, each) else "") for each in kept.to_dict("records")]
        return sorted(rows, key=lambda row: row["written"], reverse=True)

    def show_table(self, rows: list[dict[str, Any]]) -> None:
        """The table, with a search."""
        frame.heading("Kept by runs")
        search = ui.input("Search", value=frame.query("run")).props('outlined dense clearable type="search"')
        search.props('aria-label="Search in all columns"').classes("w-full max-w-md")
        table = ui.table(rows=rows, columns=list(COLUMNS), row_key="name", pagination={"rowsPerPage": PER_PAGE})
        table.classes("w-full runs").props(LOOK)
        for name, slot in {
            "body-cell-actions": ACTIONS,
            "body-cell-run": RUN,
            "item": CARD,
            "header-cell": HEADER,
        }.items():
            table.add_slot(name, slot)
        search.bind_value_to(table, "filter", lambda value: value or "")
        ui.timer(0.1, lambda: self.show_intervals(table, rows), once=True)
        table.on("promote", lambda event: self.promote(str(event.args)))
        table.on("onnx", lambda event: self.open_kept_onnx(str(event.args)))

    async def show_intervals(self, table: ui.table, rows: list[dict[str, Any]]) -> None:
        """Add the intervals of the scores, of which each takes a moment; a run without predictions has none."""
        for row in rows[:MOST_INTERVALS]:
            row["interval"] = await frame.in_thread(self.interval_of, row)
            if table.is_deleted:
                return
        table.rows = [dict(row) for row in rows]  # new ones: changes within the old ones are not sent

    def interval_of(self, row: Mapping[str, Any]) -> str:
        """The interval of a kept checkpoint's weighted F1 on val; "" where the run kept no predictions of the epoch."""
        change = ChangeSettings.from_config(self.review.config)
        try:
            folder = known_runs.find(row["run"], self.review).folder
            interval = epoch_interval(folder, row["epoch"], change.resamples, change.seed)
        except UserError:
            return ""
        return "" if pd.isna(interval.low) else f"{interval.low:.4f} to {interval.high:.4f}"

    async def undo(self, workspace: Workspace) -> None:
        """Make the previous one the best one again."""
        try:
            record = await frame.in_thread(take_back, workspace.models)
            await frame.in_thread(self.review.note_promotion, record, workspace)
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True, close_button="OK")
            return
        ui.notify(f"Epoch {record['epoch']} of {record['run']} is in use again", type="positive")
        await self.show()

    async def promote(self, name: str) -> None:
        """Promote a kept checkpoint, if it is better or somebody insists."""
        found = await self.find(name)
        if found is not None:
            await Promotion(self.review, self.show).run(*found)

    async def open_kept_onnx(self, name: str) -> None:
        """The dialog about the file of a kept checkpoint."""
        found = await self.find(name)
        if found is not None:
            known, epoch = found
            title = f"{known.folder.run_id}-epoch-{epoch}"
            await onnx_panel.open_dialog(self.exports, title, known.folder.epoch_checkpoints()[epoch])

    async def find(self, name: str) -> tuple[KnownRun, int] | None:
        """A kept checkpoint by the name of its row; None, which is said, where there is none any more."""
        run, _, epoch = name.rpartition("/")
        try:
            known = await frame.in_thread(known_runs.find, run, self.review)
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return None
        if not epoch.isdecimal() or int(epoch) not in known.folder.epoch_checkpoints():
            ui.notify("The run does not keep this checkpoint any more; reload the page", type="negative")
            return None
        return known, int(epoch)


def row_of(kept: Mapping[Any, Any], used: str) -> dict[str, Any]:
    """One row of the table."""
    return {
        "name": f"{kept['name']}/{kept['epoch']}",
        "run": kept["name"],
        "address": known_runs.address_of(kept["name"]),
        "epoch": kept["epoch"],
        "score": None if pd.isna(kept["weighted_F1"]) else kept["weighted_F1"],
        "interval": "",
        "used": f"by {used}" if used else "",
        "written": f"{kept['written']:%Y-%m-%d %H:%M}",
        "bytes": kept["bytes"],
        "size": decimal(kept["bytes"]),
    }


def is_of(record: Mapping[str, Any], kept: Mapping[Any, Any]) -> bool:
    """Whether a record is about a kept checkpoint."""
    return record.get("run") == kept["run"] and record.get("epoch") == kept["epoch"]


def facts_of(record: dict[str, Any]) -> dict[str, Any]:
    """Where a promoted checkpoint comes from, and its scores."""
    scores = record.get("scores") or {}
    names = (record.get("gestures") or {}).get("names") or []
    known = {
        "weighted F1 on val": _number(scores.get("weighted_f1")),
        "macro F1 on val": _number(scores.get("macro_f1")),
        "run": record.get("run"),
        "epoch": record.get("epoch"),
        "model": record.get("model"),
        "gestures": f"{len(names)}: {', '.join(names)}",
        "data version": record.get("data_version"),
    }
    return {name: value for name, value in known.items() if value is not None}


def sentences_of(record: dict[str, Any]) -> list[str]:
    """Why it was chosen, and what it was compared with, in words."""
    said = []
    if record.get("chosen"):
        said.append(f"Chosen {record['chosen']}.")
    if record.get("reason"):
        said.append(sentence(str(record["reason"])))
    further = ((record.get("config") or {}).get("train_hyperparams") or {}).get("for_use")
    if further:
        said.append(
            f"Live, Record and ONNX files take weights that learned {' and '.join(further)} too; the scores are of "
            "weights that learned train alone."
        )
    compared = record.get("compared") or {}
    low, high = compared.get("difference_interval") or (None, None)
    if low is not None and high is not None:
        whom = f"{in_number(compared['samples'], 'sample')} of {in_number(compared['people'], 'person')}"
        said.append(
            f"Compared with the one before on {whom}: "
            f"{compared['weighted_f1_of_previous']:.4f} before, {compared['weighted_f1']:.4f} now; 95 % interval of "
            f"the difference {low:+.4f} to {high:+.4f}."
        )
    return said


def gesture_table(scores: dict[str, dict[str, Any]]) -> str:
    """Scores per gesture of a record."""
    return scores_html(pd.DataFrame.from_dict(scores, orient="index").reindex(columns=list(SCORES)))


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.4f}"
