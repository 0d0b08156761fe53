"""A trial of a sweep: an ordinary training run, which is stopped where it is worse than others were."""

from __future__ import annotations

import time

import optuna
from optuna.trial import Trial, TrialState

from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.evaluation.epoch_callback import EpochCallback
from static_gesture_classification.sweeps.settings import SweepSettings, TrialSettings
from static_gesture_classification.sweeps.study import (
    PLACE,
    RUN,
    SECONDS_TAKEN,
    TRIAL_ERROR,
    begin_trial,
    check_same_data,
    ended_trials,
)
from static_gesture_classification.terminal import in_number, say, warn
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder, best_of
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import open_data
from static_gesture_classification.training.identity import RunIdentity, begin_run, is_finished, run_folder_for
from static_gesture_classification.training.lightning import Callback, LightningModule, Trainer
from static_gesture_classification.training.module import WEIGHTED_F1
from static_gesture_classification.training.run import SAMPLING_PERIOD, tags_of, train

STOPPED_EARLY = "stopped_early"  # tag of a run


class Pruning(Callback):
    """Reports weighted F1 on val after each epoch to the study, and stops the training where it says so.

    Args:
        trial: of the study.
        run: that the training writes.
    """

    def __init__(self, trial: Trial, run: RunFolder) -> None:
        self.trial, self.run, self.stopped = trial, run, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epochs of a run that is resumed."""
        for epoch, score in self.run.scores()[1].items():
            self._report(trainer, epoch, score)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch; its checkpoint is still written."""
        self._report(trainer, trainer.current_epoch, float(trainer.callback_metrics[WEIGHTED_F1]))

    def _report(self, trainer: Trainer, epoch: int, score: float) -> None:
        self.trial.report(score, epoch + 1)  # pruners count epochs from 1
        if self.trial.should_prune():
            self.stopped = trainer.should_stop = True


def run_trials(study: optuna.Study, settings: SweepSettings) -> None:
    """Run trials until the study has as many as it should, or the time is over."""
    begun = time.monotonic()
    while len(ended_trials(study)) < settings.trials:
        if settings.minutes is not None and time.monotonic() - begun > 60 * settings.minutes:
            say(f"sweep.minutes={settings.minutes:g} are over after {len(ended_trials(study))} trials")
            return
        run_next_trial(study, settings)


def run_next_trial(study: optuna.Study, settings: SweepSettings) -> None:
    """Train the study's next trial, or go on with the one that was killed, and tell the study how it went.

    A training that diverges is a failed trial; the sweep goes on.

    Raises:
        UserError: the data cannot be trained on, or a result cannot be written.
    """
    trial, values = begin_trial(study, settings)
    shown = ", ".join(f"{setting} {_in_short(value)}" for setting, value in values.items())
    say(f"\ntrial {trial.user_attrs[PLACE] + 1} of {settings.trials}: {shown}")
    composed = settings.compose_trial(values)
    training = composed.training
    data = open_data(training)
    check_same_data(study, data.fingerprint(), settings)
    start = time.perf_counter()
    try:
        run, state = _train(trial, composed, data, settings)
    except (DataError, OutputError):
        raise
    except UserError as error:
        trial.set_user_attr(TRIAL_ERROR, str(error))
        study.tell(trial, state=TrialState.FAIL)
        warn(f"this trial failed, the sweep goes on: {error}")
        return
    trial.set_user_attr(RUN, run.run_id)
    trial.set_user_attr(SECONDS_TAKEN, round(time.perf_counter() - start, 1))
    if state == TrialState.PRUNED:
        study.tell(trial, state=state)
        say(f"stopped after {in_number(run.scores()[0], 'epoch')}: others were better by then")
    else:
        study.tell(trial, run.scores()[1][scored_epoch(run, settings)])


def _train(
    trial: Trial, composed: TrialSettings, data: GestureDataModule, settings: SweepSettings
) -> tuple[RunFolder, TrialState]:
    """Train in the run folder of these settings, or take the run that has them already."""
    training = composed.training
    identity = RunIdentity.of(training, data.fingerprint())
    folder = run_folder_for(training.workspace.runs, training.model["name"], identity, fresh=False)
    if is_finished(folder):
        say(f"{folder} has been trained with these values already")
        run = RunFolder.open(folder)
        for epoch, score in run.scores()[1].items():
            trial.report(score, epoch + 1)
        return run, TrialState.COMPLETE
    tags = [*tags_of(training), *tags_of_trial(settings.name, trial.user_attrs[PLACE])]
    run = begin_run(folder, identity, training.configuration, tags)
    run.log_values({"sweep/name": settings.name, "sweep/trial": trial.user_attrs[PLACE] + 1})
    pruning = Pruning(trial, run)
    with RunLogger(run, composed.trackers, sampling_period=SAMPLING_PERIOD) as logger:
        train(training, data, run, logger, [EpochCallback(), pruning])
        if pruning.stopped:  # not finished: `gestures train` with these settings would go on with it
            logger.set_tags([*tags, STOPPED_EARLY])
            logger.set_status("interrupted")
    return run, TrialState.PRUNED if pruning.stopped else TrialState.COMPLETE


def tags_of_trial(sweep: str, place: int) -> list[str]:
    """What tells the runs of a sweep apart in tables of runs."""
    return [f"sweep_{sweep}", f"trial_{place + 1}"]


def scored_epoch(run: RunFolder, settings: SweepSettings) -> int:
    """The epoch of a run whose score is the trial's."""
    scores = run.scores()[1]
    best = best_of(scores)
    assert best is not None, "a training that ends has an epoch"
    return best[0] if settings.epoch == "best" else max(scores)


def _in_short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
