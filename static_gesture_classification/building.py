"""Building what the configuration names, with errors that a user can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from static_gesture_classification.errors import UserError


def build(node: Mapping[str, Any], name: str, **arguments: Any) -> Any:
    """Instantiate a node of the configuration (its `_target_`), lists and mappings as plain Python ones.

    Args:
        node: the node.
        name: what it is called in the configuration, for messages.
        arguments: passed on beside the node's own.

    Raises:
        UserError: the target's own one, or one that says why it could not be built.
    """
    try:
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise UserError(f"{name} cannot be built as configured: {error.__cause__ or error}") from error
