"""Building what the configuration names, with errors that a user can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from static_gesture_classification.errors import UserError


def build(node: Mapping[str, Any], name: str, **arguments: Any) -> Any:
    """Instantiate the `_target_` of a node, with plain lists and dictionaries.

    Args:
        node: of the configuration.
        name: of the node, for messages.
        arguments: passed to the target, besides the node's own.

    Raises:
        UserError: the target raises one, or cannot be built.
    """
    try:
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise UserError(f"{name} cannot be built as configured: {error.__cause__ or error}") from error
