"""Progress of transfers in bytes: a bar with rate and time left in a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from static_gesture_classification.terminal import console, errors

LINE_EVERY = 30.0  # seconds


def say(line: str) -> None:
    """Print a line as it is: no markup, no colours, no breaks."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


class ByteProgress:
    """How far a transfer is. Get one from `byte_progress`."""

    def __init__(self, bar: Progress, description: str, done: int, total: int | None) -> None:
        self.done = done
        self._bar, self._description, self._total = bar, description, total
        self._task = bar.add_task(description, total=total, completed=done)
        self._started = self._shown = time.monotonic()
        self._began_at = done

    def expect(self, total: int | None) -> None:
        """The whole is `total` bytes, as the server says."""
        self._total = total
        self._bar.update(self._task, total=total)

    def at(self, done: int) -> None:
        """`done` bytes are there, as many as before or fewer: a transfer goes on or begins again."""
        self._began_at -= self.done - done
        self.done = done
        self._bar.update(self._task, completed=done)

    def advance(self, count: int) -> None:
        """`count` bytes more are there."""
        self.done += count
        self._bar.advance(self._task, count)
        if self._bar.disable and time.monotonic() - self._shown >= LINE_EVERY:
            self._shown = time.monotonic()
            say(f"  {self._description}: {self._state()}")

    def closing_line(self) -> str:
        """What was moved, how long it took and how fast."""
        seconds, moved = self._seconds_and_bytes()
        return f"{self._description}: {decimal(moved)} in {seconds:.1f} s ({decimal(int(moved / seconds))}/s)"

    def _state(self) -> str:
        seconds, moved = self._seconds_and_bytes()
        rate = moved / seconds
        left = f", {(self._total - self.done) / rate / 60:.0f} min left" if self._total and rate else ""
        return f"{decimal(self.done)} of {decimal(self._total) if self._total else '?'}, {decimal(int(rate))}/s{left}"

    def _seconds_and_bytes(self) -> tuple[float, int]:
        return max(time.monotonic() - self._started, 1e-3), self.done - self._began_at


@contextmanager
def byte_progress(description: str, done: int = 0, total: int | None = None) -> Iterator[ByteProgress]:
    """Show progress of `description` from `done` to `total` bytes (None: unknown); closes with a line."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(TextColumn("{task.description}"), *columns, console=errors, disable=not errors.is_terminal)
    with bar:
        progress = ByteProgress(bar, description, done, total)
        yield progress
    say(progress.closing_line())
