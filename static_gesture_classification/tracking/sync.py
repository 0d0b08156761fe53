"""Send a run to trackers from its folder: one that ran without them, or that they missed a part of.

gestures sync run=runs/RUN logger=mlflow
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import console
from static_gesture_classification.tracking.mirror import Mirror, described
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.tracker import Tracker, trackers_from_config


def sync(run: RunFolder, tracker: Tracker) -> None:
    """Bring a tracker up to date with a run that no process writes.

    Raises:
        UserError: the run goes on, or the tracker fails.
    """
    if run.status == "running":
        raise UserError(f"{run.path} is still being written; its trackers follow it, or send it when it has ended")
    mirror = Mirror(run, tracker)
    try:
        mirror.update()
        mirror.close()
    except Exception as error:
        raise UserError(f"tracker {tracker.name}: {described(error)}") from error


def selected_run(config: DictConfig) -> RunFolder:
    """The run folder that `run=...` names. Raises `UserError` when it names none."""
    if not config.run:
        raise UserError(f"say which run: run={config.paths.runs}/RUN; there are {_names(Path(config.paths.runs))}")
    return RunFolder.open(Path(config.run))


@entry_point
def main(config: DictConfig) -> None:
    """Mirror the run folder `run` to the trackers selected by `logger`."""
    run = selected_run(config)
    trackers = trackers_from_config(config)
    if not trackers:
        raise UserError("say where to: logger=mlflow, logger=neptune or logger=[neptune,mlflow]")
    for tracker in trackers:
        sync(run, tracker)
        console.print(f"{tracker.name} has all of {run.path}", highlight=False, markup=False)


def _names(runs_root: Path) -> str:
    names = sorted(path.parent.name for path in runs_root.glob("*/run.json"))
    return ", ".join(names) or f"no runs in {runs_root} yet"


if __name__ == "__main__":
    main()
