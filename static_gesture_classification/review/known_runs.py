"""The runs that pages know, by name. A name from the browser is looked up here, and never becomes a path.

The pipeline's runs and the quick loop's have the same kind of id, so both may have one of the same name: `quick:ID` is
the quick loop's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pandas as pd

from static_gesture_classification.errors import UserError
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.run_list import list_kept, list_runs
from static_gesture_classification.workspace import Workspace

QUICK = "quick:"


@dataclass(frozen=True)
class KnownRun:
    """A run that a page shows.

    Args:
        name: what pages call it.
        folder: the run.
        workspace: that it belongs to.
        is_quick: whether that is the quick loop's.
    """

    name: str
    folder: RunFolder
    workspace: Workspace
    is_quick: bool

    @property
    def address(self) -> str:
        """Of its page."""
        return address_of(self.name)


def address_of(name: str) -> str:
    """The address of a run's page."""
    return f"/runs/{quote(name, safe=':')}"


def confusions_address(name: str, epoch: int, gesture: str, prediction: str) -> str:
    """The address of the samples behind a cell of an epoch's confusion matrix on val."""
    return "/confusions?" + urlencode({"run": name, "epoch": epoch, "gesture": gesture, "prediction": prediction})


def find(name: str, review: Review) -> KnownRun:
    """A run by its name. Raises `UserError` where there is none."""
    plain = name.removeprefix(QUICK)
    places = [(review.workspace, False), (review.quick, True)]
    for workspace, is_quick in places[name.startswith(QUICK) :]:
        known = _ids(workspace.runs)
        if plain in known:
            clashes = is_quick and plain in _ids(review.workspace.runs)
            return KnownRun(QUICK + plain if clashes else plain, RunFolder(known[plain]), workspace, is_quick)
    raise UserError(f"there is no run {name}; it may have been deleted. All runs are under Runs")


def list_known(review: Review) -> pd.DataFrame:
    """All runs, newest first: as `list_runs`, with `name`, and `is_quick`."""
    usual = list_runs(review.workspace.runs)
    quick = list_runs(review.quick.runs)
    clashes = quick["id"].isin(usual["id"])
    usual = usual.assign(name=usual["id"], is_quick=False)
    quick = quick.assign(name=quick["id"].where(~clashes, QUICK + quick["id"].astype(str)), is_quick=True)
    both = pd.concat([each for each in (usual, quick) if len(each)] or [usual], ignore_index=True)
    return both.sort_values("creation_time", ascending=False, ignore_index=True)


def list_known_kept(review: Review, workspace: Workspace) -> pd.DataFrame:
    """The kept checkpoints of one of the two workspaces: as `list_kept`, with the `name` of each run."""
    kept = list_kept(workspace.runs)
    others = _ids(review.workspace.runs) if workspace is review.quick else {}
    return kept.assign(name=[QUICK + run if run in others else run for run in kept["run"]])


def _ids(runs: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in runs.glob("*/run.json")}
