"""The composed configuration, composed again when the settings of this machine change."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF, OWN_CONF, expand_homes
from static_gesture_classification.file_state import file_state
from static_gesture_classification.local_settings import LOCAL, check_local_settings


class Composed:
    """The configuration as it is now: a gesture that was added meanwhile is in it.

    Args:
        config: as it was composed at the start.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        started = HydraConfig.initialized()
        self.given: Sequence[str] = list(HydraConfig.get().overrides.task) if started else []
        self._file = (OWN_CONF if OWN_CONF.is_dir() else CONF) / LOCAL if started else None
        self._state = self._look()
        self._lock = threading.Lock()

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
                config = compose("config", overrides=list(self.given))
                expand_homes(config)
                self._config, self._state = config, state
            return self._config

    def _look(self) -> tuple[int, int] | None:
        return file_state(self._file) if self._file is not None else None
