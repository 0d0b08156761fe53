"""MLflow mirrors a run: to a SQLite file by default, or to any tracking URI.

Limits on names and lengths: mlflow/utils/validation.py.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking.run_folder import RunFolder, Scalar, Status
from static_gesture_classification.tracking.trackers import Tracker

MOST_METRICS = 1000  # in one request
MOST_PARAMS = 100
LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 5000
_STATUSES = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
# MLflow's own tags: its pages show a run's origin by them.
_SYSTEM_TAGS = {
    "sys/owner": "mlflow.user",
    "monitoring/command": "mlflow.source.name",
    "source_code/commit": "mlflow.source.git.commit",
    "source_code/branch": "mlflow.source.git.branch",
}


class MLflowTracker(Tracker):
    """Mirrors a run folder to MLflow: series as metrics (steps are epochs), config as params, files as artifacts.

    Single numbers are metrics too, other single values are tags; each of the run's tags is a tag `tag.NAME`. MLflow's
    own telemetry is switched off.

    Args:
        tracking_uri: a database such as `sqlite:///mlflow.db` (relative to the working directory), or a server; None
            means MLFLOW_TRACKING_URI, or else that database.
        experiment: name of the experiment; made when it is missing.
        artifact_location: where a new experiment keeps its artifacts; None leaves it to the tracking store.
        checkpoints: whether the run's checkpoints are copied when it has ended.

    Raises:
        UserError: MLflow is not installed.
    """

    name = "mlflow"

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment: str = "static-gesture-classification",
        artifact_location: str | None = None,
        checkpoints: bool = True,
    ) -> None:
        if importlib.util.find_spec("mlflow") is None:
            raise UserError(
                "logger=mlflow needs MLflow, which is absent: pip install 'static-gesture-classification[mlflow]'"
            )
        self.sends_checkpoints = checkpoints
        self._tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        self._experiment = experiment
        self._artifact_location = artifact_location
        self._client: Any = None
        self._run_id = ""
        self._folder = Path()
        self._last_steps: dict[str, int] = {}

    def start(self, run: RunFolder, known: str | None) -> str:
        """Open the MLflow run with the id `known`, or a new one. See `Tracker.start`."""
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = MlflowClient(self._tracking_uri)
        self._folder = run.path
        self._run_id = self._existing(known) or self._new(run)
        self._last_steps = self._steps_of(self._run_id) if self._run_id == known else {}
        return self._run_id

    def config(self, fields: Mapping[str, Scalar]) -> None:
        """Set params, once: MLflow's cannot change. The file itself becomes the artifact `conf/config.yaml`."""
        from mlflow.entities import Param

        there = self._client.get_run(self._run_id).data.params
        params = {legal_key(field): str(value)[:LONGEST_PARAM] for field, value in fields.items()}
        new = [Param(key, value) for key, value in params.items() if key not in there]
        for some in _chunks(new, MOST_PARAMS):
            self._client.log_batch(self._run_id, params=some)
        self._client.log_artifact(self._run_id, str(self._folder / "config.yaml"), "conf")

    def values(self, fields: Mapping[str, Scalar]) -> None:
        """Set fractional numbers as metrics, everything else as tags."""
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = [
            Metric(legal_key(field), value, now, 0) for field, value in fields.items() if isinstance(value, float)
        ]
        tags = {field: str(value) for field, value in fields.items() if not isinstance(value, float)}
        tags |= {_SYSTEM_TAGS[field]: value for field, value in tags.items() if field in _SYSTEM_TAGS}
        self._client.log_batch(self._run_id, metrics=metrics)
        self._set_tags(tags)

    def tags(self, tags: Sequence[str]) -> None:
        """Set a tag `tag.NAME` for each, remove those that are gone, and `tags` to all of them."""
        there = {key for key in self._client.get_run(self._run_id).data.tags if key.startswith("tag.")}
        wanted = {legal_key(f"tag.{tag}"): "true" for tag in tags}
        for key in sorted(there - wanted.keys()):
            self._client.delete_tag(self._run_id, key)
        self._set_tags(wanted | {"tags": ", ".join(tags)})

    def series(self, rows: pd.DataFrame) -> None:
        """Log metrics in batches, without steps that MLflow has already."""
        from mlflow.entities import Metric

        columns = (rows[name].tolist() for name in ("field", "step", "value", "time"))
        metrics = [
            Metric(key, value, round(seconds * 1000), step)
            for field, step, value, seconds in zip(*columns, strict=True)
            if step > self._last_steps.get(key := legal_key(field), -1)
        ]
        for some in _chunks(metrics, MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=some)
            self._last_steps |= {metric.key: metric.step for metric in some}

    def file(self, field: str, path: Path) -> None:
        """Copy a file to the artifacts, at its field."""
        self._client.log_artifact(self._run_id, str(path), field.rpartition("/")[0] or None)

    def status(self, status: Status) -> None:
        """Set the run's status, and its end when it has ended."""
        if status == "running":
            self._client.update_run(self._run_id, status=_STATUSES[status])
        else:
            self._client.set_terminated(self._run_id, status=_STATUSES[status])

    def _existing(self, known: str | None) -> str | None:
        from mlflow.exceptions import MlflowException

        if not known:
            return None
        try:
            run = self._client.get_run(known)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # another store, or removed there
                return None
            raise
        return known if run.info.lifecycle_stage == "active" else None

    def _new(self, run: RunFolder) -> str:
        created = round(run.created * 1000)
        made = self._client.create_run(self._experiment_id(), start_time=created, run_name=run.run_id)
        return made.info.run_id

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            try:
                return self._client.create_experiment(self._experiment, self._artifact_location)
            except MlflowException:  # another process was quicker
                experiment = self._client.get_experiment_by_name(self._experiment)
                if experiment is None:
                    raise
        return experiment.experiment_id

    def _steps_of(self, run_id: str) -> dict[str, int]:
        """The last step of every metric; a killed process may have sent more than it noted."""
        keys = self._client.get_run(run_id).data.metrics
        return {key: max(metric.step for metric in self._client.get_metric_history(run_id, key)) for key in keys}

    def _set_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        entities = [RunTag(legal_key(key), value[:LONGEST_TAG]) for key, value in tags.items()]
        for some in _chunks(entities, MOST_PARAMS):
            self._client.log_batch(self._run_id, tags=some)


def legal_key(field: str) -> str:
    """A field as a legal MLflow name: letters, digits, `_ - . : /` and spaces, at most 250 characters."""
    return re.sub(r"[^/\w.\- :]", "_", field)[:LONGEST_KEY]


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
