"""All runs of a folder: as a table, and by name; several of them beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_state import file_state
from static_gesture_classification.tracking.run_folder import RunFolder, best_of
from static_gesture_classification.tracking.trackers import flatten

NOT_SET = ""
_COLUMNS = (
    "id",
    "creation_time",
    "owner",
    "running_time",
    "tags",
    "status",
    "model",
    "data_version",
    "epochs",
    "max_weighted_F1",
    "best_epoch",
)
_MADE_OF = ("run.json", "config.yaml", "tags", "series/epochs.csv")  # what a run's row says, but status and time
_REMEMBERED = 10_000  # runs


@dataclass(frozen=True)
class _Summary:
    """What the files of a run say, as long as they stay as they are."""

    run_id: str
    created: float
    owner: str
    tags: str
    model: str | None
    data_version: str | None
    epochs: int
    scores: Mapping[int, float]  # weighted F1 on val by epoch

    @property
    def best(self) -> tuple[int, float] | None:
        return best_of(self.scores)


def find_run(name: str, runs: Path) -> RunFolder | None:
    """The run with an id or at a path; None where there is none."""
    for path in (Path(name), runs / name):
        if (path / "run.json").is_file():
            return RunFolder.open(path)
    return None


def require_run(name: str | None, runs: Path) -> RunFolder:
    """As `find_run`. Raises `UserError` where no run is named, or there is no such run."""
    if name and (run := find_run(name, runs)):
        return run
    there = ", ".join(list_runs(runs)["id"]) or "none yet"
    what = f"no run {name} in {runs}" if name else f"name a run of {runs}: run=RUN"
    raise UserError(f"{what}; there are: {there}")


def list_runs(runs: Path) -> pd.DataFrame:
    """All runs below a folder, newest first.

    A run is read again only where one of its files has changed since this process read it.

    Returns:
        Columns id, creation_time (local time), owner, running_time (seconds), tags (joined by ", "), status, model,
        data_version, epochs, max_weighted_F1, best_epoch (the last two missing before the first epoch's end; model and
        data_version where the run does not say). A folder that cannot be read has the status "unreadable".
    """
    rows = [_row(path.parent) for path in sorted(runs.glob("*/run.json"))]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"best_epoch": "Int64", "max_weighted_F1": float})
    return frame.sort_values("creation_time", ascending=False, ignore_index=True)


def list_kept(runs: Path) -> pd.DataFrame:
    """The kept checkpoints of all runs below a folder, last written first.

    Returns:
        Columns run, epoch, weighted_F1 (on val; NaN where the run does not say), path, bytes, written (local time).
        Runs that cannot be read are left out.
    """
    rows = [row for path in sorted(runs.glob("*/run.json")) for row in _kept_rows(path.parent)]
    frame = pd.DataFrame(rows, columns=["run", "epoch", "weighted_F1", "path", "bytes", "written"])
    return frame.sort_values("written", ascending=False, ignore_index=True)


def _kept_rows(folder: Path) -> list[dict[str, Any]]:
    kept = RunFolder(folder).epoch_checkpoints()
    try:
        scores = _summary_of(folder).scores if kept else {}
    except DataError:
        return []
    rows = []
    for epoch, path in kept.items():
        size, written = file_state(path)
        rows.append(
            {
                "run": folder.name,
                "epoch": epoch,
                "weighted_F1": scores.get(epoch, float("nan")),
                "path": path,
                "bytes": size,
                "written": pd.Timestamp(datetime.fromtimestamp(written / 1e9)),
            }
        )
    return rows


def _row(folder: Path) -> dict[str, Any]:
    try:
        summary = _summary_of(folder)
        run = RunFolder(folder)
        status, seconds = run.status, run.running_time
    except DataError:
        return {"id": folder.name, "status": "unreadable"}
    return {
        "id": summary.run_id,
        "creation_time": pd.Timestamp(datetime.fromtimestamp(summary.created)),
        "owner": summary.owner,
        "running_time": seconds,
        "tags": summary.tags,
        "status": status,
        "model": summary.model,
        "data_version": summary.data_version,
        "epochs": summary.epochs,
        "max_weighted_F1": summary.best[1] if summary.best else None,
        "best_epoch": summary.best[0] if summary.best else None,
    }


def _summary_of(folder: Path) -> _Summary:
    return _summarise(folder, tuple(file_state(folder / name) for name in _MADE_OF))


@lru_cache(maxsize=_REMEMBERED)
def _summarise(folder: Path, state: tuple[tuple[int, int], ...]) -> _Summary:
    run = RunFolder.open(folder)
    record = run.record()
    epochs, scores = run.scores()
    model = run.config_node("model").get("name")
    version = record["values"].get("datasets/version")
    return _Summary(
        run.run_id,
        record["created"],
        record["owner"],
        ", ".join(run.tags),
        None if model is None else str(model),
        None if version is None else str(version),
        epochs,
        scores,
    )


def differing_settings(configs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The settings that are not the same in all of n configurations, as texts.

    Returns:
        Indexed by setting (`train_hyperparams/lr`), in the order of the configurations; columns 0 to n - 1; `NOT_SET`
        where a configuration does not have the setting.

    >>> differing_settings([{"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0}]).to_dict("index")
    {'lr': {0: '0.1', 1: '0.2'}}
    """
    columns = [{field: str(value) for field, value in flatten(config, "").items()} for config in configs]
    fields = dict.fromkeys(field for column in columns for field in column)
    rows = {field: [column.get(field, NOT_SET) for column in columns] for field in fields}
    differing = {field: values for field, values in rows.items() if len(set(values)) > 1}
    return pd.DataFrame.from_dict(differing, orient="index", columns=range(len(columns)), dtype=object)


def shared_metrics(tables: Sequence[pd.DataFrame], prefix: str = "training/") -> list[str]:
    """The fields below `prefix` that more than one of some tables of metrics has, in alphabetical order."""
    counts = pd.Series(
        [field for table in tables for field in table.columns if field.startswith(prefix)]
    ).value_counts()
    return sorted(str(field) for field, count in counts.items() if count > 1)
