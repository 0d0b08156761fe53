"""Output for people: lines, notes, tables, next steps, and the progress of long work."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import rich.table
from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from static_gesture_classification.progress_file import ProgressFile

_Item = TypeVar("_Item")

console = Console()
errors = Console(stderr=True)
watched = ProgressFile.of_environment()


def print_anything() -> None:
    """Escape characters that the console's encoding lacks (a Cyrillic path under cp1252), instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_standard_output_to_data() -> None:
    """From now on all that is said goes to standard error, so that a program can read standard output."""
    console.stderr = True


class Table(rich.table.Table):
    """A table in the style of all commands. Its texts are no markup: a gesture may be called [x] or [bold]."""

    def __init__(self, *headings: Column | str, title: str | None = None, **options: Any) -> None:
        style: dict[str, Any] = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "title_justify": "left"}
        super().__init__(title=None if title is None else escape(title), **(style | options))
        for heading in headings:
            if isinstance(heading, str):
                self.add_column(heading)
            else:
                self.columns.append(replace(heading, header=_literal(heading.header), _index=len(self.columns)))

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        """See rich's `Table.add_column`."""
        super().add_column(_literal(header), *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """See rich's `Table.add_row`."""
        super().add_row(*(_literal(cell) for cell in cells), **options)


def text_columns(*names: str) -> list[Column]:
    """Columns of texts, each on one line."""
    return [Column(name, no_wrap=True) for name in names]


def number_columns(*names: str) -> list[Column]:
    """Columns of numbers, at the right."""
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _literal(shown: Any) -> Any:
    return escape(shown) if isinstance(shown, str) else shown


class RateColumn(ProgressColumn):
    """Steps per second, in the task's unit."""

    def render(self, task: Task) -> Text:
        """Render as `123.4 images/s`."""
        return Text("" if not task.speed else f"{task.speed:,.1f} {task.fields['unit']}/s", style="cyan")


class Bars(Progress):
    """Progress bars, for a terminal and for who watches this process (`progress_file`)."""

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """See rich."""
        super().update(task_id, **changes)
        self._note(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """See rich."""
        super().advance(task_id, advance)
        self._note(task_id)

    def _note(self, task_id: TaskID) -> None:
        task = self._tasks[task_id]
        watched.work(task.description, task.completed, task.total, task.fields.get("unit", ""), task.speed)


def progress_bar() -> Bars:
    """A bar with count, rate and time left; tasks need the field `unit`."""
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        RateColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


def track(items: Iterable[_Item], description: str, total: int, unit: str = "images") -> Iterator[_Item]:
    """Yield `items` and show progress; at the end a line `description: total unit in s (rate)`."""
    start, done = time.perf_counter(), 0
    with progress_bar() as bar:
        task = bar.add_task(description, total=total, unit=unit)
        for item in items:
            yield item
            done += 1
            bar.advance(task)
    seconds = time.perf_counter() - start
    say(f"{description}: {done:,} {unit} in {seconds:.1f} s ({done / max(seconds, 1e-9):,.1f} {unit}/s)")


def begin_stage(name: str) -> None:
    """Print the heading of a stage, and say to whoever watches that it begins."""
    watched.stage(name)
    show_heading(name)


def in_number(count: int, what: str) -> str:
    """A number of things: `1 picture`, `3,000 pictures`, `2 more people`."""
    if count != 1:
        what = f"{what.removesuffix('person')}people" if what.endswith("person") else f"{what}s"
    return f"{count:,} {what}"


def say(text: str) -> None:
    """Print a line as it is: without markup, colours or folding (a path stays whole)."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def show_heading(title: str) -> None:
    """Print a line across the terminal that begins with a title."""
    console.rule(escape(title), align="left")


def note(text: str) -> None:
    """Print `note: ...`, for something that a reader should know."""
    console.print(f"[yellow]note:[/] {escape(text)}", highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print `warning: ...` to standard error, for something that the user probably does not want."""
    errors.print(f"[bold yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)


def tell_error(text: str) -> None:
    """Print `error: ...` to standard error: why a command ends, and the way out."""
    errors.print(f"[bold red]error:[/] {escape(text)}", highlight=False, soft_wrap=True)


def show_table(table: rich.table.Table) -> None:
    """Print a table."""
    console.print(table)


def next_steps(steps: Mapping[str, str]) -> None:
    """Print the next steps: purpose and command, aligned."""
    width = max(map(len, steps), default=0)
    for purpose, command in steps.items():
        say(f"{purpose:{width}}  {command}")
