"""What a checkpoint is evaluated on: samples of a split with crops at the checkpoint's own geometry, or landmarks.

The pipeline hands over crops or landmarks, and splits, that are made already. Alone, `evaluate` reads the configured
sources, cuts the crops or extracts the landmarks itself, and keeps them below its output, where a repeated evaluation
finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.sample_pictures import CutPictures, Pictures
from static_gesture_classification.file_data import read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks
from static_gesture_classification.preparation.split import SplitSettings, split_samples
from static_gesture_classification.samples import read_rows, read_samples, write_samples
from static_gesture_classification.settings import Settings
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import say
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import LANDMARKS, Classifier
from static_gesture_classification.workspace import Workspace

ALL = "all"
OFFICIAL, ASSIGNED, NONE = "official", "assigned", "none"


class PreparedInputs(Settings):
    """Folders of what is prepared already; of `evaluation`.

    Args:
        crops, landmarks: for a checkpoint of either kind; None prepares the sources.
        samples: sample table with splits that goes with the crops; None takes the one beside them.
    """

    crops: Path | None = None
    landmarks: Path | None = None
    samples: Path | None = None

    def folder(self, classifier: Classifier) -> Path | None:
        """Of what the classifier sees."""
        return self.landmarks if classifier.input == LANDMARKS else self.crops


class EvaluateSettings(Settings):
    """What is evaluated, on what, and where results go; and what samples of the sources are prepared with.

    Args:
        checkpoint: what is evaluated.
        split: None takes all samples of the sources; of what is prepared, val and test.
        output: folder of the results; what is prepared for them lies below it.
        prepared: what is evaluated on, where it is prepared already.
        bootstrap: resamples for the confidence interval.
        seed: of the resampling and of the assignment of splits.
        device: torch's name of what the checkpoint computes on.
        threads: processor threads; None takes one per core.
        runs: the folder of all runs.
        vocabulary, sources, label_fixes: what the sources hold.
        max_rejected_share: of the sources' entries.
        crops: of the crops that splits are assigned by.
        division: how samples without a published split are divided.
        extraction: how landmarks are found.
    """

    checkpoint: Path
    split: Literal["train", "val", "test"] | None
    output: Path
    prepared: PreparedInputs
    bootstrap: int = Field(ge=0)
    seed: int
    device: str
    threads: int | None
    runs: Path
    vocabulary: Vocabulary
    sources: Sources
    label_fixes: Path
    max_rejected_share: float = Field(ge=0, le=1)
    crops: CropSettings
    division: SplitSettings
    extraction: LandmarkSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> EvaluateSettings:
        """Of the whole configuration."""
        return cls.read(
            config,
            "",
            prepared=PreparedInputs.read(config, "evaluation"),
            bootstrap=config.evaluation.bootstrap,
            device=hardware.torch_device(config.trainer.accelerator),
            threads=config.trainer.threads,
            runs=config.paths.runs,
            vocabulary=Vocabulary.from_config(config),
            sources=Sources.from_config(config),
            label_fixes=config.label_issues.fixes,
            max_rejected_share=config.index.max_rejected_share,
            crops=CropSettings.from_config(config),
            division=SplitSettings.from_config(config),
            extraction=LandmarkSettings.from_config(config, extract=True),
        )


@dataclass(frozen=True)
class EvaluationSet:
    """Samples to evaluate on.

    Args:
        name: "val", "test", "train", or "all" where no split was asked for.
        samples: sample table of n rows.
        crops: (m, size, size, 3) uint8 RGB; for a landmark classifier pictures to look at, cut when they are.
        rows: (n,) the crop of each sample.
        split_by: per source, where its split comes from: "official" (published), "assigned" (by the rules of the split
            stage, with the configuration's seed and shares), or "none" where all samples are taken.
        points: (m, 21, 2) float32 for a landmark classifier, `rows` as of crops; NaN where no hand was found.
    """

    name: str
    samples: pd.DataFrame
    crops: Pictures
    rows: np.ndarray
    split_by: dict[str, str]
    points: np.ndarray | None = None


def evaluation_sets(settings: EvaluateSettings, classifier: Classifier) -> Iterator[EvaluationSet]:
    """What the settings ask for: what is prepared where they name it, else the sources.

    Raises:
        UserError, DataError: the crops do not fit the checkpoint, or nothing is left to evaluate on.
    """
    if folder := settings.prepared.folder(classifier):
        yield from prepared_sets(folder, settings, classifier)
    else:
        yield source_set(settings, classifier)


def split_table(workspace: Workspace, seen: str) -> Path:
    """The sample table with splits of what models see: crops have the split stage's, landmarks one of their own."""
    return workspace.landmarks / "samples.parquet" if seen == LANDMARKS else workspace.split_table


def prepared_sets(folder: Path, settings: EvaluateSettings, classifier: Classifier) -> Iterator[EvaluationSet]:
    """The split asked for, or val and test, of what is prepared; a split without samples is left out, saying so."""
    table, samples, crops, points = open_prepared(folder, settings.prepared, classifier)
    wanted = [settings.split] if settings.split else ["val", "test"]
    if not samples["split"].isin(wanted).any():
        raise DataError(f"{table} has no sample in {' or '.join(wanted)}; {_there_is(samples)}")
    for split in wanted:
        rows = np.flatnonzero(samples["split"] == split)
        if len(rows):
            yield EvaluationSet(split, samples.iloc[rows].reset_index(drop=True), crops, rows, {}, points)
        else:
            say(f"no sample in {split}; {_there_is(samples)}")


def open_prepared(
    folder: Path, prepared: PreparedInputs, classifier: Classifier
) -> tuple[Path, pd.DataFrame, Pictures, np.ndarray | None]:
    """The sample table's path and rows, pictures of the rows, and of landmarks the points.

    Raises:
        UserError, DataError: crops that do not fit the checkpoint, or a table that does not fit them.
    """
    if classifier.input == LANDMARKS:
        points, samples = open_landmarks(folder)
        return folder / "samples.parquet", samples, CutPictures(samples, points), points
    crops = open_crops(folder)
    check_geometry(folder, crops, classifier)
    table = prepared.samples or folder / "samples.parquet"
    samples = read_rows(table)
    if len(samples) != len(crops):
        raise DataError(f"{table} has {len(samples):,} rows, {folder} {len(crops):,} crops; run dvc repro")
    return table, samples, crops, None


def check_geometry(folder: Path, crops: np.ndarray, classifier: Classifier) -> None:
    """Raise `UserError` where prepared crops have another size or margin than the checkpoint was trained on."""
    report = folder / "report.json"
    made = read_json(report, dict[str, Any], "make the crops anew (dvc repro)") if report.is_file() else {}
    size, margin = crops.shape[1], made.get("margin", classifier.crop_margin)
    if (size, margin) != (classifier.crop_size, classifier.crop_margin):
        raise UserError(
            f"the crops in {folder} have size {size} and margin {margin}, the checkpoint was trained on size "
            f"{classifier.crop_size} and margin {classifier.crop_margin}; leave out evaluation.crops, so that crops "
            "are made for it"
        )


def source_set(settings: EvaluateSettings, classifier: Classifier) -> EvaluationSet:
    """Samples of the configured sources, of one split or all, cropped as the checkpoint wants it, or with landmarks.

    Raises:
        DataError: the sources have no sample in the split; says which splits they have.
    """
    samples = source_samples(settings)
    if classifier.input == LANDMARKS:
        return landmark_source_set(samples, settings)
    crops, samples = cut_crops(samples, settings, settings.crops.at(classifier.crop_size, classifier.crop_margin))
    if settings.split is None:
        return EvaluationSet(ALL, samples, crops, np.arange(len(samples)), no_splits(samples))
    samples, split_by = fill_splits(samples, crops, settings)
    rows = rows_in(samples, settings.split)
    return EvaluationSet(settings.split, samples.iloc[rows].reset_index(drop=True), crops, rows, split_by)


def source_samples(settings: EvaluateSettings) -> pd.DataFrame:
    """All samples of the sources that may be in the split: those of it, and those without a published split."""
    fixes = read_label_fixes(settings.label_fixes, settings.vocabulary)
    samples, _ = read_sources(settings.sources, settings.vocabulary, settings.max_rejected_share, fixes)
    if settings.split is None:
        return samples
    needed = samples[~has_official_split(samples) | (samples["split"] == settings.split)].reset_index(drop=True)
    if needed.empty:
        raise DataError(f"no sample in the split {settings.split}; {_there_is(samples)}")
    return needed


def landmark_source_set(samples: pd.DataFrame, settings: EvaluateSettings) -> EvaluationSet:
    """Samples with landmarks, extracted where the source publishes none; see `source_set`."""
    split_by = no_splits(samples)
    if settings.split is not None:
        samples, split_by = fill_splits_by_pictures(samples, settings)
        samples = samples.iloc[rows_in(samples, settings.split)].reset_index(drop=True)
    folder = settings.output / "prepared"
    write_samples(samples, folder / "landmark_samples.parquet")
    build_landmarks(folder / "landmark_samples.parquet", None, folder / "landmarks", settings.extraction)
    points, samples = open_landmarks(folder / "landmarks")
    rows = np.arange(len(samples))
    return EvaluationSet(settings.split or ALL, samples, CutPictures(samples, points), rows, split_by, points)


def cut_crops(
    samples: pd.DataFrame, settings: EvaluateSettings, crops: CropSettings
) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops, kept below the output, and the samples that could be cropped."""
    folder = settings.output / "prepared"
    write_samples(samples, folder / "samples.parquet")
    build_crops(folder / "samples.parquet", folder / "crops", crops)
    return open_crops(folder / "crops"), read_samples(folder / "crops" / "samples.parquet")


def fill_splits_by_pictures(samples: pd.DataFrame, settings: EvaluateSettings) -> tuple[pd.DataFrame, dict[str, str]]:
    """As `fill_splits`, on crops that are cut for it as the crops stage would, where a source publishes no split."""
    official = has_official_split(samples)
    if official.all():
        return fill_splits(samples, np.zeros((0, 1, 1, 3), np.uint8), settings)
    own = samples[~official].reset_index(drop=True)
    crops, own = cut_crops(own, settings, settings.crops.at(settings.crops.size, settings.crops.margin))
    own, split_by = fill_splits(own, crops, settings)
    return pd.concat([samples[official], own], ignore_index=True), splits_by(samples[official]) | split_by


def fill_splits(
    samples: pd.DataFrame, crops: np.ndarray, settings: EvaluateSettings
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fill in the splits of sources that publish none, as the split stage would; says per source whose they are."""
    rows, split_by = np.flatnonzero(~has_official_split(samples)), splits_by(samples)
    if len(rows):
        own = samples.iloc[rows].reset_index(drop=True)
        # A split that lacks a gesture can be evaluated on, so it is no reason to stop, as it is for training.
        division = settings.division.model_copy(update={"incomplete": "warn"})
        assigned, _ = split_samples(own, crops[rows], division, settings.vocabulary)
        samples = samples.copy()
        samples.loc[rows, "split"] = assigned["split"].to_numpy()
    return samples, split_by


def has_official_split(samples: pd.DataFrame) -> pd.Series:
    """Whether the source of each sample publishes a split."""
    return samples["source"].isin(set(samples.loc[samples["split"] != "", "source"]))


def splits_by(samples: pd.DataFrame) -> dict[str, str]:
    """Per source, whose its splits are, or will be."""
    official = dict(zip(samples["source"], has_official_split(samples), strict=True))
    return {source: OFFICIAL if official[source] else ASSIGNED for source in sorted(official)}


def no_splits(samples: pd.DataFrame) -> dict[str, str]:
    """Per source, that all its samples are taken."""
    return dict.fromkeys(sorted(set(samples["source"])), NONE)


def rows_in(samples: pd.DataFrame, split: str) -> np.ndarray:
    """Rows of a split. Raises `DataError` where there are none; says which splits there are."""
    rows = np.flatnonzero(samples["split"] == split)
    if not len(rows):
        raise DataError(f"no sample in the split {split}; {_there_is(samples)}")
    return rows


def _there_is(samples: pd.DataFrame) -> str:
    counts = samples["split"].replace("", "without a split").value_counts()
    return (
        f"there are {', '.join(f'{count:,} {name}' for name, count in counts.items())}; choose another with split=..."
    )
