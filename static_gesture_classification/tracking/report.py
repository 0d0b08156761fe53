"""A run as one web page in its own folder: dashboards that need no service.

    gestures report run=runs/RUN      # writes runs/RUN/report.html

The page needs nothing from the network: plots are drawn into it, pictures are the run folder's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.terminal import say
from static_gesture_classification.tracking import dashboards
from static_gesture_classification.tracking.dashboards import REPORT_FIELD, REPORT_SCORES
from static_gesture_classification.tracking.report_plots import MOST_LINES, line_plot, spark
from static_gesture_classification.tracking.run_folder import BEST_SCORE, RunFolder, best_of
from static_gesture_classification.tracking.run_list import require_run
from static_gesture_classification.tracking.trackers import flatten

PAGE_NAME = "report.html"
_LISTED = 100  # files of a folder; of more, the first and the last


@dataclass(frozen=True)
class _ReadRun:
    """A run as its page shows it, read once.

    Args:
        folder: the run folder.
        config: its configuration.
        metrics: see `RunFolder.metrics`.
        files: see `RunFolder.files`.
    """

    folder: RunFolder
    config: dict[str, Any]
    metrics: pd.DataFrame
    files: dict[str, Path]

    @classmethod
    def of(cls, run: RunFolder) -> _ReadRun:
        return cls(run, run.config, run.metrics(), run.files())

    @property
    def best(self) -> tuple[int, float] | None:
        """Epoch and value of the highest weighted F1 on val."""
        scores = self.metrics[BEST_SCORE].dropna() if BEST_SCORE in self.metrics else pd.Series(dtype=float)
        return best_of(dict(zip(scores.index.tolist(), scores.tolist(), strict=True)))

    @property
    def best_epoch(self) -> int | None:
        return self.best[0] if self.best else None

    def link(self, path: Path) -> str:
        """A file's URL, relative to the page."""
        return quote(path.relative_to(self.folder.path).as_posix())


def write_page(run: RunFolder) -> Path:
    """Write `report.html` into a run folder; returns the page's path.

    Raises:
        OutputError: the folder cannot be written.
    """
    read = _ReadRun.of(run)
    sections = {
        "Configuration": configuration(read),
        "Gestures distribution in data": picture_gallery(read, dashboards.DISTRIBUTIONS),
        "Train progression": train_progression(read),
        "Train Data Samples": picture_gallery(read, dashboards.fields_below(read.files, "datasets/train_samples/")),
        "Val Data Samples": picture_gallery(read, dashboards.fields_below(read.files, "datasets/val_samples/")),
        "Val Dataset Metrics": val_metrics(read),
        "Errors": error_pair_pictures(read),
        "Monitoring": monitoring(run),
        "Source and environment": dashboards.origin_tables(run),
        "Files": files(read),
    }
    path = run.path / PAGE_NAME
    write_text(path, page(read, {title: body for title, body in sections.items() if body}))
    return path


def page(run: _ReadRun, sections: dict[str, str]) -> str:
    """The whole page: head line, contents, sections by title."""
    contents = "".join(f'<a href="#{anchor(title)}">{escape(title)}</a>' for title in sections)
    bodies = "".join(
        f'<section id="{anchor(title)}"><h2>{escape(title)}</h2>{body}</section>' for title, body in sections.items()
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(run.folder.run_id)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><header>{summary(run)}<nav>{contents}</nav></header>"
        f"<main>{bodies}</main><script>{_SCRIPT}</script></body></html>\n"
    )


def summary(run: _ReadRun) -> str:
    """Name, status, tags, times, best epoch."""
    record, status, best = run.folder.record(), run.folder.status, run.best
    tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in run.folder.tags)
    shown = {
        "max weighted F1": f"{best[1]:.4f} (epoch {best[0]})" if best else "none yet",
        "epochs": str(len(run.metrics)),
        "running time": str(timedelta(seconds=round(run.folder.running_time))),
        "created": f"{datetime.fromtimestamp(record['created']):%Y-%m-%d %H:%M}",
        "owner": record["owner"],
    }
    numbers = "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for name, value in shown.items())
    shown_status = f'<span class="status {status}">{status}</span>'
    return f'<h1>{escape(run.folder.run_id)} {shown_status}</h1><p>{tags}</p><div class="numbers">{numbers}</div>'


def configuration(run: _ReadRun) -> str:
    """The groups that matter for training as tables, the whole configuration folded away."""
    if not run.config:
        return ""
    everything = dashboards.fields_table(flatten(run.config, ""))
    return f"{dashboards.foremost_tables(run.config)}<details><summary>Everything</summary>{everything}</details>"


def train_progression(run: _ReadRun) -> str:
    """Losses, weighted F1 and everything else that is logged under training/ per epoch."""
    groups = dashboards.group_curves(run.metrics)
    return gallery(line_plot(run.metrics[group], title, run.best_epoch) for title, group in groups.items())


def val_metrics(run: _ReadRun) -> str:
    """Scores per gesture at the best epoch and over training, and the confusion matrix of every epoch."""
    metrics = run.metrics
    rows = dashboards.report_rows(metrics, (run.config.get("gestures") or {}).get("names") or [])
    if not rows:
        return confusion_matrices(run)
    best = run.best_epoch
    shown = best if best is not None and best in metrics.index else int(metrics.index[-1])
    curves = {score: dashboards.report_curves(metrics, rows, score) for score in REPORT_SCORES[:3]}
    plots = (
        line_plot(metrics[list(fields.values())], score, best, labels=list(fields)) for score, fields in curves.items()
    )
    return scores_table(metrics, rows, shown) + gallery(plots) + confusion_matrices(run)


def scores_table(metrics: pd.DataFrame, rows: Sequence[str], epoch: int) -> str:
    """The classification report of one epoch, with a bar behind each score.

    Where there are too many gestures for a plot of all, each has its F1 over the epochs as a small line.
    """
    with_lines = len(rows) > MOST_LINES
    head = "".join(f"<th>{score}</th>" for score in REPORT_SCORES) + ("<th>F1 by epoch</th>" if with_lines else "")
    body = ""
    for row in rows:
        cells = "".join(score_cell(metrics, f"{REPORT_FIELD}/{row}/{score}", epoch) for score in REPORT_SCORES)
        if with_lines:
            field = f"{REPORT_FIELD}/{row}/{REPORT_SCORES[2]}"
            cells += f"<td>{spark(metrics[field]) if field in metrics else ''}</td>"
        body += f"<tr><th>{escape(row)}</th>{cells}</tr>"
    return f"<h3>Epoch {epoch}</h3><table class='scores'><tr><th></th>{head}</tr>{body}</table>"


def score_cell(metrics: pd.DataFrame, field: str, epoch: int) -> str:
    """One number of the classification report."""
    value = float(metrics[field].get(epoch, float("nan"))) if field in metrics else float("nan")
    if pd.isna(value):
        return "<td></td>"
    if field.endswith("/support"):
        return f"<td>{value:,.0f}</td>"
    return f'<td style="--share:{100 * value:.1f}%">{value:.3f}</td>'


def confusion_matrices(run: _ReadRun) -> str:
    """One picture, and a slider over the epochs."""
    pictures = dashboards.run_pictures(run.files)
    found = {field.rpartition("/")[2]: path for field, path in pictures.items() if "/confusion_matrices/" in field}
    if not found:
        return ""
    epochs = sorted(found)
    best = f"{run.best_epoch:04d}" if run.best_epoch is not None else ""
    start = epochs.index(best) if best in epochs else len(epochs) - 1
    sources = escape(json.dumps([[epoch, run.link(found[epoch])] for epoch in epochs]), quote=True)
    slider = (
        f"<label>Epoch <output>{epochs[start]}</output> "
        f'<input type="range" min="0" max="{len(epochs) - 1}" value="{start}"></label>'
    )
    return (
        f'<h3>Confusion matrix</h3><div class="slides" data-slides="{sources}">{slider}'
        f'<img src="{run.link(found[epochs[start]])}" alt="confusion matrix"></div>'
    )


def error_pair_pictures(run: _ReadRun) -> str:
    """The grids of error pairs, by epoch; the last one open."""
    grids = dashboards.group_error_grids(run.files)
    opened = {epoch: " open" if epoch == max(grids) else "" for epoch in grids}
    return "".join(
        f"<details{opened[epoch]}><summary>Epoch {epoch}</summary>{picture_gallery(run, fields)}</details>"
        for epoch, fields in grids.items()
    )


def monitoring(run: RunFolder) -> str:
    """Hardware samples over the seconds of running."""
    wide = dashboards.hardware_samples(run)
    return gallery(line_plot(wide[[field]], field.partition("/")[2], axis="seconds") for field in wide.columns)


def files(run: _ReadRun) -> str:
    """Links to checkpoints, tables and texts; of a folder with very many, to its first and last ones."""
    found = dashboards.other_files(run.folder).values()
    folders: dict[Path, list[Path]] = {}
    for path in found:
        folders.setdefault(path.parent, []).append(path)
    items = "".join(folder_items(run, paths) for paths in folders.values())
    return f"<details><summary>{len(found)} files</summary><ul>{items}</ul></details>" if found else ""


def folder_items(run: _ReadRun, paths: Sequence[Path]) -> str:
    """Items of a list with a link to each file of a folder, or to the first and last of very many."""
    shown = [*paths[: _LISTED // 2], *paths[-_LISTED // 2 :]] if len(paths) > _LISTED else paths
    items = [
        f'<li><a href="{run.link(path)}">{escape(path.relative_to(run.folder.path).as_posix())}</a> '
        f"{path.stat().st_size / 1e6:,.2f} MB</li>"
        for path in shown
    ]
    if len(shown) < len(paths):
        items.insert(len(items) // 2, f"<li>... and {len(paths) - len(shown):,} more in this folder</li>")
    return "".join(items)


def picture_gallery(run: _ReadRun, fields: Iterable[str]) -> str:
    """The existing pictures of some fields, in their order."""
    known = dashboards.run_pictures(run.files)
    found = [(field, known[field]) for field in fields if field in known]
    images = (
        f'<img loading="lazy" src="{run.link(path)}" alt="{escape(field, quote=True)}">'
        f"<figcaption>{escape(field.rpartition('/')[2])}</figcaption>"
        for field, path in found
    )
    return gallery(images, "pictures")


def gallery(items: Iterable[str], kind: str = "plots") -> str:
    """Plots (of one size) or pictures (of their own size) side by side, as many as fit."""
    body = "".join(f"<figure>{item}</figure>" for item in items)
    return f'<div class="{kind}">{body}</div>' if body else ""


def anchor(title: str) -> str:
    """A title as an identifier."""
    return title.lower().replace(" ", "-")


@entry_point
def main(config: DictConfig) -> None:
    """Write the page of the run folder `run`."""
    run = require_run(config.report.run, Path(config.paths.runs))
    say(f"open {write_page(run)} in a browser")


_STYLE = """
:root { color-scheme: light; --line: #dfe3e8; --soft: #f5f7f9; --text: #1d2733; --mute: #637083; --accent: #2f6fde; }
* { box-sizing: border-box; }
body { margin: 0; font: 14px/1.45 system-ui, sans-serif; color: var(--text); background: var(--soft); }
header, main { max-width: 1240px; margin: 0 auto; padding: 16px 24px; }
h1 { margin: 8px 0; font-size: 24px; }
h2 { margin: 0 0 12px; font-size: 18px; }
h3 { margin: 18px 0 8px; font-size: 15px; }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; }
section { margin-bottom: 18px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; } nav a { color: var(--accent); text-decoration: none; }
.tag, .status { font-size: 12px; font-weight: 500; padding: 2px 9px; border-radius: 10px; }
.tag, .status { background: #e4e9f2; margin-right: 6px; }
.status { vertical-align: middle; } .finished { background: #d5f0dd; } .failed { background: #f8d7d7; }
.interrupted { background: #fbe8c8; } .running { background: #d7e6fb; }
.numbers { display: flex; flex-wrap: wrap; gap: 30px; margin: 14px 0; }
.numbers b { display: block; font-size: 17px; } .numbers span { color: var(--mute); font-size: 12px; }
.columns { columns: 3 320px; column-gap: 24px; }
.columns table { break-inside: avoid; width: 100%; margin-bottom: 14px; }
table { border-collapse: collapse; } caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { border-bottom: 1px solid var(--line); padding: 3px 10px 3px 0; text-align: left; }
th, td { vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--mute); overflow-wrap: break-word; }
.scores td { text-align: right; width: 120px; padding: 3px 10px; font-variant-numeric: tabular-nums;
  background: linear-gradient(90deg, #dbe8fc var(--share, 0%), transparent var(--share, 0%)); }
.scores th:not(:first-child) { text-align: right; padding: 3px 10px; } .plots { margin-top: 14px; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(370px, 100%), 1fr)); gap: 14px; }
.pictures { display: flex; flex-wrap: wrap; gap: 14px; } .pictures figure { max-width: min(100%, 550px); }
figure { margin: 0; } figure img, figure svg { max-width: 100%; height: auto; display: block; }
.spark { width: 80px; height: 18px; display: block; } .spark polyline { fill: none; stroke: var(--accent); }
figcaption { color: var(--mute); font-size: 12px; } .slides img { max-width: 100%; display: block; }
.slides input { width: 360px; vertical-align: middle; }
summary { cursor: pointer; padding: 6px 0; color: var(--accent); }
"""
_SCRIPT = """
for (const block of document.querySelectorAll('.slides')) {
  const slides = JSON.parse(block.dataset.slides);
  block.querySelector('input').addEventListener('input', event => {
    const [epoch, source] = slides[event.target.value];
    block.querySelector('output').textContent = epoch;
    block.querySelector('img').src = source;
  });
}
"""


if __name__ == "__main__":
    main()
