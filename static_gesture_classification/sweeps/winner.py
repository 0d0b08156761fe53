"""The best trial of a sweep: marked among the runs, and promoted by the usual rule."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.promote import (
    BY_SCORE,
    decide_promotion,
    describe_decision,
    kept_candidate,
    promote,
    promoting,
    settle_decision,
)
from static_gesture_classification.sweeps.results import PARALLEL_COORDINATES, TRIALS
from static_gesture_classification.sweeps.settings import SweepSettings, TrialSettings
from static_gesture_classification.sweeps.study import RUN, best_trial, distribution_of, ended_trials, values_of
from static_gesture_classification.sweeps.trial import scored_epoch
from static_gesture_classification.terminal import say, warn
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.sync import sync
from static_gesture_classification.training.calibrate import calibrate
from static_gesture_classification.training.checkpoint import (
    checkpoint_digest,
    for_use_file,
    is_calibrated,
    read_checkpoint,
)
from static_gesture_classification.training.experiment import open_data
from static_gesture_classification.training.for_use import train_for_use

WINNER = "sweep_winner"  # tag of a run


def settle_winner(study: optuna.Study, settings: SweepSettings) -> None:
    """Mark the best trial's run, tell its trackers, and promote it if it is better than the best checkpoint so far.

    Raises:
        UserError: its checkpoint is gone.
    """
    best = best_trial(study)
    if best is None:
        say("no trial was trained to its end, so none is the best")
        return
    distributions = {each.setting: distribution_of(each) for each in settings.space}
    composed = settings.compose_trial(values_of(best.params, distributions))
    runs = composed.training.workspace.runs
    _mark(RunFolder.open(runs / best.user_attrs[RUN]), ended_trials(study), settings, composed)
    if settings.promote:
        run = RunFolder.open(runs / best.user_attrs[RUN])
        _promote_if_better(run, scored_epoch(run, settings), composed)


def _mark(run: RunFolder, trials: list[FrozenTrial], settings: SweepSettings, composed: TrialSettings) -> None:
    """Give the run the winner's tag, which an earlier winner loses, and the sweep's results."""
    for trial in trials:
        other = run.path.parent / trial.user_attrs.get(RUN, run.run_id)
        if other != run.path and WINNER in (tags := RunFolder(other).tags):
            RunFolder(other).set_tags([tag for tag in tags if tag != WINNER])
    run.set_tags([*run.tags, WINNER])
    for name in (TRIALS, PARALLEL_COORDINATES):
        path = settings.folder / name
        run.log_bytes(f"sweep/{path.stem}", path.read_bytes(), path.suffix)
    for tracker in composed.trackers:
        try:
            sync(run, tracker)
        except UserError as error:  # as in a training, a tracker that fails is no reason to fail
            warn(f"{error}; gestures sync run={run.run_id} sends the rest")


def _promote_if_better(run: RunFolder, epoch: int, composed: TrialSettings) -> None:
    training, promotion = composed.training, composed.promotion
    kept = run.epoch_checkpoints()
    if epoch in kept and not is_calibrated(read_checkpoint(kept[epoch]), training.background_share):
        calibrate([kept[epoch]], open_data(training), training.background_share)
    models, candidate = training.workspace.models, kept_candidate(run, epoch)
    decision = settle_decision(decide_promotion(candidate, promotion), candidate, models, promotion.force)
    if decision.promote:
        _add_weights_for_use(run, composed)
        candidate = kept_candidate(run, epoch)
        with promoting(models):
            promote(candidate, models, {"chosen": BY_SCORE, **describe_decision(decision)})
    if not decision.promote and checkpoint_digest(training.workspace.best) == candidate.digest:
        say(f"run {run.run_id}, epoch {epoch}, is {training.workspace.best} already")
        return
    verb = "promoted" if decision.promote else "not promoted"
    say(f"run {run.run_id}, epoch {epoch}: {verb} to {training.workspace.best}: {decision.reason}")
    if not decision.promote:
        say(f"to promote it anyway: gestures promote run={run.run_id} epoch={epoch}")


def _add_weights_for_use(run: RunFolder, composed: TrialSettings) -> None:
    """Train the winner once more on all people, where its trainings are followed by one for use."""
    output = for_use_file(run.checkpoint_folder)
    if composed.for_use and not output.is_file():
        how = composed.training.hyperparameters.model_copy(update={"for_use": composed.for_use})
        settings = composed.training.model_copy(update={"hyperparameters": how})
        train_for_use(settings, open_data(composed.training), output)
