"""A training run: found by its identity, trained or resumed, its best epochs calibrated, and the best exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.terminal import say
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.trackers import Tracker
from static_gesture_classification.training.calibrate import calibrate
from static_gesture_classification.training.callbacks import LAST, Checkpoints, EarlyStopping
from static_gesture_classification.training.checkpoint import calibration_of, export_checkpoint, read_checkpoint
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import build_module, build_trainer
from static_gesture_classification.training.identity import RunIdentity, begin_run, is_finished, run_folder_for
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.training.lightning import Callback
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

    Args:
        settings: of the training.
        data: of train and val.
        callbacks: further callbacks, before the epoch's checkpoint is written.
        trackers: that mirror the run folder.
        sampling_period: see `RunLogger`.

    Returns:
        the record of the best epoch; see `export_best`.
    """
    identity = RunIdentity.of(settings, data.fingerprint())
    folder = run_folder_for(settings.workspace.runs, settings.model["name"], identity, settings.hyperparameters.fresh)
    if is_finished(folder):
        again = "train_hyperparams.fresh=true trains again"
        say(f"{folder} is finished with this configuration, data and code; {again}")
    else:
        run = begin_run(folder, identity, settings.configuration, tags_of(settings))
        with RunLogger(run, trackers, sampling_period=sampling_period) as logger:
            train(settings, data, run, logger, callbacks)
    calibrate(find_checkpoints(folder), data, settings.background_share)
    return export_best(folder, settings.workspace.trained, identity.fingerprint)


def train(
    settings: TrainingSettings,
    data: GestureDataModule,
    run: RunFolder,
    logger: RunLogger,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train to the end in a run folder, from its last epoch on."""
    module = build_module(settings, data)
    last = run.checkpoint_folder / LAST
    begun = last.is_file()
    run.resume_from(read_checkpoint(last)["epoch"] + 1 if begun else 0)
    say(f"{'Resuming' if begun else 'Training'} {settings.model['name']} in {run.path}")
    how = settings.hyperparameters
    stopping = [EarlyStopping(how.early_stopping)] if how.early_stopping else []
    keeping = Checkpoints(run.checkpoint_folder, how.keep_checkpoints)
    trainer = build_trainer(settings, logger, [*callbacks, *stopping, keeping])
    try:
        trainer.fit(module, data, ckpt_path=last if begun else None, weights_only=True)
    except SystemExit:  # Lightning's way out after Ctrl-C, when the run folder is in order
        say(f"{run.status}; the same command goes on after the last complete epoch")
        raise


def try_out(settings: TrainingSettings, data: GestureDataModule) -> None:
    """Run one batch of training and one of validation; nothing is written."""
    build_trainer(settings).fit(build_module(settings, data), data)
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
