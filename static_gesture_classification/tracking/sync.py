"""Send a run folder to trackers: a run without trackers, or the rest that they missed.

gestures sync run=runs/RUN logger=mlflow
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import say
from static_gesture_classification.tracking import trackers
from static_gesture_classification.tracking.mirror import Mirror, describe_error
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.run_list import require_run
from static_gesture_classification.tracking.trackers import Tracker


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
        raise UserError(f"tracker {tracker.name}: {describe_error(error)}") from error


@entry_point
def main(config: DictConfig) -> None:
    """Mirror the run folder `run` to the trackers selected by `logger`."""
    run = require_run(config.sync.run, Path(config.paths.runs))
    chosen = trackers.from_config(config)
    if not chosen:
        raise UserError("name the trackers: logger=mlflow, logger=neptune or logger=[neptune,mlflow]")
    for tracker in chosen:
        sync(run, tracker)
        say(f"{tracker.name} has all of {run.path}")


if __name__ == "__main__":
    main()
