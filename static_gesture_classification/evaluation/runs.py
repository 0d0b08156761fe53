"""List runs, or the epochs of one, with their scores and checkpoints, to choose from.

    python -m static_gesture_classification.evaluation.runs              # all runs
    python -m static_gesture_classification.evaluation.runs run=ID       # the epochs of one

The one that is `models/best.ckpt` is marked; `promote run=ID epoch=N` makes another one that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig
from rich.table import Column, Table

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.epoch_report import REPORT
from static_gesture_classification.progress import console
from static_gesture_classification.tracking.run_folder import BEST, RunFolder, list_runs

PROMOTE = "python -m static_gesture_classification.evaluation.promote"
EPOCH_COLUMNS = {
    "training/train_loss": "train loss",
    "training/val_loss": "val loss",
    BEST: "weighted F1",
    f"{REPORT}/macro avg/f1-score": "macro F1",
    "training/lr": "learning rate",
}
_EPOCH = re.compile(r"checkpoint_epoch=(\d+)-")


@entry_point
def main(config: DictConfig) -> None:
    """Print the table of runs, or of one run's epochs."""
    promoted = promoted_epoch(Path(config.paths.models))
    if config.run is None:
        console.print(runs_table(Path(config.paths.runs), promoted))
        console.print("the epochs of one: ... run=ID", highlight=False, soft_wrap=True)
        return
    run = find_run(config)
    console.print(epochs_table(run, promoted))
    console.print(f"promote one: {PROMOTE} run={run.run_id} epoch=N", highlight=False, soft_wrap=True)


def find_run(config: DictConfig) -> RunFolder:
    """The run that `run` names, by its id or its path.

    Raises:
        UserError: there is no such run; lists those there are.
    """
    runs = Path(config.paths.runs)
    for path in (Path(str(config.run)), runs / str(config.run)):
        if (path / "run.json").is_file():
            return RunFolder.open(path)
    there = ", ".join(list_runs(runs)["id"]) or "none yet"
    raise UserError(f"no run {config.run} in {runs}; there are: {there}")


def promoted_epoch(models: Path) -> tuple[str, int] | None:
    """Run and epoch of the promoted checkpoint, None where there is none."""
    record = read_record(models / "best.json")
    return (str(record["run"]), int(record["epoch"])) if record else None


def read_record(path: Path) -> dict[str, Any] | None:
    """A checkpoint's JSON record, None where it is missing or unreadable."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def checkpoints_by_epoch(run: RunFolder) -> dict[int, Path]:
    """A run's kept checkpoints by epoch (the last one, which training is resumed from, is not among them)."""
    found = ((_EPOCH.match(path.name), path) for path in run.checkpoints())
    return {int(match.group(1)): path for match, path in found if match}


def runs_table(runs: Path, promoted: tuple[str, int] | None) -> Table:
    """All runs, newest first."""
    frame = list_runs(runs)
    numeric = ("epochs", "best epoch", "max weighted F1", "checkpoints")
    table = Table("run", "begun", "status", "tags", *(Column(name, justify="right") for name in numeric), "")
    for row in frame.to_dict("records"):
        known = row["status"] != "unreadable"
        kept = len(checkpoints_by_epoch(RunFolder(runs / row["id"])))
        table.add_row(
            str(row["id"]),
            f"{row['creation_time']:%Y-%m-%d %H:%M}" if known else "-",
            str(row["status"]),
            str(row["tags"]) if known else "",
            f"{row['epochs']:.0f}" if known else "-",
            "-" if pd.isna(row["best_epoch"]) else f"{row['best_epoch']}",
            _number(row["max_weighted_F1"]),
            str(kept),
            f"best.ckpt is its epoch {promoted[1]}" if promoted and promoted[0] == row["id"] else "",
        )
    return table


def epochs_table(run: RunFolder, promoted: tuple[str, int] | None) -> Table:
    """The epochs of a run with their scores on val and their checkpoints."""
    metrics = run.metrics().reindex(columns=list(EPOCH_COLUMNS))
    kept, best = checkpoints_by_epoch(run), run.best
    numeric = ("epoch", *EPOCH_COLUMNS.values())
    title = f"{run.run_id}: {run.status}, {', '.join(run.tags)}"
    table = Table(*(Column(name, justify="right") for name in numeric), "checkpoint", "", title=title)
    for epoch, values in metrics.iterrows():
        number = int(str(epoch))
        marks = [
            "highest weighted F1" if best and best[0] == number else "",
            "best.ckpt" if promoted == (run.run_id, number) else "",
        ]
        name = kept[number].name if number in kept else ""
        cells = [f"{value:.2e}" if field == "training/lr" else _number(value) for field, value in values.items()]
        table.add_row(str(number), *cells, name, ", ".join(filter(None, marks)))
    return table


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


if __name__ == "__main__":
    main()
