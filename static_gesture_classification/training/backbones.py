"""The backbones that a model may name: the function `backbone` of each file in training/models/, and nothing else.

A model's backbone is configured in conf/model/, or in a checkpoint, which anybody may have made. So the name is looked
up among these functions and never imported. Its arguments are plain values of the declared types, and nothing in them
is looked up or called.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, ValidationError, validate_call
from torch import nn

from static_gesture_classification.errors import UserError
from static_gesture_classification.training import models

TARGET = "_target_"
_FACTORY = "backbone"
Backbone = tuple[nn.Module, int]


def build_backbone(node: Mapping[str, Any], pretrained: bool) -> Backbone:
    """The backbone of a model's node `backbone`, and its number of features.

    Args:
        node: `_target_`, one of `backbone_names`, and the function's own arguments.
        pretrained: whether with ImageNet's weights.

    Raises:
        UserError: no backbone of this program, or wrong arguments; or the backbone's own error.
    """
    if isinstance(node, DictConfig):  # conf/'s own, whose references are resolved; out of a file come plain values
        node = cast(Mapping[str, Any], OmegaConf.to_container(node, resolve=True))
    arguments = {str(name): value for name, value in node.items() if name != TARGET}
    hidden = [name for name in (*arguments, *_keys_within(list(arguments.values()))) if name.startswith("_")]
    if hidden:
        raise UserError(f"model.backbone has {hidden[0]}; it holds plain values, and builds nothing else")
    checked = validate_call(config=ConfigDict(strict=True))(factory(node.get(TARGET)))
    try:
        return checked(**arguments, pretrained=pretrained)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"model.backbone.{place} is {first['input']!r:.60}: {first['msg']}") from error
    except UserError:
        raise
    except Exception as error:  # the libraries below raise what they like; all mean that it cannot be built
        raise UserError(f"model.backbone cannot be built as configured: {error}") from error


def backbone_names() -> list[str]:
    """Full names of the functions that build a backbone."""
    return [f"{module}.{_FACTORY}" for module in _modules() if _own_factory(module) is not None]


def factory(target: object) -> Callable[..., Backbone]:
    """The function of this full name. Raises `UserError` where it is not among `backbone_names`."""
    module, _, name = str(target).rpartition(".")
    found = _own_factory(module) if name == _FACTORY and module in _modules() else None
    if found is None:
        raise UserError(f"model.backbone._target_ is {target!r}; the backbones are {', '.join(backbone_names())}")
    return found


def _modules() -> list[str]:
    """The files in training/models/, as modules; none is imported."""
    return [f"{models.__name__}.{module.name}" for module in pkgutil.iter_modules(models.__path__)]


def _own_factory(module: str) -> Callable[..., Backbone] | None:
    """The function `backbone` that a file in training/models/ defines itself, None where it does not."""
    found = getattr(import_module(module), _FACTORY, None)
    return found if inspect.isfunction(found) and found.__module__ == module else None


def _keys_within(values: list[Any]) -> list[str]:
    """All keys of the mappings in a list of values, at any depth."""
    keys: list[str] = []
    for value in values:  # grows while it is walked
        if isinstance(value, Mapping):
            keys.extend(map(str, value))
            values.extend(value.values())
        elif isinstance(value, list | tuple):
            values.extend(value)
    return keys
