"""What every process loads for itself: native code that does not survive pickling, nor a fork."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

_Resource = TypeVar("_Resource")


class NativeResource(ABC, Generic[_Resource]):
    """Holds a native resource, loaded on first use; calls from several threads use it one by one.

    It can be pickled and forked: every process loads its own. Attributes that begin with an underscore are not pickled.
    """

    def __init__(self) -> None:
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._resource: _Resource | None = None
        self._finalizer: weakref.finalize | None = None
        self._process = os.getpid()
        self._lock = threading.RLock()

    @abstractmethod
    def _load(self) -> _Resource:
        """Load it."""

    @staticmethod
    @abstractmethod
    def _release(resource: Any, process: int) -> None:
        """Release what `process` loaded, which may be the parent of this one."""

    @contextmanager
    def _held(self) -> Iterator[_Resource]:
        """The resource, for one thread at a time."""
        if self._process != os.getpid():
            self._let_go()
        with self._lock:
            if self._resource is None:
                self._resource = self._load()
                self._finalizer = weakref.finalize(self, self._release, self._resource, os.getpid())
            yield self._resource

    def close(self) -> None:
        """Release it; the next call loads it again."""
        with self._lock:
            self._let_go()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_afresh()

    def _let_go(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._start_afresh()
