"""The interface of trackers, which hold a copy of a run. Each has one file, and one conf/logger/NAME.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking.run_folder import RunFolder, Scalar, Status


class Tracker(Protocol):
    """A service or store that a run folder is mirrored to. Every method may raise; the mirror handles it.

    Methods are called from one thread, `start` first. A call may be repeated with the same content (after an error or a
    kill); this must not leave duplicates.

    Attributes:
        name: the name in conf/logger/.
        sends_checkpoints: whether it wants the checkpoints when the run has ended.
    """

    name: str
    sends_checkpoints: bool

    def start(self, run: RunFolder, known: str | None) -> str | None:
        """Open the tracker's run with the id `known`, else a new one; returns the id to keep.

        None means that the tracker's run is new, and cannot be resumed by another process.
        """

    def config(self, fields: Mapping[str, Scalar]) -> None:
        """Set the configuration: conf/... fields."""

    def values(self, fields: Mapping[str, Scalar]) -> None:
        """Set single values."""

    def tags(self, tags: Sequence[str]) -> None:
        """Set the tags."""

    def series(self, rows: pd.DataFrame) -> None:
        """Append to series: columns field, step, value, time (seconds since 1970), steps ascending in each field."""

    def file(self, field: str, path: Path) -> None:
        """Store a file under its field, replacing an earlier one."""

    def status(self, status: Status) -> None:
        """Set the status."""

    def flush(self) -> None:
        """Wait until everything given so far is stored."""

    def close(self) -> None:
        """End the connection; the tracker's run stays."""


def from_config(config: DictConfig) -> list[Tracker]:
    """The trackers selected by `logger=[...]`, in that order; none for `logger=[]`.

    Raises:
        UserError: a tracker's package or client module is not installed, or it cannot be built as configured.
    """
    return [_build(str(name), node) for name, node in (config.get("logger") or {}).items() if node]


def flatten(config: Mapping[str, Any], prefix: str = "conf") -> dict[str, Scalar]:
    """Nested configuration to fields: `{"model": {"name": "resnet18"}}` -> `{"conf/model/name": "resnet18"}`.

    Lists become JSON; a null becomes "None", as in the trackers' own loggers.
    """
    fields: dict[str, Scalar] = {}
    for key, value in config.items():
        field = f"{prefix}/{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            fields |= flatten(value, field)
        elif isinstance(value, str | int | float | bool):
            fields[field] = value
        else:
            fields[field] = "None" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return fields


def _build(name: str, node: Any) -> Tracker:
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise UserError(f"logger.{name} cannot be built as configured: {error.__cause__ or error}") from error
