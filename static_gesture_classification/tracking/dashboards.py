"""What the dashboards of a run show, whoever draws them: its own web page (`report`) or the local page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.tracking.run_folder import BEST_SCORE, SECONDS, RunFolder
from static_gesture_classification.tracking.trackers import flatten

REPORT_FIELD = "val/classification_report"
REPORT_SCORES = ("precision", "recall", "f1-score", "support")
DISTRIBUTIONS = tuple(f"datasets/{split}_distribution" for split in ("train", "val"))
# The groups that are shown first; the rest of the configuration is folded away.
FOREMOST = ("model", "train_hyperparams", "augs", "loss", "optimizer", "scheduler")
PICTURE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def foremost_tables(config: Mapping[str, Any]) -> str:
    """The groups that matter for training, as tables side by side."""
    groups = {name: config[name] for name in FOREMOST if isinstance(config.get(name), dict)}
    return in_columns(fields_table(flatten(group, ""), name) for name, group in groups.items())


def group_curves(metrics: pd.DataFrame) -> dict[str, list[str]]:
    """By title, the fields of each plot of losses, weighted F1 and everything else that is logged below training/."""
    fields = [field for field in metrics.columns if field.startswith("training/")]
    losses = [field for field in fields if field.endswith("_loss")]
    groups = {"loss": losses, "weighted F1 on val": [field for field in fields if field == BEST_SCORE]}
    groups |= {field.partition("/")[2]: [field] for field in fields if field not in losses and field != BEST_SCORE}
    return {title: group for title, group in groups.items() if group}


def report_rows(metrics: pd.DataFrame, gestures: Sequence[str]) -> list[str]:
    """Rows of the classification report: gestures in the order of the vocabulary, then averages."""
    fields = [field for field in metrics.columns if field.startswith(REPORT_FIELD + "/")]
    names = dict.fromkeys(field.split("/")[2] for field in fields)
    positions = {name: position for position, name in enumerate(gestures)}
    return sorted(names, key=lambda name: (positions.get(name, len(positions)), name))


def report_curves(metrics: pd.DataFrame, rows: Sequence[str], score: str) -> dict[str, str]:
    """For a score of the classification report, the rows that have it, each with its field."""
    fields = {row: f"{REPORT_FIELD}/{row}/{score}" for row in rows}
    return {row: field for row, field in fields.items() if field in metrics}


def group_error_grids(fields: Iterable[str]) -> dict[str, list[str]]:
    """The fields of the grids of error pairs, by epoch."""
    grids: dict[str, list[str]] = {}
    for field in fields:
        if "/error_pairs/" in field:
            grids.setdefault(field.split("/")[-2], []).append(field)
    return dict(sorted(grids.items()))


def hardware_samples(run: RunFolder) -> pd.DataFrame:
    """Hardware samples: a column for each field, indexed by the seconds of running."""
    return run.rows(SECONDS).pivot(index="step", columns="field", values="value").sort_index()


def origin_tables(run: RunFolder) -> str:
    """Source revision and environment, as tables side by side."""
    groups: dict[str, dict[str, Any]] = {"source_code": {}, "monitoring": {}}
    for field, value in run.values().items():
        group, _, name = field.partition("/")
        groups.get(group, {})[name] = value
    titles = {"source_code": "source code", "monitoring": "environment"}
    return in_columns(fields_table(groups[group], title) for group, title in titles.items())


def run_pictures(files: Mapping[str, Path]) -> dict[str, Path]:
    """The pictures among a run's files (`RunFolder.files`), by field."""
    return {field: path for field, path in files.items() if path.suffix in PICTURE_TYPES}


def other_files(run: RunFolder) -> dict[str, Path]:
    """Checkpoints, tables and texts of a run, by their names in its folder."""
    found = [path for path in (*run.checkpoints(), *run.files().values()) if path.suffix not in PICTURE_TYPES]
    return {path.relative_to(run.path).as_posix(): path for path in found}


def fields_below(fields: Iterable[str], prefix: str) -> list[str]:
    """Of some fields those below a prefix, sorted by their last number."""
    found = [field for field in fields if field.startswith(prefix)]
    return sorted(found, key=lambda field: (int(re.sub(r"\D", "", field.rpartition("/")[2]) or 0), field))


def fields_table(fields: Mapping[str, Any], title: str = "") -> str:
    """Names and values in two columns, as HTML; empty without fields."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name.lstrip("/"))}</th><td>{escape(str(value))}</td></tr>'
        for name, value in fields.items()
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return f'<table class="fields">{caption}{rows}</table>' if fields else ""


def in_columns(tables: Iterable[str]) -> str:
    """Tables side by side, as many as fit."""
    return f'<div class="columns">{"".join(tables)}</div>'
