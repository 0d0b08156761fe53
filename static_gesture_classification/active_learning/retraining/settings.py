"""The quick loop's configuration: the project's, with paths of its own, and a model that trains in seconds.

Nothing that the pipeline derives is touched. What the quick loop starts from (the pipeline's split and crops, the crop
model to go on from, the plan) is named before the paths change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.errors import UserError
from static_gesture_classification.training.checkpoint import CROPS, LANDMARKS, input_of, read_checkpoint

BY_LANDMARKS, BY_CROPS, HEAD, FINETUNE = "landmarks", "crops", "head", "finetune"
FROM_SCRATCH = (BY_LANDMARKS, BY_CROPS)
METHODS = (*FROM_SCRATCH, HEAD, FINETUNE)
CHOICES = {BY_LANDMARKS: ("model=landmarks",), BY_CROPS: (), HEAD: (), FINETUNE: ("train_hyperparams=finetune",)}


@dataclass(frozen=True)
class QuickLoop:
    """What a quick retrain works with.

    Args:
        config: the configuration, with the quick loop's paths.
        method: one of `METHODS`.
        start: the checkpoint that head and finetune go on from.
        pipeline_splits, pipeline_crops, pipeline_runs: what the pipeline divided, cut and trained, where it did.
    """

    config: DictConfig
    method: str
    start: Path
    pipeline_splits: Path
    pipeline_crops: Path
    pipeline_runs: Path

    @property
    def models(self) -> Path:
        """Where the checkpoints go."""
        return Path(self.config.paths.models)

    @property
    def reports(self) -> Path:
        """Where reports go."""
        return Path(self.config.paths.reports)

    @property
    def splits(self) -> Path:
        """The quick loop's split table."""
        return Path(self.config.paths.splits) / "samples.parquet"


def quick_loop(config: DictConfig) -> QuickLoop:
    """The quick loop of a composed configuration.

    Raises:
        UserError: an unknown method; or the checkpoint to start from is missing or no crop model.
    """
    method, start = str(config.retrain.method), Path(config.retrain.start)
    if method not in METHODS:
        raise UserError(f"retrain.method is {method!r}; it is one of {', '.join(METHODS)}")
    pipeline = (Path(config.paths.splits) / "samples.parquet", Path(config.paths.crops), Path(config.paths.runs))
    quick: Any = OmegaConf.create(OmegaConf.to_container(composed_for(method, config), resolve=True))
    quick.paths = {**quick.paths, **quick.retrain.paths}
    if method not in FROM_SCRATCH:
        go_on_from(start, quick)
    if input_of(quick.model) != (LANDMARKS if method == BY_LANDMARKS else CROPS):
        raise UserError(f"retrain.method={method} does not train model={quick.model.name}; choose another of the two")
    point_at_own_paths(quick)
    return QuickLoop(quick, method, start, *pipeline)


def composed_for(method: str, config: DictConfig) -> DictConfig:
    """The configuration with the choices that the method implies, where the command line does not choose itself."""
    if not HydraConfig.initialized():  # composed by a caller, who has chosen
        return config
    given = list(HydraConfig.get().overrides.task)
    return compose("config", overrides=[*without_those(CHOICES[method], given), *given])


def without_those(choices: Sequence[str], given: Sequence[str]) -> list[str]:
    """The choices whose group the command line does not choose from."""
    groups = {override.partition("=")[0].lstrip("+~") for override in given}
    return [choice for choice in choices if choice.partition("=")[0] not in groups]


def go_on_from(start: Path, quick: DictConfig) -> None:
    """Take model, gestures and crop geometry from the checkpoint to go on from."""
    entries = read_checkpoint(start)
    if input_of(entries["model"]) != CROPS:
        raise UserError(
            f"{start} is a model of {LANDMARKS}; retrain.method={quick.retrain.method} goes on from a crop model. "
            f"Name one with retrain.start=FILE, or use retrain.method={BY_LANDMARKS}"
        )
    quick.model = {**entries["model"], "weights": str(start)}
    quick.crops.size, quick.crops.margin = int(entries["crop"]["size"]), float(entries["crop"]["margin"])
    quick.train_hyperparams.epochs = quick.retrain.finetune.epochs
    quick.train_hyperparams.lr = quick.retrain.finetune.lr


def point_at_own_paths(quick: DictConfig) -> None:
    """Let what depends on paths follow the quick loop's."""
    paths = quick.paths
    quick.inputs = paths[LANDMARKS if input_of(quick.model) == LANDMARKS else CROPS]
    quick.checkpoint, quick.output = f"{paths.models}/trained.ckpt", paths.reports
    quick.split = None
    quick.evaluation.crops, quick.evaluation.landmarks = paths.crops, paths.landmarks
    quick.evaluation.samples = f"{paths.splits}/samples.parquet"
    quick.compare.crops, quick.compare.landmarks = paths.crops, paths.landmarks
    quick.compare.samples = f"{paths.splits}/samples.parquet"
    quick.compare.output = f"{paths.reports}/compare"
    quick.logger = {}  # trackers are for the runs that stay
