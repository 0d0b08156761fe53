"""What a checkpoint is evaluated on: samples of a split with crops at the checkpoint's own geometry, or landmarks.

The pipeline hands over crops or landmarks, and splits, that are made already. Alone, `evaluate` reads the configured
sources, cuts the crops or extracts the landmarks itself, and keeps them below its output, where a repeated evaluation
finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.pictures import CutPictures, Pictures
from static_gesture_classification.file_data import read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import build_crops, open_crops
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.preparation.landmarks import build_landmarks, settings_of
from static_gesture_classification.preparation.split import assign_splits
from static_gesture_classification.samples import SPLITS, read_rows, read_samples, write_samples
from static_gesture_classification.sources.source import sources_from_config
from static_gesture_classification.terminal import console
from static_gesture_classification.training.checkpoint import LANDMARKS, Classifier

ALL = "all"
OFFICIAL, ASSIGNED, NONE = "official", "assigned", "none"


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


def evaluation_sets(config: DictConfig, classifier: Classifier) -> Iterator[EvaluationSet]:
    """What the configuration asks for: what is prepared where `evaluation` names it, else the sources.

    Raises:
        UserError, DataError: the crops do not fit the checkpoint, or nothing is left to evaluate on.
    """
    if config.split not in (None, *SPLITS):
        raise UserError(f"split is {config.split!r}; it is one of {', '.join(SPLITS)}, or null for all samples")
    if prepared_inputs(config, classifier):
        yield from prepared_sets(config, classifier)
    else:
        yield source_set(config, classifier)


def prepared_inputs(config: DictConfig, classifier: Classifier) -> Path | None:
    """The folder of prepared crops or landmarks, whichever the checkpoint sees, that `evaluation` names, or None."""
    folder = config.evaluation.landmarks if classifier.input == LANDMARKS else config.evaluation.crops
    return Path(folder) if folder else None


def split_table(config: DictConfig, seen: str) -> Path:
    """The sample table with splits of what models see: crops have the split stage's, landmarks one of their own."""
    return Path(config.paths.landmarks if seen == LANDMARKS else config.paths.splits) / "samples.parquet"


def prepared_sets(config: DictConfig, classifier: Classifier) -> Iterator[EvaluationSet]:
    """The split asked for, or val and test, of what is prepared; a split without samples is left out, saying so."""
    folder = prepared_inputs(config, classifier)
    assert folder is not None
    if classifier.input == LANDMARKS:
        table, (points, samples) = folder / "samples.parquet", open_landmarks(folder)
        crops: Pictures = CutPictures(samples, points)
    else:
        points, array = None, open_crops(folder)
        check_geometry(folder, array, classifier)
        table = Path(config.evaluation.samples or folder / "samples.parquet")
        samples, crops = read_rows(table), array
        if len(samples) != len(array):
            raise DataError(f"{table} has {len(samples):,} rows, {folder} {len(array):,} crops; run dvc repro")
    wanted = [config.split] if config.split else ["val", "test"]
    filled = [split for split in wanted if (samples["split"] == split).any()]
    if not filled:
        raise DataError(f"{table} has no sample in {' or '.join(wanted)}; {_there_is(samples)}")
    for split in wanted:
        rows = np.flatnonzero(samples["split"] == split)
        if len(rows):
            yield EvaluationSet(split, samples.iloc[rows].reset_index(drop=True), crops, rows, {}, points)
        else:
            console.print(f"no sample in {split}; {_there_is(samples)}", highlight=False, markup=False)


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


def source_set(config: DictConfig, classifier: Classifier) -> EvaluationSet:
    """Samples of the configured sources, of one split or all, cropped as the checkpoint wants it, or with landmarks.

    Raises:
        DataError: the sources have no sample in the split; says which splits they have.
    """
    vocabulary = Vocabulary.from_config(config.gestures)
    sources = sources_from_config(config.sources, config.seed)
    fixes = read_label_fixes(Path(config.label_issues.fixes), vocabulary)
    samples, _ = read_sources(sources, vocabulary, config.index.max_rejected_share, fixes)
    split_by = dict.fromkeys(sorted(set(samples["source"])), NONE)
    if config.split is not None:
        official = samples["source"].isin(set(samples.loc[samples["split"] != "", "source"]))
        needed = samples[~official | (samples["split"] == config.split)].reset_index(drop=True)
        if needed.empty:
            raise DataError(f"no sample in the split {config.split}; {_there_is(samples)}")
        samples = needed
    if classifier.input == LANDMARKS:
        return landmark_source_set(samples, split_by, config)
    crops, samples = cropped(samples, config, classifier.crop_size, classifier.crop_margin)
    if config.split is None:
        return EvaluationSet(ALL, samples, crops, np.arange(len(samples)), split_by)
    samples, split_by = with_splits(samples, crops, config, vocabulary)
    rows = rows_in(samples, config.split)
    return EvaluationSet(config.split, samples.iloc[rows].reset_index(drop=True), crops, rows, split_by)


def landmark_source_set(samples: pd.DataFrame, split_by: dict[str, str], config: DictConfig) -> EvaluationSet:
    """Samples with landmarks, extracted where the source publishes none; see `source_set`."""
    if config.split is not None:
        samples, split_by = with_splits_by_pictures(samples, config)
        samples = samples.iloc[rows_in(samples, config.split)].reset_index(drop=True)
    folder = Path(config.output) / "prepared"
    write_samples(samples, folder / "landmark_samples.parquet")
    settings = settings_of(config, extract=True)
    build_landmarks(folder / "landmark_samples.parquet", None, folder / "landmarks", settings)
    points, samples = open_landmarks(folder / "landmarks")
    rows = np.arange(len(samples))
    return EvaluationSet(config.split or ALL, samples, CutPictures(samples, points), rows, split_by, points)


def with_splits_by_pictures(samples: pd.DataFrame, config: DictConfig) -> tuple[pd.DataFrame, dict[str, str]]:
    """As `with_splits`, on crops that are cut for it as the crops stage would, where a source publishes no split."""
    unpublished = ~samples["source"].isin(set(samples.loc[samples["split"] != "", "source"]))
    vocabulary = Vocabulary.from_config(config.gestures)
    if not unpublished.any():
        return with_splits(samples, np.zeros((0, 1, 1, 3), np.uint8), config, vocabulary)
    own = samples[unpublished].reset_index(drop=True)
    crops, own = cropped(own, config, int(config.crops.size), float(config.crops.margin))
    own, split_by = with_splits(own, crops, config, vocabulary)
    published = samples[~unpublished]
    by_publisher = dict.fromkeys(sorted(set(published["source"])), OFFICIAL)
    return pd.concat([published, own], ignore_index=True), by_publisher | split_by


def rows_in(samples: pd.DataFrame, split: str) -> np.ndarray:
    """Rows of a split. Raises `DataError` where there are none; says which splits there are."""
    rows = np.flatnonzero(samples["split"] == split)
    if not len(rows):
        raise DataError(f"no sample in the split {split}; {_there_is(samples)}")
    return rows


def cropped(samples: pd.DataFrame, config: DictConfig, size: int, margin: float) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops of a geometry, kept below the output, and the samples that could be cropped."""
    folder = Path(config.output) / "prepared"
    write_samples(samples, folder / "samples.parquet")
    build_crops(folder / "samples.parquet", folder / "crops", size, margin, config.crops.max_rejected_share)
    return open_crops(folder / "crops"), read_samples(folder / "crops" / "samples.parquet")


def with_splits(
    samples: pd.DataFrame, crops: np.ndarray, config: DictConfig, vocabulary: Vocabulary
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fill in the splits of sources that publish none, as the split stage would; says per source whose they are."""
    published = set(samples.loc[samples["split"] != "", "source"])
    split_by = {source: OFFICIAL if source in published else ASSIGNED for source in sorted(set(samples["source"]))}
    rows = np.flatnonzero(~samples["source"].isin(published))
    if len(rows):
        own = samples.iloc[rows].reset_index(drop=True)
        # A split that lacks a gesture can be evaluated on, so it is no reason to stop, as it is for training.
        settings = {**config.splits, "incomplete": "warn"}
        assigned, _ = assign_splits(own, crops[rows], **settings, seed=config.seed, vocabulary=vocabulary)
        samples = samples.copy()
        samples.loc[rows, "split"] = assigned["split"].to_numpy()
    return samples, split_by


def _there_is(samples: pd.DataFrame) -> str:
    counts = samples["split"].replace("", "without a split").value_counts()
    return (
        f"there are {', '.join(f'{count:,} {name}' for name, count in counts.items())}; choose another with split=..."
    )
