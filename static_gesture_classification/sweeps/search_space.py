"""The settings that a sweep searches: read from the configuration, checked, and given back as overrides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import Field, model_validator

from static_gesture_classification.command_line import hydra_text
from static_gesture_classification.conf_files import Declared
from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import Settings

# Groups that may be searched: all trials share the prepared data, and are scored alike.
SEARCHED = ("augs", "loss", "model", "optimizer", "sampler", "scheduler", "train_hyperparams")
_OF_VALUES = {"low", "high", "log", "choices"}
_WAY_OUT = "write {low: 0.001, high: 0.1, log: true}, or {choices: [a, b]}; null leaves it out"

Value = int | float | str | bool | list[Any] | None


class ValueRange(Settings):
    """Numbers from `low` to `high`, both included, whole ones if both are; `log`: drawn by their order of magnitude."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> ValueRange:
        if not self.low < self.high:
            raise ValueError("must have a low below its high")
        if self.log and self.low <= 0:
            raise ValueError("must have a low above 0, for log: true takes logarithms")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Value, Value]:
        """A low and a high value."""
        return self.low, self.high


class ValueChoices(Settings):
    """One of some values: numbers, texts, truth values, null, or lists of these."""

    choices: tuple[Any, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check_values(self) -> ValueChoices:
        if any(isinstance(choice, Mapping) for choice in self.choices):
            raise ValueError("must have values as choices, not groups of settings")
        if len({json.dumps(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError("must have choices that differ")
        return self

    @property
    def ends(self) -> tuple[Value, Value]:
        """The first and the last choice."""
        return self.choices[0], self.choices[-1]


@dataclass(frozen=True)
class SearchedSetting:
    """A setting, or the file of a group (`augs`), and the values that it may have."""

    setting: str
    values: ValueRange | ValueChoices


def read_space(node: Mapping[str, Any], known: Declared) -> tuple[SearchedSetting, ...]:
    """The searched settings of `sweep.space`, nested as in the configuration.

    Args:
        node: plain values.
        known: the settings that there are.

    Raises:
        UserError: a setting does not exist or cannot be searched, or its values are no range and no choices; names it
            and the way out.
    """
    found = tuple(_searched(node, ()))
    if not found:
        raise UserError("sweep.space names no setting to search; choose sweep=landmarks or sweep=crops, or fill it")
    for each in found:
        _check_setting(each, known)
    return found


def overrides_of(values: Mapping[str, Value]) -> list[str]:
    """Values by setting as overrides of the command line.

    >>> overrides_of({"augs": "none", "train_hyperparams.lr": 0.01, "model.backbone.hidden": [128, 64]})
    ["augs='none'", 'train_hyperparams.lr=0.01', 'model.backbone.hidden=[128, 64]']
    """
    return [
        f"{setting}={hydra_text(value) if isinstance(value, str) else json.dumps(value)}"
        for setting, value in values.items()
    ]


def _searched(node: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[SearchedSetting]:
    for name, value in node.items():
        here = (*place, str(name))
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise UserError(f"sweep.space.{'.'.join(here)} is {value!r}; {_WAY_OUT}")
        if not set(value) & _OF_VALUES:
            yield from _searched(value, here)
            continue
        yield SearchedSetting(".".join(here), _values(value, f"sweep.space.{'.'.join(here)}"))


def _values(node: Mapping[str, Any], key: str) -> ValueRange | ValueChoices:
    kind = ValueChoices if "choices" in node else ValueRange
    unknown = set(node) - set(kind.model_fields)
    if unknown:
        raise UserError(f"{key} has {', '.join(sorted(map(str, unknown)))}, which means nothing here; {_WAY_OUT}")
    return kind.check(node, key)


def _check_setting(each: SearchedSetting, known: Declared) -> None:
    group = each.setting.partition(".")[0]
    if group not in SEARCHED:
        raise UserError(
            f"sweep.space.{each.setting}: {group} cannot be searched, since all trials share the prepared data and are "
            f"scored alike; settings of {', '.join(SEARCHED)} can"
        )
    is_group = "." not in each.setting
    if is_group and not isinstance(each.values, ValueChoices):
        raise UserError(f"sweep.space.{group} is a group; its choices are files of conf/{group}/")
    if not is_group and each.setting not in known.defaults:
        raise UserError(f"sweep.space.{each.setting}: there is no such setting{_nearest(each.setting, known)}")


def _nearest(setting: str, known: Declared) -> str:
    searchable = [path for path in known.defaults if path.partition(".")[0] in SEARCHED]
    near: Sequence[str] = get_close_matches(setting, searchable, n=1)
    return f"; did you mean {near[0]}?" if near else "; gestures train --help lists them"
