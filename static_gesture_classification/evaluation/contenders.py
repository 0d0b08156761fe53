"""What can be compared: a checkpoint, a run (its best kept epoch), or a predictions table.

Each becomes a `Contender` with its gestures and, if known, the subjects it was trained on. Checkpoints of different
kinds predict the same samples, each from its own input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.checkpoint_record import (
    SUBJECTS_FIELD,
    SUBJECTS_KEY,
    parse_subjects,
    read_checkpoint_record,
)
from static_gesture_classification.evaluation.evaluate import predict
from static_gesture_classification.evaluation.evaluation_set import EvaluationSet, fits, prepare_hands
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    read_predictions,
)
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.crops import CropSettings
from static_gesture_classification.preparation.landmark_store import POINTS
from static_gesture_classification.preparation.landmarks import LandmarkSettings
from static_gesture_classification.samples import SCHEMA, SPLITS
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.run_list import find_run, list_runs
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import (
    Classifier,
    checkpoint_digest,
    load_classifier,
    read_checkpoint,
)
from static_gesture_classification.training.inputs import PreparedHands
from static_gesture_classification.workspace import Workspace


class ContenderSettings(Settings, key="compare"):
    """Where contenders are found, and what a checkpoint predicts from; of `compare`, `paths` and `trainer`.

    Args:
        runs: the folder of all runs.
        crops, landmarks: prepared folders; a checkpoint of another geometry gets its own crops.
        output: new crops and landmarks are kept below it.
        device: torch's name of what checkpoints compute on.
        cutting: how crops are cut, at the checkpoint's own geometry.
        extraction: how landmarks are found.
    """

    runs: Annotated[Path, At("paths.runs")]
    crops: Path
    landmarks: Path
    output: Path
    device: str
    cutting: CropSettings
    extraction: LandmarkSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> ContenderSettings:
        """Of the whole configuration; raises as `read`."""
        device = hardware.torch_device(config.trainer.accelerator)
        return cls.read(config, "compare", device=device, extraction=LandmarkSettings.from_config(config, extract=True))

    def at(self, workspace: Workspace) -> ContenderSettings:
        """The same on what another workspace holds."""
        output = workspace.reports / "compare"
        places = {"runs": workspace.runs, "crops": workspace.crops, "landmarks": workspace.landmarks, "output": output}
        return self.model_copy(update=places)


@dataclass(frozen=True)
class Contender:
    """One of the two that are compared.

    Args:
        name: as it was given.
        gestures: in class order.
        subjects: digests (`checkpoint_record.subject_digests`) of whom it was trained on; None if unknown.
        checkpoint: predicts; None for a predictions table.
        table: the predictions; None for a checkpoint.
    """

    name: str
    gestures: tuple[str, ...]
    subjects: frozenset[str] | None
    checkpoint: Path | None = None
    table: Predictions | None = None

    @property
    def digest(self) -> str | None:
        """SHA-256 of the checkpoint; None for a table."""
        return checkpoint_digest(self.checkpoint) if self.checkpoint else None


def find_contender(given: str, runs: Path) -> Contender:
    """What `given` names: a checkpoint, a run's folder or id, a predictions table or a folder of such.

    Args:
        given: a path, or the id of a run.
        runs: the folder of all runs.

    Raises:
        UserError, DataError: there is nothing of that name, or it cannot be used.
    """
    path = Path(given)
    if path.suffix == ".ckpt":
        return _of_checkpoint(given, path, runs)
    if tables := [path] if path.suffix == ".parquet" else _tables_in(path):
        return _of_tables(given, tables)
    if run := find_run(given, runs):
        return _of_checkpoint(given, run.best_checkpoint(), runs)
    there = ", ".join(list_runs(runs)["id"]) or "none"
    raise UserError(
        f"{given} is no checkpoint (.ckpt), predictions table (.parquet, or a folder with val.parquet) or run; the "
        f"runs in {runs} are: {there}"
    )


def _of_checkpoint(name: str, path: Path, runs: Path) -> Contender:
    gestures = tuple(read_checkpoint(path)["gestures"]["names"])
    return Contender(name, gestures, training_subjects(path, runs), path)


def _of_tables(name: str, paths: Sequence[Path]) -> Contender:
    """Predictions tables: one, or one per split."""
    tables = [read_predictions(path) for path in paths]
    if len({table.gestures for table in tables}) > 1:
        raise DataError(f"the predictions tables in {name} come from classifiers of different gestures; evaluate again")
    predictions = Predictions(pa.concat_tables([table.table for table in tables]), tables[0].gestures)
    return Contender(name, predictions.gestures, _subjects_of_run(_run_above(paths[0])), table=predictions)


def _tables_in(folder: Path) -> list[Path]:
    """The predictions tables per split of a folder, or of its folder `predictions`."""
    for place in (folder, folder / "predictions"):
        if found := [path for split in SPLITS if (path := place / f"{split}.parquet").is_file()]:
            return found
    return []


def training_subjects(checkpoint: Path, runs: Path) -> frozenset[str] | None:
    """Digests of the subjects a checkpoint was trained on: from its run folder, else from the record beside it.

    None if unknown, or if the record belongs to another checkpoint.
    """
    if run := _run_above(checkpoint):
        return _subjects_of_run(run)
    record = read_checkpoint_record(checkpoint.with_suffix(".json")) or {}
    if record.get("sha256") not in (None, checkpoint_digest(checkpoint)):
        return None
    if isinstance(record.get(SUBJECTS_KEY), str):
        return parse_subjects(str(record[SUBJECTS_KEY]))
    return _subjects_of_run(runs / str(record["run"])) if "run" in record else None


def _subjects_of_run(run: Path | None) -> frozenset[str] | None:
    seen = RunFolder.open(run).file(SUBJECTS_FIELD) if run is not None and (run / "run.json").is_file() else None
    return None if seen is None else parse_subjects(seen.read_text(encoding="utf-8"))


def _run_above(path: Path) -> Path | None:
    """The run folder that a file lies in."""
    return next((folder for folder in path.resolve().parents if (folder / "run.json").is_file()), None)


def predict_samples(samples: pd.DataFrame, contender: Contender, settings: ContenderSettings) -> Predictions:
    """A contender's predictions of samples, in their order; samples without a prediction are left out.

    Args:
        samples: n rows of a sample table, of one split.
        contender: a table may hold some of the samples only; a checkpoint predicts from the prepared crops or
            landmarks, or from its own if these do not fit.
        settings: where crops and landmarks are.
    """
    if contender.table is not None:
        return take_stored(samples, contender.table)
    assert contender.checkpoint is not None
    classifier, split = load_classifier(contender.checkpoint, settings.device), str(samples["split"].iloc[0])
    hands = open_hands(samples, classifier, settings)
    if hands is None:
        geometry = (
            f"{classifier.crop_size}-{classifier.crop_margin}" if classifier.kind.needs_crops else classifier.input
        )
        whole = samples.reindex(columns=SCHEMA.names).fillna({"source_label": ""}).assign(landmarks=None)
        folder = settings.output / "prepared" / f"{split}-{geometry}"
        hands = prepare_hands(whole, folder, classifier, settings.cutting, settings.extraction)
    return predict(EvaluationSet(split, hands, {}), classifier)


def take_stored(samples: pd.DataFrame, table: Predictions) -> Predictions:
    """The rows of a predictions table for these samples, in their order; its train rows do not count."""
    usable = table.table.filter(pa.array(table.column("split") != "train"))
    at = pd.Index(usable.column("sample_id").to_pandas()).get_indexer(samples["sample_id"])
    return Predictions(usable.take(pa.array(at[at >= 0])), table.gestures)


def open_hands(samples: pd.DataFrame, classifier: Classifier, settings: ContenderSettings) -> PreparedHands | None:
    """The prepared hands of samples; None if they do not fit the classifier, or some are missing."""
    kind = classifier.kind
    needed = [settings.crops / CROPS_FILE] * kind.needs_crops + [settings.landmarks / POINTS] * kind.needs_landmarks
    if not all(path.is_file() for path in needed):
        return None
    hands = kind.open(settings.crops, settings.landmarks, settings.crops / "samples.parquet", ["sample_id"])
    rows = pd.Index(hands.samples["sample_id"]).get_indexer(pd.Index(samples["sample_id"]))
    if not fits(hands, classifier) or (rows < 0).any():
        return None
    return replace(hands.select(rows), samples=samples.reset_index(drop=True))
