"""The data that a checkpoint was trained on, where it still lies in a workspace: found by its version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.checkpoint_record import (
    VERSION_COLUMNS,
    VERSION_FIELD,
    data_version,
    read_checkpoint_record,
)
from static_gesture_classification.evaluation.evaluation_set import fits
from static_gesture_classification.samples import read_rows
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.checkpoint import Classifier, checkpoint_digest
from static_gesture_classification.training.inputs import PreparedHands
from static_gesture_classification.workspace import Workspace


@dataclass(frozen=True)
class TrainingData:
    """The prepared hands of all splits, n rows."""

    hands: PreparedHands

    def split(self, name: str) -> PreparedHands:
        """The hands of a split; maybe none."""
        return self.hands.select(np.flatnonzero(self.hands.samples["split"] == name))


@dataclass(frozen=True)
class CheckpointHistory:
    """What is known about a checkpoint beside its weights.

    Args:
        record: its record (`checkpoint_record`), or its run's; {} without one.
        data_version: of its data; None if unknown.
        data: the data themselves; None where they are not there any more.
        missing: why there are no data; "" if there are.
    """

    record: dict[str, Any]
    data_version: str | None
    data: TrainingData | None
    missing: str


def find_history(checkpoint: Path, classifier: Classifier, workspaces: Sequence[Workspace]) -> CheckpointHistory:
    """Find a checkpoint's record, and the workspace whose data have the record's version.

    Args:
        checkpoint: its file.
        classifier: the same, loaded.
        workspaces: to look in: the pipeline's, the quick loop's.
    """
    record = find_record(checkpoint)
    version = record.get("data_version") or _version_of_run(record, checkpoint, workspaces)
    if version is None:
        return CheckpointHistory(
            record, None, None, f"nothing beside {checkpoint.name} says which data it was trained on"
        )
    for hands in _find_prepared(classifier, workspaces, version):
        return CheckpointHistory(record, version, TrainingData(hands), "")
    there = ", ".join(str(classifier.kind.sample_table(each)) for each in workspaces)
    return CheckpointHistory(
        record, version, None, f"the data that it was trained on (version {version}) are not here any more: {there}"
    )


def find_record(checkpoint: Path) -> dict[str, Any]:
    """The record beside a checkpoint, if it belongs to it; else {}."""
    record = read_checkpoint_record(checkpoint.with_suffix(".json")) or {}
    return record if record.get("sha256") in (None, checkpoint_digest(checkpoint)) else {}


def _version_of_run(record: dict[str, Any], checkpoint: Path, workspaces: Sequence[Workspace]) -> str | None:
    """The data version that a checkpoint's run has kept."""
    above = [folder for folder in checkpoint.resolve().parents if (folder / "run.json").is_file()]
    named = [each.runs / str(record["run"]) for each in workspaces] if record.get("run") else []
    for folder in (*above, *named):
        try:
            version = RunFolder.open(folder).values().get(VERSION_FIELD)
        except DataError:
            continue
        if version is not None:
            return str(version)
    return None


def _find_prepared(classifier: Classifier, workspaces: Sequence[Workspace], version: str) -> Iterator[PreparedHands]:
    """The prepared hands of the workspaces that have this data version and fit the classifier."""
    kind = classifier.kind
    for each in workspaces:
        # The pipeline records the version of the first, the quick loop that of the second.
        tables = {kind.sample_table(each), each.split_table}
        try:
            if not any(
                table.is_file() and data_version(read_rows(table, VERSION_COLUMNS)) == version for table in tables
            ):
                continue
            hands = kind.open(each.crops, each.landmarks, each.split_table)
        except DataError:  # half prepared, or of an earlier version
            continue
        if fits(hands, classifier):
            yield hands
