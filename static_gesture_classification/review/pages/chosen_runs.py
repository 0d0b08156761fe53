"""Some runs beside each other: curves, F1 per gesture, the settings that differ, and the verdict about two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import cast

import pandas as pd
from nicegui import ui

from static_gesture_classification.active_learning.comparison.before_after import CompareSettings, Comparison, compare
from static_gesture_classification.active_learning.comparison.report import (
    WrittenComparison,
    advice,
    describe_change,
    list_comparison_remarks,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.contenders import find_contender
from static_gesture_classification.evaluation.epochs import gesture_f1
from static_gesture_classification.review import charts, frame, known_runs
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.outcome_view import show_pairs
from static_gesture_classification.review.pages.dashboards import STYLE
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.dashboards import FOREMOST
from static_gesture_classification.tracking.run_folder import BEST_SCORE
from static_gesture_classification.tracking.run_list import differing_settings, shared_metrics

MOST = 12  # runs that one can still tell apart
LONGEST = 120  # characters of a value
DECISIVE = (*FOREMOST, "sampler", "background", "trainer", "crops", "split", "seed")  # shown; others are folded away
ADVICE_ICONS = {"promote": "thumb_up", "do not promote": "do_not_disturb_on", "decide yourself": "help_outline"}


@dataclass(frozen=True)
class RunData:
    """What is compared of a run.

    Args:
        known: the run.
        metrics: per epoch.
        gestures: F1 per gesture at its best epoch.
        config: its whole configuration.
    """

    known: KnownRun
    metrics: pd.DataFrame
    gestures: pd.Series
    config: dict[str, object]


async def build(review: Review, names: Sequence[str]) -> None:
    """Show the runs of these names."""
    chosen = list(dict.fromkeys(names))
    if len(chosen) > MOST:
        raise UserError(f"{len(chosen)} runs are too many to tell apart; choose up to {MOST}")
    runs = [known_runs.find(name, review) for name in chosen]
    data = [await frame.in_thread(read, run) for run in runs]
    ui.add_head_html(STYLE)
    with ui.row().classes("w-full items-center gap-x-4"):
        ui.link("All runs", "/runs").classes("plain-link")
        for run in runs:
            ui.link(run.name, run.address).classes("plain-link")
    if len(runs) > 1:
        Verdict(review, runs)
    curves(data)
    gestures(data, review.vocabulary.names)
    settings(data)


def read(known: KnownRun) -> RunData:
    """Read a run."""
    run = known.folder
    return RunData(known, run.metrics(), gesture_f1(run), run.config)


def curves(data: Sequence[RunData]) -> None:
    """The metrics that several have, weighted F1 first, a line per run."""
    fields = shared_metrics([each.metrics for each in data])
    fields.sort(key=lambda field: field != BEST_SCORE)
    frame.heading("Metrics over epochs")
    if not fields:
        ui.label("No two of them have a metric in common.")
        return
    with ui.element("div").classes("charts"):
        for field in fields:
            title = field.partition("/")[2]
            drawn = [
                charts.Line(each.known.name, each.metrics[field], number)
                for number, each in enumerate(data)
                if field in each.metrics
            ]
            charts.show_lines(title, drawn, f"{title} by epoch, of {len(drawn)} runs")


def gestures(data: Sequence[RunData], order: Sequence[str]) -> None:
    """F1 of each gesture at the best epoch of each run, as bars and as a table; those of `order` first."""
    table = pd.DataFrame({each.known.name: each.gestures for each in data}).dropna(how="all")
    table = table.reindex([*(name for name in order if name in table.index), *table.index.difference(list(order))])
    frame.heading("F1 per gesture, at the best epoch")
    if table.empty:
        ui.label("None of them has kept scores per gesture.")
        return
    charts.show(charts.bars("F1 on val", table), "F1 per gesture of each run; the table below has the numbers")
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table)
    rows = "".join(
        f'<tr><th scope="row">{escape(str(gesture))}</th>'
        + "".join("<td>-</td>" if pd.isna(value) else f"<td>{value:.3f}</td>" for value in row)
        + "</tr>"
        for gesture, row in zip(table.index, table.to_numpy(), strict=True)
    )
    wide(f'<table class="fields numbers"><thead><tr><th>gesture</th>{head}</tr></thead><tbody>{rows}</tbody></table>')
    ui.label(
        "Runs of different data were measured on different samples; the verdict above compares two on the same ones."
    ).classes("text-caption")


def settings(data: Sequence[RunData]) -> None:
    """Only the settings that differ."""
    table = differing_settings([each.config for each in data])
    frame.heading("Settings that differ")
    if table.empty:
        ui.label("None: they have the same settings.")
        return
    foremost = table.index.str.partition("/").get_level_values(0).isin(DECISIVE)
    if foremost.any():
        settings_table(data, table[foremost])
    if not foremost.all():
        others = f"Others: of sources, and of commands that do not train ({(~foremost).sum():,})"
        with ui.expansion(others, icon="tune").classes("w-full"):
            settings_table(data, table[~foremost])


def settings_table(data: Sequence[RunData], table: pd.DataFrame) -> None:
    """A row per setting, a column per run; long values are cut."""
    head = "".join(f'<th scope="col">{escape(each.known.name)}</th>' for each in data)
    rows = "".join(
        f'<tr><th scope="row">{escape(str(setting))}</th>{"".join(map(_value, row))}</tr>'
        for setting, row in zip(table.index, table.to_numpy(), strict=True)
    )
    head = f'<thead><tr><th scope="col">setting</th>{head}</tr></thead>'
    wide(f'<table class="fields">{head}<tbody>{rows}</tbody></table>')


def _value(text: str) -> str:
    short = text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    return f"<td>{escape(short)}</td>" if text else '<td class="text-grey-7">not set</td>'


class Verdict:
    """Whether one run should take another's place: as `gestures compare` says, when it is asked for."""

    def __init__(self, review: Review, runs: Sequence[KnownRun]) -> None:
        self.review, self.runs = review, {run.name: run for run in runs}
        names = sorted(self.runs, key=lambda name: self.runs[name].folder.created)
        frame.heading("Before and after")
        with ui.row().classes("w-full items-center gap-2"):
            self.before = ui.select(names, value=names[0], label="Before").props("outlined dense").classes("min-w-48")
            self.after = ui.select(names, value=names[-1], label="After").props("outlined dense").classes("min-w-48")
            self.button = ui.button("Give the verdict", icon="balance", on_click=self.give).props("no-caps")
        self.place = ui.column().classes("w-full gap-2").props('role="status"')
        with self.place:
            ui.label(
                "Both look at the val samples of people whom neither was trained on. That takes seconds for a landmark "
                "model, and up to a minute for one of pictures."
            ).classes("text-caption")

    async def give(self) -> None:
        """Compare the two, and show what comes out."""
        if self.before.value == self.after.value:
            ui.notify("Choose two different runs", type="warning")
            return
        before, after = self.runs[self.before.value], self.runs[self.after.value]
        self.button.disable()
        self.place.clear()
        with self.place, ui.row().classes("items-center"):
            ui.spinner()
            ui.label("Both are looking at val ...")
        try:
            result = await frame.in_thread(compare_runs, self.review, before, after)
        except UserError as error:
            self.place.clear()
            with self.place:
                frame.problem(str(error), "These two cannot be compared")
        else:
            self.place.clear()
            with self.place:
                show_verdict(result)
        finally:
            self.button.enable()


def compare_runs(review: Review, before: KnownRun, after: KnownRun) -> Comparison:
    """Compare two runs on val of the later one's workspace. Raises `UserError` where they cannot be compared."""
    usual = CompareSettings.from_config(review.config)
    chosen = usual.at(review.quick) if after.is_quick else usual
    old, new = (find_contender(str(run.folder.path), chosen.contenders.runs) for run in (before, after))
    return compare(old, new, chosen)


def show_verdict(result: Comparison) -> None:
    """The verdict, the scores with their intervals, each gesture, and what was left out."""
    change = result.scores.change
    with ui.row().classes("items-center no-wrap gap-2"):
        ui.icon(ADVICE_ICONS[advice(result)], size="sm")
        ui.label(f"Verdict: {advice(result)}").classes("text-weight-bold")
    ui.label(result.verdict.reason[:1].upper() + result.verdict.reason[1:] + ".").classes("max-w-prose")
    ui.label(describe_change(change)).classes("max-w-prose")
    rows = change.gestures[change.gestures["support"] > 0].sort_values("difference", kind="stable")
    names = ("gesture", "samples", "people", "before", "after", "change", "95 % interval of the change", "")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(_gesture_row(str(gesture), row) for gesture, row in rows.iterrows())
    ui.label("F1 of each gesture, worst change first").classes("text-weight-bold")
    wide(f'<table class="fields numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    show_pairs(cast(WrittenComparison, result.as_json()))
    for remark in list_comparison_remarks(result):
        ui.label(f"Note: {remark}").classes("max-w-prose text-caption")


def _gesture_row(gesture: str, row: pd.Series) -> str:
    ends = "-" if pd.isna(row["low"]) else f"{row['low']:+.2f} to {row['high']:+.2f}"
    word = "worse" if row["harmed"] else "few people" if row["few"] else ""
    cells = (
        f"{row['support']:,}",
        f"{row['people']:,}",
        f"{row['before']:.3f}",
        f"{row['after']:.3f}",
        f"{row['difference']:+.3f}",
        ends,
        word,
    )
    return f'<tr><th scope="row">{escape(gesture)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def wide(html: str) -> None:
    """A table that may be wider than the screen; then it scrolls in its place."""
    ui.html(html).classes("max-w-full overflow-x-auto").props('tabindex="0"')
