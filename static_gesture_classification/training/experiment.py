"""From the configuration to what trains: data, module, trainer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch.optim import Optimizer

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.terminal import console
from static_gesture_classification.training import hardware
from static_gesture_classification.training.augmentation import Augmentation
from static_gesture_classification.training.building import built
from static_gesture_classification.training.callbacks import AtomicCheckpointIO, EpochLines, ProgressBar
from static_gesture_classification.training.checkpoint import (
    LANDMARKS,
    Origin,
    initial_network,
    input_of,
    plain_model,
)
from static_gesture_classification.training.datamodule import (
    CropsDataModule,
    GestureDataModule,
    LandmarksDataModule,
)
from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation
from static_gesture_classification.training.module import GestureModule


def open_data(config: DictConfig) -> GestureDataModule:
    """What the model sees, crops or landmarks, and the splits that `paths` names, batched as `train_hyperparams` says.

    Raises:
        DataError: they are missing, cannot be trained on, or were made with another crop geometry than configured.
    """
    return open_landmarks_data(config) if input_of(config.model) == LANDMARKS else open_crops_data(config)


def open_landmarks_data(config: DictConfig) -> LandmarksDataModule:
    """The landmarks that `paths` names; see `open_data`."""
    return LandmarksDataModule.open(
        Path(config.paths.landmarks),
        Vocabulary.from_config(config.gestures),
        batch_size=config.train_hyperparams.batch_size,
        seed=config.seed,
        overfit_samples=config.train_hyperparams.overfit_samples,
        passes=int(config.train_hyperparams.get("passes", 1)),
    )


def open_crops_data(config: DictConfig) -> CropsDataModule:
    """The crops that `paths` names; see `open_data`."""
    data = CropsDataModule.open(
        Path(config.paths.crops),
        Path(config.paths.splits) / "samples.parquet",
        Vocabulary.from_config(config.gestures),
        batch_size=config.train_hyperparams.batch_size,
        seed=config.seed,
        overfit_samples=config.train_hyperparams.overfit_samples,
    )
    _check_geometry(Path(config.paths.crops), data.image_size, config.crops)
    return data


def build_module(config: DictConfig, data: GestureDataModule) -> GestureModule:
    """The module to train; its random weights are a function of the seed.

    Raises:
        UserError: a part of the configuration cannot be used (unknown model, weights that cannot be had, ...).
    """
    torch.manual_seed(config.seed)
    model = OmegaConf.to_container(config.model, resolve=True)
    assert isinstance(model, dict)
    return GestureModule(
        network=initial_network({str(key): value for key, value in model.items()}, data.vocabulary),
        loss=built(config.loss, "loss", vocabulary=data.vocabulary, counts=data.counts("train")),
        optimizer=_optimizer(config.optimizer),
        schedule=built(config.scheduler, "scheduler"),
        augmentation=_augmentation(config),
        vocabulary=data.vocabulary,
        origin=_origin(config, data),
        seed=config.seed,
    )


def build_trainer(
    config: DictConfig, logger: Logger | None = None, callbacks: Sequence[pl.Callback] = ()
) -> pl.Trainer:
    """The trainer for `trainer` and `train_hyperparams` of the configuration."""
    _quieten_lightning()
    wanted = config.trainer
    hardware.use_processor(wanted.threads)
    if wanted.deterministic:
        hardware.make_deterministic()
    accelerator = hardware.accelerator(wanted.accelerator)
    shown = ProgressBar(leave=True) if console.is_terminal else EpochLines()
    return pl.Trainer(
        accelerator=accelerator,
        devices=hardware.one_device(wanted.devices, accelerator),
        precision=hardware.precision(wanted.precision, accelerator),  # type: ignore[arg-type]
        max_epochs=config.train_hyperparams.epochs,
        gradient_clip_val=wanted.gradient_clip,
        fast_dev_run=wanted.fast_dev_run,
        logger=logger or False,
        callbacks=[*callbacks, shown],
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _augmentation(config: DictConfig) -> torch.nn.Module:
    """What changes training inputs: colours and geometry of crops, or landmarks."""
    if input_of(config.model) == LANDMARKS:
        return LandmarkAugmentation.from_config(config.augs)
    try:
        return Augmentation(**config.augs)
    except TypeError as error:
        raise UserError(f"augs does not fit a model of crops ({error}); choose augs=default, strong or none") from error


def _origin(config: DictConfig, data: GestureDataModule) -> Origin:
    if isinstance(data, CropsDataModule):
        return Origin(plain_model(config.model), data.vocabulary, data.image_size, float(config.crops.margin))
    return Origin(plain_model(config.model), data.vocabulary)


def _optimizer(config: DictConfig) -> Callable[..., Optimizer]:
    """The function that makes the optimizer, tried once, since torch checks its values only then."""
    make = built(config, "optimizer")
    try:
        make([torch.nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer cannot be built as configured: {error}") from error
    return make


def _check_geometry(crops: Path, size: int, configured: DictConfig) -> None:
    report = crops / "report.json"
    made = read_json(report, dict[str, Any], "make the crops anew (dvc repro)") if report.is_file() else {}
    margin = made.get("margin", configured.margin)
    if (size, margin) != (configured.size, configured.margin):
        raise DataError(
            f"the crops in {crops} have size {size} and margin {margin}, the configuration says {configured.size} and "
            f"{configured.margin}; make them anew (dvc repro), or set crops.size={size} crops.margin={margin}"
        )


def _quieten_lightning() -> None:
    """Leave out what Lightning says about settings that are chosen on purpose."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*LeafSpec.*",
        ".*litlogger.*",
        ".*tensorboardX.*",
    ):
        warnings.filterwarnings("ignore", message)
