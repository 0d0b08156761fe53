"""Files that a thread writes while training goes on, one after the other.

Most of the time that a file takes is waiting for the disk. What is written is copied first, since training changes its
weights in place.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWrites:
    """Writes in the order in which they are asked for."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._asked: list[Future[None]] = []

    def ask(self, write: Callable[[], None]) -> None:
        """Let the thread call `write` after what was asked for before; not if one of those failed."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="writes")
        before = self._asked[-1] if self._asked else None
        self._asked.append(self._thread.submit(_write_after, before, write))

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            OutputError: one of them could not be written; the later ones were not.
        """
        asked, self._asked = self._asked, []
        for each in asked:
            each.result()

    def close(self) -> None:
        """End the thread, after what was asked for."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None


def _write_after(before: Future[None] | None, write: Callable[[], None]) -> None:
    if before is not None:
        before.result()  # it has ended, since there is one thread
    write()
