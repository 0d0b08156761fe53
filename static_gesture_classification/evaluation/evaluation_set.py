"""The samples that a checkpoint is evaluated on: of a split, with crops of its geometry, or landmarks.

In the pipeline, crops, landmarks and splits are prepared. Alone, `evaluate` reads the configured sources, cuts crops or
extracts landmarks itself, and keeps them below its output for the next evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.sample_pictures import CutPictures
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import IndexSettings, read_sources
from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks
from static_gesture_classification.preparation.split import SplitSettings, split_samples
from static_gesture_classification.row_arrays import Rows
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import say
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import Classifier
from static_gesture_classification.training.inputs import InputKind, PreparedHands

ALL = "all"
OFFICIAL, ASSIGNED, ALL_SAMPLES = "official", "assigned", "none"


class PreparedInputs(Settings):
    """Prepared folders; of `evaluate`.

    Args:
        crops, landmarks: for checkpoints that need them; None prepares the sources.
        samples: sample table with splits for the crops; None takes the one beside them.
    """

    crops: Path | None = None
    landmarks: Path | None = None
    samples: Path | None = None

    def serves(self, kind: InputKind) -> bool:
        """Whether all folders that an input kind needs are named."""
        return not (kind.needs_crops and not self.crops) and not (kind.needs_landmarks and not self.landmarks)

    def open(self, kind: InputKind) -> PreparedHands:
        """Open the hands. Raises `DataError` where something is missing, damaged or does not fit together."""
        table = self.samples or (self.crops or Path()) / "samples.parquet"
        return kind.open(self.crops or Path(), self.landmarks or Path(), table)


class EvaluateSettings(Settings, key="evaluate"):
    """The checkpoint, its samples, the output, and how samples of the sources are prepared.

    Args:
        checkpoint: to evaluate.
        split: None takes all samples of the sources, or val and test of prepared hands.
        output: folder of the results; crops and landmarks made for them lie below it.
        prepared: prepared hands, if any.
        bootstrap: resamples for the confidence interval.
        seed: of the resampling.
        device: torch's name of what the checkpoint computes on.
        threads: processor threads; None takes one per core.
        runs: the folder of all runs.
        index: what the sources hold.
        crops: of the crops that splits are assigned by.
        division: how samples without a published split are divided.
        extraction: how landmarks are found.
    """

    checkpoint: Path
    split: Literal["train", "val", "test"] | None
    output: Path
    prepared: Annotated[PreparedInputs, At("evaluate")]
    bootstrap: int = Field(ge=0)
    seed: Annotated[int, At("seed")]
    device: str
    threads: Annotated[int | None, At("trainer.threads")]
    runs: Annotated[Path, At("paths.runs")]
    index: IndexSettings
    crops: CropSettings
    division: SplitSettings
    extraction: LandmarkSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> EvaluateSettings:
        """Of the whole configuration; raises as `read`."""
        device = hardware.torch_device(config.trainer.accelerator)
        extraction = LandmarkSettings.from_config(config, extract=True)
        return cls.read(config, "evaluate", device=device, extraction=extraction)


@dataclass(frozen=True)
class EvaluationSet:
    """Samples to evaluate on.

    Args:
        name: "val", "test", "train", or "all" where no split was asked for.
        hands: n samples with what the classifier sees of them.
        split_by: per source, where its split comes from: "official" (published), "assigned" (by the rules of the split
            stage, with the configuration's seed and shares), or "none" where all samples are taken.
    """

    name: str
    hands: PreparedHands
    split_by: dict[str, str]

    @property
    def samples(self) -> pd.DataFrame:
        """The sample table, n rows."""
        return self.hands.samples

    @property
    def pictures(self) -> Rows:
        """Pictures of the samples by row: their crops, or cut on access."""
        hands = self.hands
        return CutPictures(hands.samples, hands.points) if hands.crops is None else hands.crops


def evaluation_sets(settings: EvaluateSettings, classifier: Classifier) -> Iterator[EvaluationSet]:
    """The prepared sets if the settings name them, else one set of the sources.

    Raises:
        UserError, DataError: the crops do not fit the checkpoint, or nothing is left to evaluate on.
    """
    if settings.prepared.serves(classifier.kind):
        yield from open_prepared_sets(settings, classifier)
    else:
        yield source_set(settings, classifier)


def open_prepared_sets(settings: EvaluateSettings, classifier: Classifier) -> Iterator[EvaluationSet]:
    """The chosen split, or val and test, of the prepared hands; an empty split is left out with a message."""
    hands = settings.prepared.open(classifier.kind)
    folder = settings.prepared.crops if hands.points is None else settings.prepared.landmarks
    check_geometry(hands, classifier, settings.prepared)
    splits = hands.samples["split"]
    wanted = [settings.split] if settings.split else ["val", "test"]
    if not splits.isin(wanted).any():
        raise DataError(f"{folder} has no sample in {' or '.join(wanted)}; {_there_is(hands.samples)}")
    for split in wanted:
        rows = np.flatnonzero(splits == split)
        if len(rows):
            yield EvaluationSet(split, hands.select(rows), {})
        else:
            say(f"no sample in {split}; {_there_is(hands.samples)}")


def check_geometry(hands: PreparedHands, classifier: Classifier, prepared: PreparedInputs) -> None:
    """Raise `UserError` where prepared crops have another size or margin than the checkpoint was trained on."""
    if not fits(hands, classifier):
        raise UserError(
            f"the crops in {prepared.crops} have size {hands.crop_size} and margin {hands.crop_margin}, the checkpoint "
            f"was trained on size {classifier.crop_size} and margin {classifier.crop_margin}; leave out "
            "evaluate.crops, so that crops are made for it"
        )


def fits(hands: PreparedHands, classifier: Classifier) -> bool:
    """Whether prepared hands have the classifier's crop size and margin, where it sees crops."""
    margins = (None, classifier.crop_margin)  # None: not known
    return hands.crops is None or (hands.crop_size == classifier.crop_size and hands.crop_margin in margins)


def source_set(settings: EvaluateSettings, classifier: Classifier) -> EvaluationSet:
    """Samples of the configured sources, of one split or all, prepared as the checkpoint wants it.

    Raises:
        DataError: the sources have no sample in the split.
    """
    index, split = settings.index, settings.split
    samples, _ = read_sources(index.sources, index.vocabulary, index.max_rejected_share, index.label_fixes())
    split_by = dict.fromkeys(sorted(set(samples["source"])), ALL_SAMPLES)
    if split is not None:
        unpublished = ~has_official_split(samples)
        samples, split_by = fill_splits(
            select_split(samples, unpublished | (samples["split"] == split), split), settings
        )
        samples = select_split(samples, samples["split"] == split, split)
    folder = settings.output / "prepared"
    hands = prepare_hands(samples, folder, classifier, settings.crops, settings.extraction)
    return EvaluationSet(split or ALL, hands, split_by)


def prepare_hands(
    samples: pd.DataFrame, folder: Path, classifier: Classifier, cutting: CropSettings, extraction: LandmarkSettings
) -> PreparedHands:
    """Cut crops at the classifier's geometry, or extract landmarks, as it needs them, and keep them below a folder.

    Existing ones are reused; samples that cannot be used are left out.
    """
    table, crops, landmarks = folder / "samples.parquet", folder / "crops", folder / "landmarks"
    write_samples(samples, table)
    if classifier.kind.needs_crops:
        build_crops(table, crops, cutting.at(classifier.crop_size, classifier.crop_margin))
    if classifier.kind.needs_landmarks:
        build_landmarks(table, None, landmarks, extraction)
    return classifier.kind.open(crops, landmarks, crops / "samples.parquet")


def fill_splits(samples: pd.DataFrame, settings: EvaluateSettings) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fill in the splits of sources that publish none, as the split stage would; also returns each source's kind.

    Crops are cut for it, as in the crops stage, to find near-duplicates.
    """
    official = has_official_split(samples)
    split_by = dict(sorted(zip(samples["source"], np.where(official, OFFICIAL, ASSIGNED), strict=True)))
    if official.all():
        return samples, split_by
    folder = settings.output / "prepared" / "splits"
    write_samples(samples[~official], folder / "samples.parquet")
    build_crops(folder / "samples.parquet", folder / "crops", settings.crops)
    own = read_samples(folder / "crops" / "samples.parquet")
    # Unlike training, evaluation can do without a sample of a gesture.
    division = settings.division.model_copy(update={"incomplete": "warn"})
    own, _ = split_samples(own, open_crops(folder / "crops"), division, settings.index.vocabulary)
    return pd.concat([samples[official], own], ignore_index=True), split_by


def has_official_split(samples: pd.DataFrame) -> pd.Series:
    """Whether the source of each sample publishes a split."""
    return samples["source"].isin(set(samples.loc[samples["split"] != "", "source"]))


def select_split(samples: pd.DataFrame, wanted: pd.Series, split: str) -> pd.DataFrame:
    """The wanted rows. Raises `DataError` where there are none."""
    if not wanted.any():
        raise DataError(f"no sample in the split {split}; {_there_is(samples)}")
    return samples[wanted].reset_index(drop=True)


def _there_is(samples: pd.DataFrame) -> str:
    counts = samples["split"].replace("", "without a split").value_counts()
    return (
        f"there are {', '.join(f'{count:,} {name}' for name, count in counts.items())}; choose another with split=..."
    )
