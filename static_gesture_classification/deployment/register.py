"""Make a checkpoint a version of a model in MLflow's registry (https://mlflow.org/docs/latest/ml/model-registry/).

    gestures register [register.tracking_uri=http://server:5000]

The version's files are the checkpoint and its record; its tags say where it comes from and how it scored. A checkpoint
that is a version already gets no second one. Fetch it elsewhere with
`mlflow artifacts download --artifact-uri models:/gesture-classifier@best --dst-path models`.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import say
from static_gesture_classification.training.checkpoint import checkpoint_digest, read_checkpoint

FILES = "checkpoint"  # the folder of the run's artifacts
SHA256 = "sha256"  # the tag that tells which checkpoint a version is


class RegisterSettings(Settings):
    """What to register, and where; `register` of the configuration.

    Args:
        checkpoint: file.
        name: of the model in the registry.
        alias: that names the newest version; None for none.
        tracking_uri: a database or a server; None: MLFLOW_TRACKING_URI, else a database here.
        experiment: whose run holds the files.
        artifact_location: of a new experiment; None leaves it to the tracking store.
    """

    checkpoint: Path
    name: str = Field(min_length=1, pattern=r"^[^/:]+$")
    alias: str | None
    tracking_uri: str | None
    experiment: str
    artifact_location: str | None

    @classmethod
    def from_config(cls, config: DictConfig) -> RegisterSettings:
        """Those of the command."""
        return cls.read(config, "register")


@entry_point
def main(config: DictConfig) -> None:
    """Register it."""
    register(RegisterSettings.from_config(config))


def register(settings: RegisterSettings) -> str:
    """Register the checkpoint; returns the number of its version.

    Raises:
        UserError: MLflow is not installed or cannot be reached, or there is no such checkpoint.
    """
    entries, digest = read_checkpoint(settings.checkpoint), checkpoint_digest(settings.checkpoint)
    record = read_checkpoint_record(settings.checkpoint.with_suffix(".json")) or {}
    tags = {SHA256: str(digest), **_facts(entries, record)}
    client = _client(settings)
    from mlflow.exceptions import MlflowException

    try:
        version = _existing(client, settings.name, str(digest)) or _add(client, settings, tags)
        if settings.alias:
            client.set_registered_model_alias(settings.name, settings.alias, version)
    except MlflowException as error:
        raise UserError(f"MLflow's registry cannot be used ({error}); check register.tracking_uri") from error
    alias = f" (@{settings.alias})" if settings.alias else ""
    say(f"{settings.checkpoint} is version {version} of models:/{settings.name}{alias}")
    return version


def _client(settings: RegisterSettings) -> Any:
    if importlib.util.find_spec("mlflow") is None:
        raise UserError(
            "gestures register needs MLflow, which is absent: pip install 'static-gesture-classification[mlflow]'"
        )
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def _facts(entries: dict[str, Any], record: dict[str, Any]) -> dict[str, str]:
    """The tags of a version: its origin, its gestures, its scores. People are not among them."""
    facts = {"model": entries["model"]["name"], "gestures": ", ".join(entries["gestures"]["names"])}
    facts |= {name: record[name] for name in ("run", "epoch", "data_version") if record.get(name) is not None}
    facts |= {f"score.{name}": score for name, score in (entries.get("scores") or {}).items()}
    return {name: str(value)[:5000] for name, value in facts.items()}


def _existing(client: Any, name: str, digest: str) -> str | None:
    """The version that this checkpoint is already."""
    versions = client.search_model_versions(f"name = '{name}'")
    return next((str(each.version) for each in versions if each.tags.get(SHA256) == digest), None)


def _add(client: Any, settings: RegisterSettings, tags: dict[str, str]) -> str:
    """Copy the files to a run of their own, and make them a version."""
    known, place = client.get_experiment_by_name(settings.experiment), settings.artifact_location
    experiment = known.experiment_id if known else client.create_experiment(settings.experiment, place)
    run = client.create_run(experiment, run_name=f"{settings.name} {tags[SHA256][:8]}", tags=tags)
    for path in (settings.checkpoint, settings.checkpoint.with_suffix(".json")):
        if path.is_file():
            client.log_artifact(run.info.run_id, str(path), FILES)
    client.set_terminated(run.info.run_id)
    if not client.search_registered_models(f"name = '{settings.name}'"):
        client.create_registered_model(settings.name)
    source = f"{run.info.artifact_uri}/{FILES}"
    return str(client.create_model_version(settings.name, source, run.info.run_id, tags=tags).version)


if __name__ == "__main__":
    main()
