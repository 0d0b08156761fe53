"""Train a gesture classifier on the prepared crops or landmarks and export its best epoch.

    gestures train model=mobilenet_v2 train_hyperparams.epochs=5
    gestures train model=landmarks

The same command with the same data and code means the same run: an interrupted one is resumed after its last epoch, a
finished one is exported again (`train_hyperparams.fresh=true` begins another).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.epoch_report import EpochReport
from static_gesture_classification.terminal import Table, console
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.tracker import trackers_from_config
from static_gesture_classification.training import hardware
from static_gesture_classification.training.callbacks import LAST, Checkpoints, EarlyStopping
from static_gesture_classification.training.checkpoint import export_checkpoint, input_of, read_checkpoint
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.identity import RunIdentity, begin, is_finished, run_folder_for

if TYPE_CHECKING:
    from pytorch_lightning import Callback


@entry_point
def main(config: DictConfig) -> None:
    """Train, or go on with training, and export the best epoch."""
    hardware.one_device(config.trainer.devices, hardware.accelerator(config.trainer.accelerator))
    data = open_data(config)
    print_counts(data)
    if config.trainer.fast_dev_run:
        try_out(config, data)
        return
    identity = RunIdentity.of(config, data.fingerprint())
    run = run_folder_for(Path(config.paths.runs), config.model.name, identity, config.train_hyperparams.fresh)
    if is_finished(run):
        same = "this configuration, data and code"
        console.print(
            f"{run} is finished with {same}; train_hyperparams.fresh=true trains again", soft_wrap=True, markup=False
        )
    else:
        train(config, data, run, identity)
    print_result(export_best(run, Path(config.paths.models), identity.fingerprint), run, Path(config.paths.models))


def print_counts(data: GestureDataModule) -> None:
    """Show the samples per gesture that are trained and validated on."""
    table = Table("gesture", "train", "val", title=data.inputs)
    for name, *counts in zip(data.vocabulary, data.counts("train"), data.counts("val"), strict=True):
        table.add_row(name, *(f"{count:,}" for count in counts))
    console.print(table)


def try_out(config: DictConfig, data: GestureDataModule) -> None:
    """Run one batch of training and one of validation through everything; nothing is written."""
    build_trainer(config).fit(build_module(config, data), data)
    console.print("One batch of training and one of validation went through; nothing was written")


def train(config: DictConfig, data: GestureDataModule, folder: Path, identity: RunIdentity) -> None:
    """Train to the end in a run folder, going on after the last epoch that is in it."""
    module = build_module(config, data)
    run = begin(folder, identity, plain(config), tags_of(config))
    last = run.checkpoint_folder / LAST
    begun = last.is_file()
    run.resume_from(read_checkpoint(last)["epoch"] + 1 if begun else 0)
    console.print(
        f"{'Resuming' if begun else 'Training'} {config.model.name} in {run.path}", highlight=False, markup=False
    )
    with RunLogger(run, trackers_from_config(config)) as logger:
        trainer = build_trainer(config, logger, callbacks_of(config, run))
        try:
            trainer.fit(module, data, ckpt_path=last if begun else None, weights_only=True)
        except SystemExit:  # Lightning's way out after Ctrl-C, when the run folder is in order
            console.print(
                f"{run.status}; the same command goes on after the last complete epoch", highlight=False, markup=False
            )
            raise


def callbacks_of(config: DictConfig, run: RunFolder) -> Sequence[Callback]:
    """What happens around the training steps."""
    patience = config.train_hyperparams.early_stopping
    stopping = [EarlyStopping(patience)] if patience else []
    return [EpochReport(), *stopping, Checkpoints(run.checkpoint_folder, config.train_hyperparams.keep_checkpoints)]


def tags_of(config: DictConfig) -> list[str]:
    """Short labels for the tables of runs."""
    trial = config.train_hyperparams.overfit_samples is not None
    loss = str(config.loss._target_).rpartition(".")[2].lower()
    return [config.model.name, "test_run" if trial else "valid_run", f"loss_{loss}", *(config.get("tags") or [])]


def export_best(run: Path, models: Path, identity: str) -> dict[str, Any]:
    """Write the best epoch's network to `trained.ckpt` and its record to `trained.json`; returns the record."""
    checkpoints = Checkpoints(run / "checkpoints", keep=1)
    checkpoints.load_state_dict(read_checkpoint(checkpoints.folder / LAST)["callbacks"]["Checkpoints"])
    best = read_checkpoint(checkpoints.paths[0])
    record = {
        "run": run.name,
        "model": best["model"]["name"],
        "input": input_of(best["model"]),
        "epoch": best["epoch"],
        "checkpoint": checkpoints.paths[0].name,
        "fingerprint": identity,
        "gestures": best["gestures"]["names"],
        "crop": best["crop"],
        "scores": best["scores"],
    }
    export_checkpoint(checkpoints.paths[0], models / "trained.ckpt")
    write_json(models / "trained.json", record)
    return record


def print_result(record: dict[str, Any], run: Path, models: Path) -> None:
    """Show the best epoch's scores on val, where things are and what to do next."""
    scores = record["scores"]
    title = (
        f"Epoch {record['epoch']} on val: weighted F1 {scores['weighted_f1']:.3f}, macro F1 {scores['macro_f1']:.3f}"
    )
    table = Table("gesture", "precision", "recall", "F1", "support", title=title)
    for name, each in scores["per_gesture"].items():
        table.add_row(name, *(f"{each[key]:.3f}" for key in ("precision", "recall", "f1")), f"{each['support']:,}")
    console.print(table)
    console.print(
        f"run folder  {run}\ncheckpoint  {models / 'trained.ckpt'}", highlight=False, soft_wrap=True, markup=False
    )
    console.print("epochs      gestures runs", highlight=False)
    console.print("next        dvc repro  (evaluates the best epoch and promotes it)", highlight=False)


def plain(config: DictConfig) -> dict[str, Any]:
    """The whole configuration as plain values, references resolved."""
    whole = OmegaConf.to_container(config, resolve=True)
    assert isinstance(whole, dict)
    return {str(key): value for key, value in whole.items()}


if __name__ == "__main__":
    main()
