"""List runs, or the epochs of one, with their scores and checkpoints, to choose from.

    gestures runs              # all runs
    gestures runs run=ID       # the epochs of one

The promoted one (`models/best.ckpt`) is marked; `gestures promote run=ID epoch=N` promotes another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.terminal import Table, console, number_columns, say, show_table, text_columns
from static_gesture_classification.tracking.dashboards import REPORT_FIELD
from static_gesture_classification.tracking.run_folder import BEST_SCORE, RunFolder
from static_gesture_classification.tracking.run_list import list_runs, require_run
from static_gesture_classification.workspace import Workspace

EPOCH_COLUMNS = {
    "training/train_loss": "train loss",
    "training/val_loss": "val loss",
    BEST_SCORE: "weighted F1",
    f"{REPORT_FIELD}/macro avg/f1-score": "macro F1",
}
WIDE = 120  # columns of a terminal that has room for tags


@entry_point
def main(config: DictConfig) -> None:
    """Print the table of runs, or of one run's epochs."""
    workspace = Workspace.from_config(config)
    promoted = read_promoted_epoch(workspace.models)
    if config.runs.run is None:
        show_table(runs_table(workspace.runs))
        if promoted:
            say(f"best.ckpt is epoch {promoted[1]} of {promoted[0]}")
        say("the epochs of one: gestures runs run=RUN")
        return
    run = require_run(str(config.runs.run), workspace.runs)
    show_table(epochs_table(run, promoted))
    for path in run.epoch_checkpoints().values():
        say(str(path))
    say(f"promote one: gestures promote run={run.run_id} epoch=N")


def read_promoted_epoch(models: Path) -> tuple[str, int] | None:
    """Run and epoch of the promoted checkpoint, None where there is none."""
    record = read_checkpoint_record(models / "best.json")
    return (str(record["run"]), int(record["epoch"])) if record else None


def runs_table(runs: Path) -> Table:
    """All runs, newest first: the highest weighted F1 on val with its epoch, and how many checkpoints are kept."""
    numbers = number_columns("epochs", "best", "weighted F1", "kept")
    table = Table(*text_columns("run", "begun", "status"), *numbers)
    if console.width >= WIDE:
        table.add_column("tags")
    for row in list_runs(runs).to_dict("records"):
        if row["status"] == "unreadable":
            table.add_row(str(row["id"]), "", "unreadable")
            continue
        table.add_row(
            str(row["id"]),
            f"{row['creation_time']:%m-%d %H:%M}",
            str(row["status"]),
            f"{row['epochs']:.0f}",
            "-" if pd.isna(row["best_epoch"]) else str(row["best_epoch"]),
            _number(row["max_weighted_F1"]),
            str(len(RunFolder(runs / row["id"]).epoch_checkpoints())),
            *([str(row["tags"])] if console.width >= WIDE else []),
        )
    return table


def epochs_table(run: RunFolder, promoted: tuple[str, int] | None) -> Table:
    """The epochs of a run with their scores on val and their checkpoints."""
    metrics = run.metrics().reindex(columns=list(EPOCH_COLUMNS))
    kept, best = run.epoch_checkpoints(), run.best
    table = Table(*number_columns("epoch", *EPOCH_COLUMNS.values()), "checkpoint")
    table.title, table.title_justify = f"{run.run_id}: {run.status}", "left"
    for epoch, values in metrics.iterrows():
        number = int(str(epoch))
        marks = [
            "kept" if number in kept else "",
            "highest weighted F1" if best and best[0] == number else "",
            "best.ckpt" if promoted == (run.run_id, number) else "",
        ]
        table.add_row(str(number), *(_number(value) for value in values), ", ".join(filter(None, marks)))
    return table


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


if __name__ == "__main__":
    main()
