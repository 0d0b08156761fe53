"""List runs, or the epochs of one, with their scores and checkpoints, to choose from.

    gestures runs              # all runs
    gestures runs run=ID       # the epochs of one

The one that is `models/best.ckpt` is marked; `promote run=ID epoch=N` makes another one that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig
from rich import box
from rich.table import Column
from typing_extensions import TypedDict

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.epoch_report import REPORT
from static_gesture_classification.file_data import PlainName, read_json
from static_gesture_classification.terminal import Table, console
from static_gesture_classification.tracking.run_folder import BEST, RunFolder, list_runs

LIST = "gestures runs"
PROMOTE = "gestures promote"
EPOCH_COLUMNS = {
    "training/train_loss": "train loss",
    "training/val_loss": "val loss",
    BEST: "weighted F1",
    f"{REPORT}/macro avg/f1-score": "macro F1",
}
WIDE = 120  # columns of a terminal that has room for tags
_EPOCH = re.compile(r"checkpoint_epoch=(\d+)-")


@entry_point
def main(config: DictConfig) -> None:
    """Print the table of runs, or of one run's epochs."""
    promoted = promoted_epoch(Path(config.paths.models))
    if config.run is None:
        console.print(runs_table(Path(config.paths.runs)))
        if promoted:
            console.print(
                f"best.ckpt is epoch {promoted[1]} of {promoted[0]}", highlight=False, soft_wrap=True, markup=False
            )
        console.print(f"the epochs of one: {LIST} run=RUN", highlight=False, soft_wrap=True)
        return
    run = find_run(config)
    console.print(epochs_table(run, promoted))
    for path in checkpoints_by_epoch(run).values():
        console.print(str(path), highlight=False, soft_wrap=True, markup=False)
    console.print(f"promote one: {PROMOTE} run={run.run_id} epoch=N", highlight=False, soft_wrap=True, markup=False)


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


class Record(TypedDict, total=False):
    """What other commands rely on in the record beside a checkpoint; the run's name becomes part of a path."""

    run: PlainName | None
    epoch: int | None
    sha256: str
    people_trained_on: str | None
    chosen: str
    preferred_to: str | None


def read_record(path: Path) -> dict[str, Any] | None:
    """A checkpoint's JSON record, None where it is missing, unreadable, or something else than a `Record`."""
    try:
        read_json(path, Record, "")
        return read_json(path, dict[str, Any], "")
    except DataError:
        return None


def checkpoints_by_epoch(run: RunFolder) -> dict[int, Path]:
    """A run's kept checkpoints by epoch (the last one, which training is resumed from, is not among them)."""
    found = ((_EPOCH.match(path.name), path) for path in run.checkpoints())
    return {int(match.group(1)): path for match, path in found if match}


def best_kept(run: RunFolder, epochs: Sequence[int]) -> int:
    """The kept epoch with the highest weighted F1 on val; of equals, the earliest."""
    scores = run.metrics()[BEST].reindex(sorted(epochs)).fillna(-1.0)
    return int(scores.index[int(scores.to_numpy().argmax())])


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file, None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def runs_table(runs: Path) -> Table:
    """All runs, newest first: the highest weighted F1 on val with its epoch, and how many checkpoints are kept."""
    columns = (*map(_left, ("run", "begun", "status")), *map(_right, ("epochs", "best", "weighted F1", "kept")))
    table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
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
            str(len(checkpoints_by_epoch(RunFolder(runs / row["id"])))),
            *([str(row["tags"])] if console.width >= WIDE else []),
        )
    return table


def epochs_table(run: RunFolder, promoted: tuple[str, int] | None) -> Table:
    """The epochs of a run with their scores on val, and which of them have a checkpoint."""
    metrics = run.metrics().reindex(columns=list(EPOCH_COLUMNS))
    kept, best = checkpoints_by_epoch(run), run.best
    table = Table(*map(_right, ("epoch", *EPOCH_COLUMNS.values())), "checkpoint", box=box.SIMPLE_HEAD)
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


def _left(name: str) -> Column:
    return Column(name, no_wrap=True)


def _right(name: str) -> Column:
    return Column(name, justify="right", no_wrap=True)


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


if __name__ == "__main__":
    main()
