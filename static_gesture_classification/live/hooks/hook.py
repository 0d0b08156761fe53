"""The interface of hooks: each acts on events in a thread of its own, so that the picture never waits for it."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from static_gesture_classification.inference.held_gestures import GestureEvent

MOST_WAITING = 100  # events that may wait for a hook
ENDING_SECONDS = 2.0  # that a hook gets for what still waits, at the end


class Hook(ABC):
    """Acts on events. Use it as a context manager; `tell` gives it an event and returns at once.

    Attributes:
        name: for messages.
        over: whether nobody is there any more whom it could tell.
    """

    name: str

    def __init__(self) -> None:
        self.over = False
        self._events: queue.Queue[GestureEvent | None] = queue.Queue(MOST_WAITING)
        self._problems: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._events.put(None, timeout=ENDING_SECONDS)
            self._thread.join(ENDING_SECONDS)
        except queue.Full:
            pass  # it hangs; its thread ends with the program
        self.close()

    def tell(self, event: GestureEvent) -> None:
        """Act on an event, soon."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self.complain(f"{self.name} does not keep up: some gestures are left out")

    def problems(self) -> list[str]:
        """What went wrong since the last call; each problem is named once."""
        found = []
        while not self._problems.empty():
            found.append(self._problems.get())
        return found

    def complain(self, problem: str) -> None:
        """Name a problem, unless it was named before."""
        if problem not in self._told:
            self._told.add(problem)
            self._problems.put(problem)

    @abstractmethod
    def act(self, event: GestureEvent) -> None:
        """Act on an event; runs in the hook's thread. An `OSError` is a problem like any other."""

    def close(self) -> None:  # noqa: B027  most hooks hold nothing
        """Release what it holds."""

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self.act(event)
            except OSError as error:
                self.complain(f"{self.name}: {error.strerror or error}")
