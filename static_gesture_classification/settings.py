"""Settings: the part of the configuration that one capability needs, typed, checked and frozen.

A command's `main` turns the `DictConfig` into `Settings`; everything below takes those. A capability declares its
settings once, with the allowed values and with where they stand:

    class LandmarkSettings(Settings, key="landmarks"):
        cache: Path                          # landmarks.cache
        share: float = Field(ge=0, lt=1)     # landmarks.share
        seed: Annotated[int, At("seed")]     # seed
        split: SplitSettings                 # has a key of its own: SplitSettings.from_config
        quick: Annotated[Workspace, At("retrain.paths")]

What has to be computed goes through `from_config`, which hands it to `read`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from static_gesture_classification.errors import UserError

_NOTHING = object()
SHOULD = re.compile(r"^[A-Z]\w* should ")  # how pydantic's messages begin: "Input should be ..."


@dataclass(frozen=True)
class At:
    """Where the configuration has a setting that is not in the node of its class."""

    key: str

    @classmethod
    def of(cls, field: FieldInfo) -> At | None:
        """The mark of a field, if it has one."""
        return next((each for each in field.metadata if isinstance(each, At)), None)


class Settings(BaseModel):
    """Base of all settings: frozen; a wrong type or a value out of range is an error that names the key."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, arbitrary_types_allowed=True, coerce_numbers_to_str=True
    )

    config_key: ClassVar[str | None] = None

    def __init_subclass__(cls, key: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if key is not None:
            cls.config_key = key

    @classmethod
    def from_config(cls, config: DictConfig) -> Self:
        """Build the settings from the node that the class names by its `key`; raises as `read`."""
        if cls.config_key is None:
            raise TypeError(f"{cls.__name__} names no node; read it at one")
        return cls.read(config, cls.config_key)

    @classmethod
    def read(cls, config: DictConfig, key: str, **others: Any) -> Self:
        """Build the settings from the node `key` of the configuration ("" for all of it).

        Fields that are marked with `At`, and those of classes with a `from_config` of their own, come from elsewhere.

        Args:
            config: the composed configuration.
            key: dotted path of the node; only entries that the class declares are read.
            others: fields that the caller has computed, by name; they come before all others.

        Raises:
            UserError: a value is missing, of another type, or not allowed; names the key, the value and the rule.
        """
        node = OmegaConf.select(config, key, default={}) if key else config
        content = _plain(node)
        fields = {name: field for name, field in cls.model_fields.items() if name not in others}
        found = {name: _value_elsewhere(field, config) for name, field in fields.items()}
        elsewhere = {name: value for name, value in found.items() if value is not _NOTHING}
        return cls.check(content if isinstance(content, Mapping) else {}, key, **elsewhere, **others)

    @classmethod
    def check(cls, content: Mapping[Any, Any], key: str, **others: Any) -> Self:
        """Build the settings from plain values; see `read`."""
        named = {name: value for name, value in content.items() if name in cls.model_fields}
        plain = {
            name: OmegaConf.to_container(v, resolve=True) if OmegaConf.is_config(v) else v for name, v in others.items()
        }
        try:
            return cls.model_validate({**named, **plain})
        except ValidationError as error:
            places = {name: at.key for name, field in cls.model_fields.items() if (at := At.of(field))}
            raise UserError("; ".join(_message(each, key, places) for each in error.errors())) from None


def _value_elsewhere(field: FieldInfo, config: DictConfig) -> Any:
    """The value of a field that the node of its class does not hold; `_NOTHING` where it does, or has none."""
    kind: Any = field.annotation
    is_settings = isinstance(kind, type) and issubclass(kind, Settings)
    if at := At.of(field):
        return kind.read(config, at.key) if is_settings else OmegaConf.select(config, at.key, default=_NOTHING)
    reads_itself = kind.config_key is not None if is_settings else hasattr(kind, "from_config")
    return kind.from_config(config) if reads_itself else _NOTHING


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _message(error: Any, key: str, places: Mapping[str, str]) -> str:
    """One of pydantic's errors as `key is value; it must be ...`; `places`: keys of fields that are elsewhere."""
    first, *rest = error["loc"] or [""]
    place = ".".join(str(part) for part in (places.get(first, f"{key}.{first}".strip(".")), *rest))
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"{place} is {error['input']!r}, but there is no such setting"
    rule = SHOULD.sub("must ", str(error["msg"]).removeprefix("Value error, "))
    return f"{place} is {error['input']!r}; it {rule}"
