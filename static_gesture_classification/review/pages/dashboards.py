"""The dashboards of a run, each in the place that is open when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from nicegui import ui
from rich.filesize import decimal

from static_gesture_classification.review import charts, frame, run_files
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.tracking import dashboards as contents
from static_gesture_classification.tracking.dashboards import REPORT_SCORES
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.trackers import flatten

MEASURED = {  # see tracking.hardware
    "cpu": "processors, % of the machine",
    "memory": "memory, % of the machine",
    "process_cpu": "the training, % of one processor",
    "process_memory": "memory of the training, GiB",
    "gpu_memory": "memory of the accelerator, GiB",
}
STYLE = (
    charts.STYLE
    + """
<style>
  .fields { border-collapse: collapse; }
  .fields caption { text-align: left; font-weight: 600; padding: 4px 0; }
  .fields th, .fields td { border-bottom: 1px solid rgba(128, 128, 128, .3); padding: 3px 12px 3px 0; }
  .fields th, .fields td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
  .fields th { font-weight: 400; overflow-wrap: break-word; }
  .fields.numbers td, .fields.numbers thead th:not(:first-child) { text-align: right; padding-left: 12px; }
  .fields.numbers td { font-variant-numeric: tabular-nums; white-space: nowrap; }
  input[type=range] { accent-color: #0072B2; }
  .columns { columns: 3 300px; column-gap: 24px; width: 100%; }
  .columns table { break-inside: avoid; width: 100%; margin-bottom: 14px; }
  .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr)); }
  .charts { gap: 16px; width: 100%; }
  .pictures { display: flex; flex-wrap: wrap; gap: 12px; }
  .pictures figure { margin: 0; max-width: min(100%, 560px); } .pictures img { max-width: 100%; height: auto; }
  .pictures figcaption { font-size: 12px; }
</style>
"""
)


async def configuration(known: KnownRun) -> None:
    """The groups that matter for training as tables; the whole configuration, with a search, folded away."""
    config = await frame.in_thread(lambda: known.folder.config)
    if not config:
        nothing("This run keeps no configuration.")
        return
    ui.html(contents.foremost_tables(config)).classes("w-full")
    everything = flatten(config, "")
    with ui.expansion("Everything", icon="tune").classes("w-full"):
        search = ui.input("Search in names and values").props("outlined dense clearable").classes("w-full max-w-md")
        shown = ui.html(contents.fields_table(everything))

    def find() -> None:
        wanted = (search.value or "").lower()
        shown.content = contents.fields_table({k: v for k, v in everything.items() if wanted in f"{k} {v}".lower()})

    search.on_value_change(find)


async def distribution(known: KnownRun) -> None:
    """Samples per gesture, train and val."""
    await gallery(known, contents.DISTRIBUTIONS)


async def train_samples(known: KnownRun) -> None:
    """Samples of train, beside what augmentation makes of them."""
    await gallery(known, contents.fields_below(await frame.in_thread(known.folder.files), "datasets/train_samples/"))


async def val_samples(known: KnownRun) -> None:
    """Samples of val."""
    await gallery(known, contents.fields_below(await frame.in_thread(known.folder.files), "datasets/val_samples/"))


async def gallery(known: KnownRun, fields: Sequence[str]) -> None:
    """Pictures of the run folder, in this order."""
    pictures = contents.run_pictures(await frame.in_thread(known.folder.files))
    shown = [field for field in fields if field in pictures]
    if not shown:
        nothing("This run has kept no such pictures. Runs of the quick loop keep none; those of gestures train do.")
        return
    figures = "".join(
        f'<figure><img loading="lazy" src="{escape(run_files.address_of(known.name, field), quote=True)}" '
        f'alt="{escape(field, quote=True)}"><figcaption>{escape(field.rpartition("/")[2])}</figcaption></figure>'
        for field in shown
    )
    ui.html(f'<div class="pictures">{figures}</div>')


async def train_progression(known: KnownRun) -> None:
    """Losses, weighted F1 on val and everything else that is logged below training/, by epoch."""
    metrics = await frame.in_thread(known.folder.metrics)
    groups = contents.group_curves(metrics)
    if not groups:
        nothing("Nothing yet: the first epoch is not at its end.")
        return
    names = {title: [field.partition("/")[2] for field in group] for title, group in groups.items()}
    draw({title: (metrics[group], names[title]) for title, group in groups.items()}, best_epoch(known.folder))


async def val_curves(known: KnownRun) -> None:
    """F1, precision and recall of each gesture over the epochs."""
    metrics = await frame.in_thread(known.folder.metrics)
    gestures = (known.folder.config_node("gestures")).get("names") or []
    rows = contents.report_rows(metrics, gestures)
    curves = {score: contents.report_curves(metrics, rows, score) for score in (REPORT_SCORES[2], *REPORT_SCORES[:2])}
    plots = {score: (metrics[list(fields.values())], list(fields)) for score, fields in curves.items() if fields}
    draw(plots, best_epoch(known.folder), height="380px")


async def errors(known: KnownRun) -> None:
    """The grids of the worst error pairs, by epoch; those of the last one open."""
    grids = contents.group_error_grids(contents.run_pictures(await frame.in_thread(known.folder.files)))
    if not grids:
        nothing("This run has kept no pictures of errors. Confusions, above, shows the samples themselves.")
    for epoch in sorted(grids, reverse=True):
        with ui.expansion(f"Epoch {int(epoch)}", value=epoch == max(grids)).classes("w-full"):
            await gallery(known, grids[epoch])


async def files(known: KnownRun) -> None:
    """Checkpoints, tables and texts, to be downloaded."""
    found = await frame.in_thread(contents.other_files, known.folder)
    rows = "".join(
        f'<tr><th scope="row"><a class="plain-link" download href="'
        f'{escape(run_files.file_address(known.name, name), quote=True)}">{escape(name)}</a></th>'
        f"<td>{decimal(path.stat().st_size)}</td></tr>"
        for name, path in found.items()
        if path.is_file()
    )
    if rows:
        ui.html(f'<table class="fields numbers">{rows}</table>').classes("max-w-full overflow-x-auto")
    else:
        nothing("This run has kept no files yet.")


async def monitoring(known: KnownRun) -> None:
    """Hardware samples over the seconds of running; source revision and environment."""
    wide = await frame.in_thread(contents.hardware_samples, known.folder)
    names = {str(field): str(field).partition("/")[2] for field in wide.columns}
    draw({MEASURED.get(name, name): (wide[[field]], [name]) for field, name in names.items()}, axis="seconds")
    ui.html(contents.origin_tables(known.folder))


def draw(
    plots: Mapping[str, tuple[pd.DataFrame, Sequence[str]]],
    marked: int | None = None,
    axis: str = "epoch",
    height: str = "300px",
) -> None:
    """Charts side by side: by title, the columns of a table as lines, and their names."""
    with ui.element("div").classes("charts"):
        for title, (table, names) in plots.items():
            drawn = [charts.Line(name, table.iloc[:, number], number) for number, name in enumerate(names)]
            charts.show_lines(title, drawn, f"{title} by {axis}", axis, marked, height)


def best_epoch(run: RunFolder) -> int | None:
    """The epoch with the highest weighted F1."""
    return run.best[0] if run.best else None


def nothing(text: str) -> None:
    """What a dashboard says while it has nothing to show."""
    ui.label(text).classes("max-w-prose q-pa-md")
