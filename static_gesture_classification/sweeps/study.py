"""The study of a sweep: an Optuna study in SQLite, which a repeated command goes on with.

    reports/sweeps/<name>/study.db

One process at a time works on it. A trial that a kill left unfinished begins again with the same values, and its run is
resumed after its last epoch. What a trial tries depends on the seed and the trials before it alone, so a sweep that was
killed tries what an undisturbed one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from static_gesture_classification.building import build
from static_gesture_classification.errors import UserError
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.sweeps.search_space import SearchedSetting, Value, ValueChoices
from static_gesture_classification.sweeps.settings import SweepSettings
from static_gesture_classification.terminal import note

STUDY_FILE = "study.db"
PLACE, RUN, TRIAL_ERROR, SECONDS_TAKEN = "place", "run", "error", "seconds"  # attributes of a trial
_REPLACES = "replaces"  # likewise: the number of the one that was killed and is begun again with this one
_SEARCH, _DATA = "search", "data"  # attributes of the study
optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def open_study(settings: SweepSettings) -> Iterator[optuna.Study]:
    """The study of a sweep, begun or gone on with, for this process alone.

    Raises:
        UserError: another process works on it, or it was begun with another search or is no study.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    lock, path = ProcessLock(settings.folder / ".lock"), settings.folder / STUDY_FILE
    if not lock.acquire():
        raise UserError(f"another process works on the sweep in {settings.folder}; wait for it, or set sweep.name")
    try:
        study = _load(settings, str(path))
        _check_belongs(study, _SEARCH, settings.digest, f"{path} was begun with another search", settings)
        _begin_again_what_was_killed(study)
        yield study
    finally:
        lock.release()


def check_same_data(study: optuna.Study, fingerprint: str, settings: SweepSettings) -> None:
    """Raise `UserError` where the study's trials saw other data, for their scores could not be compared."""
    what = f"{settings.folder / STUDY_FILE} was begun on other data"
    _check_belongs(study, _DATA, fingerprint, what, settings)


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are over: complete, stopped early or failed; without those that were begun again."""
    replaced = _replaced(study)
    return [each for each in study.trials if each.state.is_finished() and each.number not in replaced]


def begin_trial(study: optuna.Study, settings: SweepSettings) -> tuple[Trial, dict[str, Value]]:
    """The next trial, and its values by setting."""
    place = len(ended_trials(study))
    study.sampler = build(settings.sampler, "sweep.sampler", seed=settings.seed + place)
    distributions = {each.setting: distribution_of(each) for each in settings.space}
    trial = study.ask(distributions)
    trial.set_user_attr(PLACE, place)
    return trial, values_of(trial.params, distributions)


def distribution_of(searched: SearchedSetting) -> BaseDistribution:
    """What Optuna draws from; choices are JSON, since it takes no lists."""
    values = searched.values
    if isinstance(values, ValueChoices):
        return CategoricalDistribution([json.dumps(choice) for choice in values.choices])
    if values.is_whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def values_of(drawn: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> dict[str, Value]:
    """What was drawn as values by setting."""
    return {
        setting: json.loads(drawn[setting]) if isinstance(distribution, CategoricalDistribution) else drawn[setting]
        for setting, distribution in distributions.items()
        if setting in drawn
    }


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the highest score, the earliest of equal ones; None before the first."""
    complete = [each for each in ended_trials(study) if each.state == TrialState.COMPLETE]
    return max(complete, key=lambda each: (each.value or 0.0, -each.number), default=None)


def _load(settings: SweepSettings, path: str) -> optuna.Study:
    try:
        return optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=settings.name,
            direction="maximize",
            load_if_exists=True,
            pruner=build(settings.pruner, "sweep.pruner"),
        )
    except Exception as error:  # of SQLAlchemy, SQLite or alembic
        if isinstance(error, UserError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} is no study that can be gone on with ({reason}); move it, or set sweep.name"
        ) from error


def _check_belongs(study: optuna.Study, name: str, mine: str, otherwise: str, settings: SweepSettings) -> None:
    """Note what a new study belongs to; refuse to go on with one that belongs to something else."""
    theirs = study.user_attrs.get(name)
    if theirs is None:
        study.set_user_attr(name, mine)
    elif theirs != mine:
        raise UserError(
            f"{otherwise}, so its scores cannot be compared; begin another with sweep.name=NAME, or delete "
            f"{settings.folder}"
        )


def _begin_again_what_was_killed(study: optuna.Study) -> None:
    """Queue trials that were running, for nobody else works on them."""
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        if killed.number not in _replaced(study):
            study.enqueue_trial(killed.params, user_attrs={_REPLACES: killed.number})
        study.tell(killed.number, state=TrialState.FAIL)
        note("a trial was interrupted; it begins again with the same values, after the last complete epoch of its run")


def _replaced(study: optuna.Study) -> set[int]:
    """Numbers of the trials that were begun again."""
    return {each.user_attrs[_REPLACES] for each in study.trials if _REPLACES in each.user_attrs}
