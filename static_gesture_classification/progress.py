"""Progress of long work: a bar with a rate and the time left in a terminal, one closing line elsewhere."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")

console = Console()
errors = Console(stderr=True)


def print_anything() -> None:
    """Let the console print what its encoding has no sign for (a Cyrillic path under cp1252) in another way, not fail.

    Work that is done would else end in a traceback because a name cannot be shown.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class RateColumn(ProgressColumn):
    """Steps per second, in the task's unit."""

    def render(self, task: Task) -> Text:
        """Render as `123.4 images/s`."""
        return Text("" if not task.speed else f"{task.speed:,.1f} {task.fields['unit']}/s", style="cyan")


def progress_bar() -> Progress:
    """A bar with count, rate and time left; tasks need the field `unit`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        RateColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


def track(items: Iterable[Item], description: str, total: int, unit: str = "images") -> Iterator[Item]:
    """Yield `items` while showing progress; closes with a line `description: total unit in s (rate)`."""
    start, done = time.perf_counter(), 0
    with progress_bar() as bar:
        task = bar.add_task(description, total=total, unit=unit)
        for item in items:
            yield item
            done += 1
            bar.advance(task)
    seconds = time.perf_counter() - start
    console.print(f"{description}: {done:,} {unit} in {seconds:.1f} s ({done / max(seconds, 1e-9):,.1f} {unit}/s)")
