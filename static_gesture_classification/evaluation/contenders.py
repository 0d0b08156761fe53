"""What can be compared: a checkpoint, a run (its best kept epoch), or predictions that were written down.

Each becomes a `Contender`: the gestures it tells apart, whom it was trained on as far as that is known, and what it
says about samples. Checkpoints of either kind look at the same samples, each at its own input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.checkpoint_record import parse_subjects, read_record
from static_gesture_classification.evaluation.epoch_callback import PEOPLE_FIELD
from static_gesture_classification.evaluation.evaluate import predicted, torch_device
from static_gesture_classification.evaluation.evaluation_set import EvaluationSet, check_geometry
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    read_predictions,
)
from static_gesture_classification.evaluation.runs import best_kept, checkpoints_by_epoch
from static_gesture_classification.evaluation.sample_pictures import CutPictures
from static_gesture_classification.preparation.crops import build_crops, open_crops
from static_gesture_classification.preparation.landmark_store import POINTS, open_landmarks
from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks, settings_of
from static_gesture_classification.samples import SCHEMA, SPLITS, read_rows, write_samples
from static_gesture_classification.settings import Settings
from static_gesture_classification.tracking.run_folder import RunFolder, list_runs
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import (
    LANDMARKS,
    Classifier,
    checkpoint_digest,
    load_classifier,
    read_checkpoint,
)

PEOPLE, RUN, TRAIN = "people_trained_on", "run", "train"


class ContenderSettings(Settings):
    """Where contenders are found, and what a checkpoint among them looks at; of `compare`, `paths` and `trainer`.

    Args:
        runs: the folder of all runs.
        crops, landmarks: folders of what is prepared; a checkpoint of another geometry gets crops of its own.
        output: crops and landmarks that are made now are kept below it.
        device: torch's name of what checkpoints compute on.
        max_rejected_share: of the samples that cannot be cropped.
        extraction: how landmarks are found.
    """

    runs: Path
    crops: Path
    landmarks: Path
    output: Path
    device: str
    max_rejected_share: float = Field(ge=0, le=1)
    extraction: LandmarkSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> ContenderSettings:
        """Of the whole configuration."""
        return cls.read(
            config,
            "compare",
            runs=config.paths.runs,
            device=hardware.torch_device(config.trainer.accelerator),
            max_rejected_share=config.crops.max_rejected_share,
            extraction=settings_of(config, extract=True),
        )


@dataclass(frozen=True)
class Contender:
    """One of the two that are compared.

    Args:
        name: as it was given.
        gestures: those it tells apart, in class order.
        people: digests (`checkpoint_record.subject_digests`) of the people it was trained on; None where nobody knows.
        checkpoint: what predicts; None where predictions were written down.
        table: what was written down, rows of its train split left out; None where there is a checkpoint.
    """

    name: str
    gestures: tuple[str, ...]
    people: frozenset[str] | None
    checkpoint: Path | None = None
    table: Predictions | None = None

    @property
    def digest(self) -> str | None:
        """SHA-256 of the checkpoint; None for a table."""
        return checkpoint_digest(self.checkpoint) if self.checkpoint else None


def contender(given: str, config: DictConfig) -> Contender:
    """What `given` names: a checkpoint, a run's folder or id, a predictions table or a folder of such.

    Raises:
        UserError, DataError: there is nothing of that name, or it cannot be used; says what there is.
    """
    path, runs = Path(given), Path(config.paths.runs)
    if path.suffix == ".ckpt":
        return of_checkpoint(given, path, runs)
    if path.suffix == ".parquet" or tables_in(path):
        return of_tables(given, [path] if path.suffix == ".parquet" else tables_in(path))
    for folder in (path, runs / given):
        if (folder / "run.json").is_file():
            return of_run(given, RunFolder.open(folder), runs)
    there = ", ".join(list_runs(runs)["id"]) or "none"
    raise UserError(
        f"{given} is no checkpoint (.ckpt), predictions table (.parquet, or a folder with val.parquet) or run; the "
        f"runs in {runs} are: {there}"
    )


def of_checkpoint(name: str, path: Path, runs: Path) -> Contender:
    """A checkpoint, with the people of its record or run."""
    entries = read_checkpoint(path)
    return Contender(name, tuple(entries["gestures"]["names"]), people_of(path, runs), path)


def of_run(name: str, run: RunFolder, runs: Path) -> Contender:
    """A run: its kept epoch with the highest weighted F1 on val."""
    kept = checkpoints_by_epoch(run)
    if not kept:
        raise UserError(f"{run.path} has no checkpoint; train it first, or compare another")
    return of_checkpoint(name, kept[best_kept(run, list(kept))], runs)


def of_tables(name: str, paths: Sequence[Path]) -> Contender:
    """Predictions that were written down: one table, or one per split."""
    tables = [read_predictions(path) for path in paths]
    if len({table.gestures for table in tables}) > 1:
        raise DataError(f"the predictions tables in {name} come from classifiers of different gestures; evaluate again")
    rows = pa.concat_tables([table.table for table in tables])
    said = Predictions(rows, tables[0].gestures)
    return Contender(name, said.gestures, people_of_run(run_above(paths[0])), table=said)


def tables_in(folder: Path) -> list[Path]:
    """The predictions tables per split of a folder, or of its folder `predictions`."""
    for place in (folder, folder / "predictions"):
        found = [place / f"{split}.parquet" for split in SPLITS if (place / f"{split}.parquet").is_file()]
        if found:
            return found
    return []


def people_of(checkpoint: Path, runs: Path) -> frozenset[str] | None:
    """Whom a checkpoint was trained on: by the record beside it that belongs to it, else by its run."""
    run = run_above(checkpoint)
    if run is not None:
        return people_of_run(run)
    record = read_record(checkpoint.with_suffix(".json")) or {}
    if record.get("sha256") not in (None, checkpoint_digest(checkpoint)):
        return None
    if isinstance(record.get(PEOPLE), str):
        return parse_subjects(str(record[PEOPLE]))
    return people_of_run(runs / str(record[RUN])) if RUN in record else None


def people_of_run(run: Path | None) -> frozenset[str] | None:
    """Whom a run was trained on, None where it does not say."""
    seen = RunFolder.open(run).file(PEOPLE_FIELD) if run is not None and (run / "run.json").is_file() else None
    return None if seen is None else parse_subjects(seen.read_text(encoding="utf-8"))


def run_above(path: Path) -> Path | None:
    """The run folder that a file lies in."""
    return next((folder for folder in path.resolve().parents if (folder / "run.json").is_file()), None)


def said_about(samples: pd.DataFrame, contender: Contender, config: DictConfig) -> Predictions:
    """What a contender says about samples, in their order, without those that it has no prediction of.

    Args:
        samples: n rows of a sample table, of one split.
        contender: a table holds some of the samples; a checkpoint looks at prepared crops or landmarks
            (`compare.crops`, `compare.landmarks`), where they do not fit at its own.
        config: the whole configuration.
    """
    if contender.table is not None:
        return written_down(samples, contender.table)
    assert contender.checkpoint is not None
    classifier = load_classifier(contender.checkpoint, torch_device(config))
    data = landmarks_for(samples, config) if classifier.input == LANDMARKS else crops_for(samples, classifier, config)
    return predicted(data, classifier)


def written_down(samples: pd.DataFrame, table: Predictions) -> Predictions:
    """The rows of a predictions table that are about these samples, in their order; its train rows do not count."""
    usable = table.table.filter(pa.array(table.column("split") != TRAIN))
    at = pd.Index(usable.column("sample_id").to_pandas()).get_indexer(samples["sample_id"])
    return Predictions(usable.take(pa.array(at[at >= 0])), table.gestures)


def landmarks_for(samples: pd.DataFrame, config: DictConfig) -> EvaluationSet:
    """Samples with landmarks: the prepared ones, or found now and kept below the output."""
    split = str(samples["split"].iloc[0])
    if (Path(config.compare.landmarks) / POINTS).is_file():
        points, table = open_landmarks(Path(config.compare.landmarks))
        at = pd.Index(table["sample_id"]).get_indexer(pd.Index(samples["sample_id"]))
        if (at >= 0).all():
            return EvaluationSet(split, samples, CutPictures(samples), at, {}, points)
    folder = Path(config.compare.output) / "prepared" / f"{split}-landmarks"
    write_samples(whole(samples), folder / "samples.parquet")
    build_landmarks(folder / "samples.parquet", None, folder / "landmarks", settings_of(config, extract=True))
    points, found = open_landmarks(folder / "landmarks")
    return EvaluationSet(split, found, CutPictures(found), np.arange(len(found)), {}, points)


def crops_for(samples: pd.DataFrame, classifier: Classifier, config: DictConfig) -> EvaluationSet:
    """Samples with crops at the classifier's geometry: the prepared ones, or cut now and kept below the output."""
    folder, split = Path(config.compare.crops), str(samples["split"].iloc[0])
    if (folder / "crops.npy").is_file() and fits(folder, classifier):
        at = pd.Index(read_rows(folder / "samples.parquet")["sample_id"]).get_indexer(pd.Index(samples["sample_id"]))
        if (at >= 0).all():
            return EvaluationSet(split, samples, open_crops(folder), at, {})
    folder = Path(config.compare.output) / "prepared" / f"{split}-{classifier.crop_size}-{classifier.crop_margin}"
    write_samples(whole(samples), folder / "samples.parquet")
    build_crops(
        folder / "samples.parquet",
        folder / "crops",
        classifier.crop_size,
        classifier.crop_margin,
        config.crops.max_rejected_share,
    )
    crops = open_crops(folder / "crops")
    return EvaluationSet(split, read_rows(folder / "crops" / "samples.parquet"), crops, np.arange(len(crops)), {})


def whole(samples: pd.DataFrame) -> pd.DataFrame:
    """Samples with all columns of a sample table."""
    return samples.reindex(columns=SCHEMA.names).fillna({"source_label": ""}).assign(landmarks=None)


def fits(crops: Path, classifier: Classifier) -> bool:
    """Whether prepared crops have the classifier's size and margin."""
    try:
        check_geometry(crops, open_crops(crops), classifier)
    except UserError:
        return False
    return True
