"""When Python looks for unused objects that refer to each other: not while a million useful ones are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Pause the garbage collection.

    With millions of small lists it takes a third of the time of reading an annotation file; of a training's imports,
    which make as many objects and throw none away, a quarter.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def leave_out_what_is_there() -> None:
    """Let later collections, and the one at the end of the process, not look at what there is now.

    For a command that has just imported what it needs, which stays until its end.
    """
    gc.freeze()
