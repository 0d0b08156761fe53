"""The composed configuration, composed again when the settings of this machine change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF, OWN_CONF, compose_again
from static_gesture_classification.file_state import file_state
from static_gesture_classification.local_settings import LOCAL, check_local_settings


class Composed:
    """The configuration as it is now: a gesture that was added meanwhile is in it.

    Args:
        started_as: as it was composed at the start.
        given: the overrides of the command line.
        file: this machine's settings; None where they are not looked at again.
    """

    def __init__(self, started_as: Any, given: Sequence[str], file: Path | None) -> None:
        self._config: DictConfig = started_as
        self.given, self._file = given, file
        self._state = self._look()
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, config: DictConfig) -> Composed:
        """Of a command that Hydra has started; of another, as it is."""
        if not HydraConfig.initialized():
            return cls(config, (), None)
        own = OWN_CONF if OWN_CONF.is_dir() else CONF
        return cls(config, tuple(HydraConfig.get().overrides.task), own / LOCAL)

    def now(self) -> DictConfig:
        """The configuration.

        Raises:
            UserError: the file of this machine's settings has been changed and cannot be used; names the line.
        """
        if self._file is None:
            return self._config
        with self._lock:
            state = self._look()
            if state != self._state:
                check_local_settings(CONF, self._file.parents[1])
                self._config, self._state = compose_again(self.given), state
            return self._config

    def _look(self) -> tuple[int, int] | None:
        return file_state(self._file) if self._file is not None else None
