"""Build data, module and trainer from the settings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from static_gesture_classification.building import build
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.terminal import console
from static_gesture_classification.training import hardware
from static_gesture_classification.training.callbacks import AtomicCheckpointIO, EpochLines, ProgressBar
from static_gesture_classification.training.checkpoint import Origin, initial_network, plain_model
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.inputs import PreparedHands, kind_of
from static_gesture_classification.training.lightning import Callback, Checkpoint, Logger, Trainer
from static_gesture_classification.training.module import GestureModule
from static_gesture_classification.training.settings import TrainingSettings


def open_data(settings: TrainingSettings) -> GestureDataModule:
    """The workspace's prepared hands and splits as a data module.

    Raises:
        DataError: hands or splits are missing, cannot be trained on, or have another crop geometry than configured.
    """
    workspace, how = settings.workspace, settings.hyperparameters
    kind = kind_of(settings.model)
    hands = kind.open(workspace.crops, workspace.landmarks, workspace.split_table)
    if kind.needs_crops:
        _check_geometry(hands, settings)
    return GestureDataModule(
        kind,
        hands,
        settings.vocabulary,
        how.batch_size,
        settings.seed,
        how.overfit_samples,
        how.passes,
        settings.sampler,
    )


def build_module(settings: TrainingSettings, data: GestureDataModule) -> GestureModule:
    """The module to train; its random weights are a function of the seed.

    Raises:
        UserError: a part of the configuration cannot be used (unknown model, weights that cannot be had, ...).
    """
    torch.manual_seed(settings.seed)
    network, wanted = initial_network(settings.model, data.vocabulary), settings.trainer
    hardware.use_processor(None)
    device = "cuda" if hardware.accelerator(wanted.accelerator) == "cuda" else "cpu"
    data.precompute(network, settings.model, device, settings.engine)
    hardware.use_processor(wanted.threads)
    return GestureModule(
        network=network,
        loss=build(settings.loss, "loss", vocabulary=data.vocabulary, counts=data.counts("train")),
        optimizer=_optimizer(settings.optimizer),
        schedule=build(settings.scheduler, "scheduler"),
        augmentation=data.kind.augmentation(settings.augs),
        vocabulary=data.vocabulary,
        origin=Origin(plain_model(settings.model), data.vocabulary, data.hands.crop_size, settings.crop_margin),
        seed=settings.seed,
    )


def build_trainer(
    settings: TrainingSettings, logger: Logger | None = None, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """The trainer of the settings."""
    _quieten_lightning()
    wanted = settings.trainer
    hardware.use_processor(wanted.threads)
    if wanted.deterministic:
        hardware.make_deterministic()
    accelerator = hardware.accelerator(wanted.accelerator)
    shown = ProgressBar(leave=True) if console.is_terminal else EpochLines()
    return Trainer(
        accelerator=accelerator,
        devices=hardware.one_device(wanted.devices, accelerator),
        precision=hardware.precision(wanted.precision, accelerator),  # type: ignore[arg-type]
        max_epochs=settings.hyperparameters.epochs,
        gradient_clip_val=wanted.gradient_clip,
        fast_dev_run=wanted.fast_dev_run,
        logger=logger or False,
        callbacks=[*callbacks, shown],
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _optimizer(node: Mapping[str, Any]) -> Callable[..., Optimizer]:
    """The function that makes the optimizer; it is called once here, since torch checks its values only then."""
    make: Callable[..., Optimizer] = build(node, "optimizer")
    try:
        make([torch.nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer cannot be built as configured: {error}") from error
    return make


def _check_geometry(hands: PreparedHands, settings: TrainingSettings) -> None:
    size, margin = hands.crop_size, settings.crop_margin if hands.crop_margin is None else hands.crop_margin
    if (size, margin) != (settings.crop_size, settings.crop_margin):
        raise DataError(
            f"the crops in {settings.workspace.crops} have size {size} and margin {margin}, the configuration says "
            f"{settings.crop_size} and {settings.crop_margin}; make them anew (dvc repro), or set crops.size={size} "
            f"crops.margin={margin}"
        )


def _quieten_lightning() -> None:
    """Silence Lightning's messages about settings that are chosen on purpose."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*LeafSpec.*",
        ".*litlogger.*",
        ".*tensorboardX.*",
    ):
        warnings.filterwarnings("ignore", message)
