"""Progress in bytes: in a terminal a bar with rate and time left, elsewhere a line every half minute."""

from __future__ import annotations

import time
from types import TracebackType

from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from static_gesture_classification.terminal import Bars, errors, say

LINE_EVERY = 30.0  # seconds


class ByteProgress(Bars):
    """Progress of a transfer from `done` to `total` bytes (None: unknown), with a line at the end."""

    def __init__(self, description: str, done: int = 0, total: int | None = None) -> None:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        text = TextColumn("{task.description}", markup=False)
        super().__init__(text, *columns, console=errors, disable=not errors.is_terminal)
        self._id = self.add_task(description, completed=done, total=total, unit="bytes")
        self._moved, self._shown = 0, time.monotonic()

    def at(self, done: int, total: int | None) -> None:
        """Set the progress to `done` bytes of `total` (None: as before) when a transfer continues or restarts."""
        self.update(self._id, completed=done, total=total)

    def add(self, count: int) -> None:
        """Add `count` bytes."""
        self._moved += count
        self.advance(self._id, count)
        if self.disable and time.monotonic() - self._shown >= LINE_EVERY:
            self._shown, task = time.monotonic(), self.tasks[0]
            share = f"{decimal(int(task.completed))} of {decimal(int(task.total)) if task.total else '?'}"
            left = f", {task.time_remaining / 60:.0f} min left" if task.time_remaining else ""
            say(f"  {task.description}: {share}, {decimal(int(task.speed or 0))}/s{left}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            task = self.tasks[0]
            seconds = max(task.elapsed or 0.0, 1e-3)
            rate = decimal(int(self._moved / seconds))
            say(f"{task.description}: {decimal(self._moved)} in {seconds:.1f} s ({rate}/s)")
