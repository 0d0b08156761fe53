"""All runs of a folder: as a table, and by name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.tracking.run_folder import RunFolder

_COLUMNS = ("id", "creation_time", "owner", "running_time", "tags", "status", "epochs", "max_weighted_F1", "best_epoch")


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

    Returns:
        Columns id, creation_time (local time), owner, running_time (seconds), tags (joined by ", "), status, epochs,
        max_weighted_F1, best_epoch (the last two missing before the first epoch's end). A folder that cannot be read
        has the status "unreadable".
    """
    rows = [_summarise(path.parent) for path in sorted(runs.glob("*/run.json"))]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"best_epoch": "Int64", "max_weighted_F1": float})
    return frame.sort_values("creation_time", ascending=False, ignore_index=True)


def _summarise(folder: Path) -> dict[str, Any]:
    try:
        run = RunFolder.open(folder)
        record, best = run.record(), run.best
    except DataError:
        return {"id": folder.name, "status": "unreadable"}
    return {
        "id": run.run_id,
        "creation_time": pd.Timestamp(datetime.fromtimestamp(record["created"])),
        "owner": record["owner"],
        "running_time": run.running_time,
        "tags": ", ".join(run.tags),
        "status": run.status,
        "epochs": len(run.metrics()),
        "max_weighted_F1": best[1] if best else None,
        "best_epoch": best[0] if best else None,
    }
