"""The interface of engines that work in parallel, and how to build one from the configuration.

An engine is one file in this package and one YAML in conf/parallel/, whose `_target_` names its class. Stages give it
pure work on one item; results come back in the order of the items and are written by the stage. So the engine changes
the time that a stage takes, never its files.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import Settings

THIS_MACHINE = "static_gesture_classification.parallel.local.LocalEngine"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Engine(ABC):
    """Works on many items at once."""

    @abstractmethod
    def workers(self) -> int:
        """How many items it works on at a time."""

    @abstractmethod
    def map(
        self, work: Callable[[_Item], _Result], items: Iterable[_Item], threads: bool = False, jobs: int = -1
    ) -> Iterator[_Result]:
        """The result of each item, in their order. Only some items and results are in memory at a time.

        Args:
            work: can be pickled; may raise, which ends the iteration.
            items: can be pickled.
            threads: whether threads do on this machine, because `work` mostly runs outside of Python's lock.
            jobs: number of threads or processes on this machine; -1: one per processor. A cluster uses all it has.
        """


class EngineSettings(Settings, key="parallel"):
    """The settings of an engine. They can be pickled and compared.

    Args:
        node: the node `parallel` of the configuration in plain values: `_target_` names the class, the others are its
            arguments.
    """

    node: dict[str, Any] = Field(default_factory=lambda: {"_target_": THIS_MACHINE})

    @classmethod
    def from_config(cls, config: DictConfig) -> EngineSettings:
        """Read the node `parallel`; without one it is this machine."""
        node = config.get("parallel")
        return cls() if node is None else cls.check({}, "parallel", node=node)

    def build(self) -> Engine:
        """The engine, one for all equal settings in this process.

        Raises:
            UserError: it cannot be built as configured; says why.
        """
        return built(json.dumps(self.node, sort_keys=True))


@cache
def built(settings: str) -> Engine:
    """See `EngineSettings.build`; `settings` is the node as JSON."""
    from static_gesture_classification.building import build  # Hydra, which a folder for Gradio does without

    node = json.loads(settings)
    engine = build(node, "parallel")
    if not isinstance(engine, Engine):
        raise UserError(f"parallel._target_ is {node.get('_target_')!r}, which is no engine; use parallel=local or ray")
    return engine
