"""Tables that several pages read: kept in memory as long as their files stay as they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from static_gesture_classification.file_state import file_state

Value = TypeVar("Value")
KEPT = 32  # results at most


class Tables:
    """What was made of files, remade when one of them changes. Threads may share it; each result is made once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[tuple[tuple[int, int], ...], Any]] = OrderedDict()
        self._making: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, files: Path | Sequence[Path], make: Callable[..., Value], *arguments: Any) -> Value:
        """`make(*arguments)`, or what it gave last time, if none of `files` has changed since.

        Errors of `make` are not kept.
        """
        paths = [files] if isinstance(files, Path) else list(files)
        key = (make, tuple(paths), arguments)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:  # others of other files go on meanwhile
            states = tuple(file_state(path) for path in paths)
            kept = self._kept.get(key)
            if kept is None or kept[0] != states:
                kept = (states, make(*arguments))
            self._keep(key, kept)
        value: Value = kept[1]
        return value

    def _keep(self, key: Any, kept: tuple[tuple[tuple[int, int], ...], Any]) -> None:
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                forgotten, _ = self._kept.popitem(last=False)
                self._making.pop(forgotten, None)
