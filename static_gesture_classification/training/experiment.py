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
from static_gesture_classification.training.datamodule import ONE_RANK, GestureDataModule
from static_gesture_classification.training.feeding import Feeding
from static_gesture_classification.training.growing import Growth
from static_gesture_classification.training.inputs import Crops, PreparedHands, kind_of
from static_gesture_classification.training.lightning import (
    Callback,
    Checkpoint,
    DDPStrategy,
    Logger,
    TorchElasticEnvironment,
    Trainer,
)
from static_gesture_classification.training.module import GestureModule
from static_gesture_classification.training.ranks import Ranks
from static_gesture_classification.training.settings import TrainingSettings


def open_data(settings: TrainingSettings, ranks: Ranks = ONE_RANK) -> GestureDataModule:
    """The workspace's prepared hands and splits as a data module, of which each rank trains on its share.

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
        ranks,
        Feeding(settings.trainer.store, settings.trainer.ahead),
    )


def ranks_of(settings: TrainingSettings) -> Ranks:
    """This process among those that train: one for each of `trainer.devices`.

    Raises:
        UserError: there are no such devices, or torchrun or Slurm started another number of processes.
    """
    wanted = settings.trainer.devices
    named = hardware.devices(wanted, hardware.accelerator(settings.trainer.accelerator))
    return Ranks.of(len(named) if isinstance(named, list) else named, as_started=hardware.are_all(wanted))


def build_module(settings: TrainingSettings, data: GestureDataModule) -> GestureModule:
    """The module to train; its random weights are a function of the seed.

    Raises:
        UserError: a part of the configuration cannot be used (unknown model, weights that cannot be had, ...).
    """
    torch.manual_seed(settings.seed)
    network, wanted = initial_network(settings.model, data.vocabulary), settings.trainer
    hardware.use_processor(None)
    device = "cuda" if hardware.torch_device(wanted.accelerator) == "cuda" else "cpu"
    data.precompute(network, settings.model, device, settings.engine)
    hardware.use_processor(wanted.threads, data.ranks.local_world)
    if wanted.compile is not None:
        network.compile(mode=wanted.compile)  # in place: its weights keep their names
    return GestureModule(
        network=network,
        loss=build(settings.loss, "loss", vocabulary=data.vocabulary, counts=data.counts("train")),
        optimizer=_optimizer(settings.optimizer),
        schedule=build(settings.scheduler, "scheduler"),
        augmentation=data.kind.augmentation(settings.augs),
        vocabulary=data.vocabulary,
        origin=Origin(plain_model(settings.model), data.vocabulary, data.hands.crop_size, settings.crop_margin),
        seed=settings.seed,
        growth=growth_of(settings),
    )


def build_trainer(
    settings: TrainingSettings,
    module: GestureModule,
    logger: Logger | None = None,
    callbacks: Sequence[Callback] = (),
    ranks: Ranks = ONE_RANK,
    validates: bool = True,
) -> Trainer:
    """The trainer of the settings and a module, for one rank; `validates`: whether it scores val after each epoch."""
    _quieten_lightning()
    wanted = settings.trainer
    hardware.use_processor(wanted.threads, ranks.local_world)
    if wanted.deterministic:
        hardware.make_deterministic()
    else:
        hardware.make_fast()
    accelerator = hardware.accelerator(wanted.accelerator)
    shown = ProgressBar(leave=True) if console.is_terminal else EpochLines()
    return Trainer(
        accelerator=accelerator,
        devices=_devices_of_rank(wanted.devices, accelerator, ranks),
        num_nodes=ranks.machines,
        # Only what a step has learnt is shared: no part of our networks is left out of a step.
        strategy="auto" if ranks.world == 1 else DDPStrategy(cluster_environment=TorchElasticEnvironment()),
        sync_batchnorm=ranks.world > 1 and accelerator in ("gpu", "cuda"),
        use_distributed_sampler=False,  # the data module gives each rank its share
        precision=hardware.precision(wanted.precision, accelerator, module.network),  # type: ignore[arg-type]
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
        limit_val_batches=None if validates else 0,
    )


def growth_of(settings: TrainingSettings) -> Growth:
    """How crops grow during training. Raises `UserError` where the model sees something else."""
    first = settings.hyperparameters.first_size
    if first < 1 and kind_of(settings.model).name != Crops.name:
        raise UserError(
            f"train_hyperparams.first_size={first} is for models of crops; {settings.model['name']} needs 1.0"
        )
    return Growth(first)


def _devices_of_rank(wanted: object, accelerator: str, ranks: Ranks) -> int | list[int]:
    """Lightning's `devices`: all of this machine that take part."""
    named = hardware.devices(wanted, accelerator)
    return named if isinstance(named, list) and len(named) == ranks.local_world else ranks.local_world


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
        ".*`srun` command is available.*",  # a machine with Slurm may train by itself, too
    ):
        warnings.filterwarnings("ignore", message)
