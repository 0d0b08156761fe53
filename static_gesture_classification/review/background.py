"""Calculations that take longer than a click: two at a time, each only once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

Value = TypeVar("Value")
KEPT = 8  # results at most


class Background:
    """What is being calculated, and what was. Pages wait for it without holding a thread."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(2, thread_name_prefix="background")
        self._futures: dict[Hashable, Future[Any]] = {}
        self._shares: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    async def result(self, key: Hashable, do: Callable[..., Value], *arguments: Any) -> Value:
        """`do(*arguments)`, started unless it was for this key before; errors are not kept."""
        return cast(Value, await asyncio.shield(asyncio.wrap_future(self.start(key, do, *arguments))))

    def start(self, key: Hashable, do: Callable[..., Value], *arguments: Any) -> Future[Value]:
        """As `result`, without waiting."""
        with self._lock:
            future = self._futures.get(key)
            if future is None or (future.done() and future.exception() is not None):
                future = self._worker.submit(do, *arguments)
            self._futures.pop(key, None)
            self._futures[key] = future
            for old in [name for name, each in self._futures.items() if each.done()][:-KEPT]:
                del self._futures[old]
                self._shares.pop(old, None)
            return future

    def tell(self, key: Hashable, share: float) -> None:
        """Tell which share of a calculation is done, 0..1."""
        self._shares[key] = share

    def share(self, key: Hashable) -> float:
        """Which share of a calculation is done, 0..1, as far as it was told."""
        return self._shares.get(key, 0.0)
