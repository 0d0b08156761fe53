"""Settings: the part of the configuration that one capability needs, typed, checked and frozen.

A command's `main` turns the `DictConfig` into `Settings`; everything below takes those. A capability declares its
settings once, with the allowed values, and reads them in `from_config`:

    class SplitSettings(Settings):
        val: float = Field(ge=0, lt=1)
        group: Literal["subject", "session"]
        seed: int

        @classmethod
        def from_config(cls, config: DictConfig) -> SplitSettings:
            return cls.read(config, "split", seed=config.seed)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, ValidationError

from static_gesture_classification.errors import UserError

SHOULD = re.compile(r"^[A-Z]\w* should ")  # how pydantic's messages begin: "Input should be ..."


class Settings(BaseModel):
    """Base of all settings: frozen; a wrong type or a value out of range is an error that names the key."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, arbitrary_types_allowed=True, coerce_numbers_to_str=True
    )

    @classmethod
    def read(cls, config: DictConfig, key: str, **others: Any) -> Self:
        """Build the settings from the node `key` of the configuration ("" for all of it).

        Args:
            config: the composed configuration.
            key: dotted path of the node; only entries that the class declares are read.
            others: fields from elsewhere, by name; they replace the node's.

        Raises:
            UserError: a value is missing, of another type, or not allowed; names the key, the value and the rule.
        """
        node = OmegaConf.select(config, key, default={}) if key else config
        content = _plain(node)
        return cls.check(content if isinstance(content, Mapping) else {}, key, **others)

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
            raise UserError("; ".join(_message(each, key) for each in error.errors())) from None


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _message(error: Any, key: str) -> str:
    """One of pydantic's errors as `key is value; it must be ...`."""
    place = ".".join(str(part) for part in (*filter(None, [key]), *error["loc"]))
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"{place} is {error['input']!r}, but there is no such setting"
    rule = SHOULD.sub("must ", str(error["msg"]).removeprefix("Value error, "))
    return f"{place} is {error['input']!r}; it {rule}"
