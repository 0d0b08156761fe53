"""The settings of a sweep, and of its trials."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field

from static_gesture_classification.conf_files import read_declared
from static_gesture_classification.configuration import CONF, compose_again
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.promote import PromoteSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.sweeps.search_space import SearchedSetting, Value, overrides_of, read_space
from static_gesture_classification.tracking import trackers
from static_gesture_classification.training import hardware
from static_gesture_classification.training.settings import TrainingSettings
from static_gesture_classification.workspace import Workspace

_NOT_OF_SCORES = ("sweep", "logger", "promote", "compare")  # groups that may differ where a study is gone on with


class TrialSettings(Settings, key=""):
    """What a trial trains, where it is mirrored to, and how it would be promoted.

    Args:
        training: without a second one for use.
        trackers, promotion: see their classes.
        for_use: splits that the best trial learns too, if it is promoted; see `training.for_use`.
    """

    training: TrainingSettings
    trackers: tuple[Any, ...]
    promotion: PromoteSettings
    for_use: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: DictConfig) -> TrialSettings:
        """Of the configuration of one trial; raises as `read`."""
        return cls.read(config, "", trackers=tuple(trackers.from_config(config)))


class SweepSettings(Settings, key="sweep"):
    """A sweep; see conf/sweep/.

    Args:
        name: of the study.
        trials: that it has in the end.
        minutes: after which no trial begins; None: no limit.
        epoch: whose score a trial has, and which would be promoted.
        promote: whether the best trial may become the best checkpoint.
        base: overrides that all trials have in common.
        space: the searched settings.
        sampler, pruner: nodes of the configuration.
        folder: of the study and its results.
        seed: of the sampler; the trials' own is part of the configuration.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    trials: int = Field(ge=1)
    minutes: float | None = Field(default=None, gt=0)
    epoch: Literal["best", "last"]
    promote: bool
    base: tuple[str, ...]
    space: tuple[SearchedSetting, ...]
    sampler: dict[str, Any]
    pruner: dict[str, Any]
    folder: Path
    seed: Annotated[int, At("seed")]

    @classmethod
    def from_config(cls, config: DictConfig) -> SweepSettings:
        """Read the node `sweep`, and take over the overrides of the command line.

        Raises:
            UserError: a value is not allowed; the command line sets what is searched; a trial cannot be composed.
        """
        node: Any = OmegaConf.to_container(config.sweep, resolve=True)
        given = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
        chosen = {_key(each) for each in given}
        common = [each for each in node["overrides"] or () if _key(each) not in chosen]  # a group has one choice
        settings = cls.read(
            config,
            "sweep",
            base=(*common, *given),
            space=read_space(node["space"] or {}, read_declared(CONF)),
            folder=Workspace.from_config(config).reports / "sweeps" / str(node["name"]),
        )
        settings.check_trials()
        return settings

    def check_trials(self) -> None:
        """Compose a trial with all low and one with all high values, so that a mistake shows before the first trial.

        Raises:
            UserError: see `from_config`.
        """
        given = {_key(override) for override in self.base}
        twice = [each.setting for each in self.space if each.setting in given]
        if twice:
            raise UserError(
                f"{twice[0]} is set for all trials, and searched; leave it out of the command line and of "
                f"sweep.overrides, or out of the search: sweep.space.{twice[0]}=null"
            )
        for end in range(2):
            trial = self.compose_trial({each.setting: each.values.ends[end] for each in self.space})
            trainer = trial.training.trainer
            hardware.check_one_device(trainer.devices, hardware.accelerator(trainer.accelerator), "gestures sweep")

    def compose_trial(self, values: Mapping[str, Value]) -> TrialSettings:
        """The settings of the trial with these values by setting.

        Raises:
            UserError: they do not fit together; names them.
        """
        files = {setting: value for setting, value in values.items() if "." not in setting}
        try:
            config = copy.deepcopy(_compose_files((*self.base, *overrides_of(files))))
            for setting in values.keys() - files.keys():
                OmegaConf.update(config, setting, values[setting])
            for_use = list(config.train_hyperparams.get("for_use") or ())
            OmegaConf.update(config, "train_hyperparams.for_use", [])  # a trial is measured; the best one is for use
            return TrialSettings.from_config(config).model_copy(update={"for_use": tuple(for_use)})
        except (HydraException, OmegaConfBaseException) as error:
            reason, own = str(error).splitlines()[0], " ".join(overrides_of(values))
            raise UserError(f"a trial with {own} cannot be composed: {reason}") from error

    @property
    def digest(self) -> str:
        """Hash of what makes the scores of trials comparable: 16 hex digits."""
        space = [[each.setting, each.values.model_dump(mode="json")] for each in self.space]
        common = [each for each in self.base if _key(each).partition(".")[0] not in _NOT_OF_SCORES]
        return hashlib.blake2b(json.dumps([space, common, self.epoch]).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=32)
def _compose_files(overrides: tuple[str, ...]) -> DictConfig:
    """The configuration with these overrides; composing takes long, and most trials differ in values alone."""
    return compose_again(overrides)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").partition("@")[0]
