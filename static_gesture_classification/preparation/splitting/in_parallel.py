"""All processors at once on many calls of one function, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

from static_gesture_classification.terminal import progress_bar

_Part = TypeVar("_Part")


def in_parallel(what: str, work: Callable[..., _Part], calls: Iterable[tuple], count: int) -> Iterator[_Part]:
    """The result of `work` for each of `count` calls, in order, by all processors, with progress."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=count, unit="pieces")
        parallel = joblib.Parallel(n_jobs=-1, prefer="threads", batch_size=1, return_as="generator")
        for part in parallel(joblib.delayed(work)(*call) for call in calls):
            yield part
            bar.advance(task)
