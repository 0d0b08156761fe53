"""This machine's processors, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

from static_gesture_classification.parallel.engine import Engine

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class LocalEngine(Engine):
    """Threads or processes of this machine; see `Engine`."""

    def workers(self) -> int:
        """One per processor."""
        return int(joblib.effective_n_jobs(-1))

    def map(
        self, work: Callable[[_Item], _Result], items: Iterable[_Item], threads: bool = False, jobs: int = -1
    ) -> Iterator[_Result]:
        """See `Engine.map`."""
        prefer = "threads" if threads else "processes"
        parallel = joblib.Parallel(n_jobs=jobs, prefer=prefer, batch_size=1, return_as="generator")
        return parallel(joblib.delayed(work)(item) for item in items)
