"""The sources that the configuration selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hydra
from omegaconf import DictConfig

from static_gesture_classification.sources.source import Source


class Sources(tuple[Source, ...]):
    """The selected sources in the order of the configuration; the first one keeps a picture that two have."""

    __slots__ = ()

    @classmethod
    def from_config(cls, config: DictConfig) -> Sources:
        """The sources of `sources` that are enabled."""
        return cls.build(config.get("sources"), config.seed)

    @classmethod
    def build(cls, nodes: Mapping[Any, Any] | None, seed: int = 0) -> Sources:
        """The enabled sources among `nodes`, by name.

        A node without a `_target_` is ignored: conf/local/ may set the root of a source that is not selected.
        """
        wanted = {name: node for name, node in (nodes or {}).items() if node is not None and "_target_" in node}
        return cls(
            hydra.utils.instantiate(node, name=str(name), seed=seed, _convert_="all")
            for name, node in wanted.items()
            if node.get("enabled", True)
        )
