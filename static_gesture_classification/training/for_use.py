"""Weights for use: the same training again, which learns val and test too, when nothing is left to measure.

A person more in training is worth more than any augmentation (benchmarks/results/strangers.md), and val and test are
people like any others once they have measured the run. So a checkpoint can hold two sets of weights: those that were
measured, whose scores are compared and told, and those for use, which answer in `gestures predict`, live, the recorder
and exported files. The calibration is of the measured ones, since it is read off people who are not trained on.
"""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.terminal import say
from static_gesture_classification.training.checkpoint import save
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import build_module, build_trainer
from static_gesture_classification.training.settings import TrainingSettings


def is_wanted(settings: TrainingSettings) -> bool:
    """Whether a training is followed by one for use; a trial on a few samples is not."""
    return bool(settings.hyperparameters.for_use) and not settings.hyperparameters.overfit_samples


def data_for_use(settings: TrainingSettings, data: GestureDataModule) -> GestureDataModule:
    """The data of the training for use, from that of the measured one."""
    return data.with_further(settings.hyperparameters.for_use)


def train_for_use(settings: TrainingSettings, measured: GestureDataModule, output: Path) -> None:
    """Train to the end on all splits that are named; rank 0 writes the checkpoint. An interrupted one begins anew.

    Raises:
        UserError, DataError: as the training that came before. OutputError: `output` cannot be written.
    """
    data, ranks = data_for_use(settings, measured), measured.ranks
    names = ", ".join(settings.hyperparameters.for_use)
    say(f"once more, for use, with the hands of {names} too: {len(data.rows['train']):,} hands")
    module = build_module(settings, data)
    build_trainer(settings, module, ranks=ranks, validates=False).fit(module, data)
    if ranks.is_first:
        save(module.classifier_checkpoint(), output)
