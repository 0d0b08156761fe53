"""A training run: found by its identity, trained or resumed, its best epochs calibrated, and the best exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.terminal import say
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.trackers import Tracker
from static_gesture_classification.training.calibrate import Calibrator, calibrate
from static_gesture_classification.training.callbacks import LAST, Checkpoints, EarlyStopping
from static_gesture_classification.training.checkpoint import (
    calibration_of,
    export_checkpoint,
    for_use_file,
    read_checkpoint,
)
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.for_use import data_for_use, is_wanted, train_for_use
from static_gesture_classification.training.identity import RunIdentity, begin_run, is_finished, run_folder_for
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.training.lightning import Callback
from static_gesture_classification.training.mapped_memory import release_freed_memory
from static_gesture_classification.training.ranks import Ranks
from static_gesture_classification.training.settings import TrainingSettings

SAMPLING_PERIOD = 10.0  # seconds between two samples of the hardware's load


def run_training(
    settings: TrainingSettings,
    data: GestureDataModule,
    callbacks: Sequence[Callback] = (),
    trackers: Sequence[Tracker] = (),
    sampling_period: float = SAMPLING_PERIOD,
) -> dict[str, Any]:
    """Train or resume the run of these settings, data and today's code, and export its best epoch.

    Where `data.ranks` are several, this is rank 0, and all train together.

    Args:
        settings: of the training.
        data: of train and val.
        callbacks: further callbacks, before the epoch's checkpoint is written.
        trackers: that mirror the run folder.
        sampling_period: see `RunLogger`.

    Returns:
        the record of the best epoch; see `export_best`.
    """
    identity = RunIdentity.of(settings, fingerprint_of(settings, data), data.ranks.world)
    folder = run_folder_for(settings.workspace.runs, settings.model["name"], identity, settings.hyperparameters.fresh)
    finished = is_finished(folder) and not lacks_weights(settings, folder)
    if finished:
        again = "train_hyperparams.fresh=true trains again"
        say(f"{folder} is finished with this configuration, data and code; {again}")
    with data.ranks.joined(partial(follow, settings, callbacks)):
        if finished:
            data.ranks.decide(lambda: None)
        else:
            run = begin_run(folder, identity, settings.configuration, tags_of(settings))
            with RunLogger(run, trackers, sampling_period=sampling_period) as logger:
                train(settings, data, run, logger, callbacks)
    calibrate(find_checkpoints(folder), data, settings.background_share, are_new=not finished)
    return export_best(folder, settings.workspace.trained, identity.fingerprint)


def lacks_weights(settings: TrainingSettings, folder: Path) -> bool:
    """Whether a run was ended before its training for use."""
    return is_wanted(settings) and not for_use_file(folder / "checkpoints").is_file()


def fingerprint_of(settings: TrainingSettings, data: GestureDataModule) -> str:
    """Hash of all data that the training reads."""
    further = [data_for_use(settings, data).fingerprint()] if is_wanted(settings) else []
    return " ".join([data.fingerprint(), *further])


def follow(settings: TrainingSettings, callbacks: Sequence[Callback], ranks: Ranks) -> None:
    """Train beside rank 0, which decides whether and from where, and writes.

    Args:
        settings, callbacks: as rank 0 has them.
        ranks: this process among those that train.
    """
    data = open_data(settings, ranks)
    if settings.trainer.fast_dev_run:
        try_out(settings, data)
        return
    with ranks.joined():
        place: Place | None = ranks.decide(lambda: None)
        if place is not None:
            fit(settings, data, place, None, callbacks)


@dataclass(frozen=True)
class Place:
    """Where a training's checkpoints are, and whether it goes on from the last one."""

    checkpoints: Path
    begun: bool

    @property
    def for_use(self) -> Path:
        """The weights for use."""
        return for_use_file(self.checkpoints)

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch."""
        return self.checkpoints / LAST


def train(
    settings: TrainingSettings,
    data: GestureDataModule,
    run: RunFolder,
    logger: RunLogger,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train to the end in a run folder, from its last epoch on."""
    folder = run.checkpoint_folder
    place = data.ranks.decide(lambda: Place(folder, (folder / LAST).is_file()))
    run.resume_from(read_checkpoint(place.last)["epoch"] + 1 if place.begun else 0)
    say(f"{'Resuming' if place.begun else 'Training'} {settings.model['name']} in {run.path}")
    try:
        fit(settings, data, place, logger, callbacks)
    except SystemExit:  # Lightning's way out after Ctrl-C, when the run folder is in order
        say(f"{run.status}; the same command goes on after the last complete epoch")
        raise


def fit(
    settings: TrainingSettings,
    data: GestureDataModule,
    place: Place,
    logger: RunLogger | None,
    callbacks: Sequence[Callback],
) -> None:
    """What all ranks do; rank 0 has a logger."""
    module, how = build_module(settings, data), settings.hyperparameters
    release_freed_memory()
    stopping = [EarlyStopping(how.early_stopping)] if how.early_stopping else []
    calibrator = Calibrator.of(data, settings.background_share)
    keeping = Checkpoints(place.checkpoints, how.keep_checkpoints, calibrator)
    trainer = build_trainer(settings, module, logger, [*callbacks, *stopping, keeping], data.ranks)
    trainer.fit(module, data, ckpt_path=place.last if place.begun else None, weights_only=True)
    if is_wanted(settings):
        train_for_use(settings, data, place.for_use)


def try_out(settings: TrainingSettings, data: GestureDataModule) -> None:
    """Run one batch of training and one of validation; nothing is written."""
    with data.ranks.joined(partial(follow, settings, ())):
        module = build_module(settings, data)
        build_trainer(settings, module, ranks=data.ranks).fit(module, data)
    say("One batch of training and one of validation went through; nothing was written")


def tags_of(settings: TrainingSettings) -> list[str]:
    """Short labels for the tables of runs."""
    trial = settings.hyperparameters.overfit_samples is not None
    loss = str(settings.loss["_target_"]).rpartition(".")[2].lower()
    return [settings.model["name"], "test_run" if trial else "valid_run", f"loss_{loss}", *settings.tags]


def find_checkpoints(run: Path) -> list[Path]:
    """The kept checkpoints of a run's best epochs, best first."""
    checkpoints = Checkpoints(run / "checkpoints", keep=1)
    checkpoints.load_state_dict(read_checkpoint(checkpoints.folder / LAST)["callbacks"]["Checkpoints"])
    return checkpoints.paths


def export_best(run: Path, output: Path, fingerprint: str) -> dict[str, Any]:
    """Write the best epoch's network to `output`, and its record beside it as `.json`; returns the record."""
    path = find_checkpoints(run)[0]
    best = read_checkpoint(path)
    record = {
        "run": run.name,
        "model": best["model"]["name"],
        "input": kind_of(best["model"]).name,
        "epoch": best["epoch"],
        "checkpoint": path.name,
        "fingerprint": fingerprint,
        "gestures": best["gestures"]["names"],
        "crop": best["crop"],
        "scores": best["scores"],
        "calibration": asdict(calibration_of(best)),
    }
    export_checkpoint(path, output)
    write_json(output.with_suffix(".json"), record)
    return record
