"""A confusion matrix that can be pressed: cells, rows and columns open their samples. It is a table of buttons, so the
keyboard and screen readers have it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from nicegui import ui

from static_gesture_classification.active_learning.diagnosis.cells import Cell
from static_gesture_classification.evaluation.metrics import Integers

STYLE = """
<style>
  .matrix { border-collapse: collapse; font-size: 12px; }
  .matrix th { font-weight: 500; padding: 0; }
  .matrix td { padding: 1px; }
  .matrix button { border: none; width: 100%; min-width: 34px; height: 30px; border-radius: 3px; cursor: pointer;
    color: inherit; background: rgba(128, 128, 128, 0.08); font-variant-numeric: tabular-nums; }
  .matrix th button { background: none; padding: 0 6px; text-align: right; white-space: nowrap; }
  .matrix thead th { vertical-align: bottom; }
  .matrix thead button { height: 96px; text-align: left; writing-mode: vertical-rl; transform: rotate(180deg);
    padding: 4px 8px; }
  .matrix td button:disabled { cursor: default; color: transparent; background: rgba(128, 128, 128, 0.05); }
  .matrix td.right button { outline: 1px solid rgba(128, 128, 128, 0.7); outline-offset: -1px; }
  .matrix button.chosen { box-shadow: inset 0 0 0 3px #E69F00; font-weight: 700; }
</style>
"""
_PICKED = "(event) => { const one = event.target.closest('[data-cell]'); if (one) emit(one.dataset.cell) }"
ALL = -1  # a whole row or column


class Matrix:
    """Counts or rates by gesture (rows) and prediction (columns).

    Args:
        on_open: called with the row and the column that were pressed, `ALL` for a whole column or row.
    """

    def __init__(self, on_open: Callable[[int, int], Any]) -> None:
        ui.add_head_html(STYLE)
        # A box with its own scroll bar must be reachable by keyboard.
        self._table = ui.html(sanitize=False).classes("overflow-x-auto max-w-full").props("tabindex=0 role=region")
        self._table.props('aria-label="Confusion matrix"')
        self._table.on("click", lambda event: on_open(*map(int, str(event.args).split(","))), js_handler=_PICKED)

    def show(self, counts: Integers, labels: Sequence[str], rates: bool, chosen: tuple[int, int] | None) -> None:
        """Draw it.

        Args:
            counts: (labels, labels).
            labels: names of rows and columns; "" stands for hands that were not found.
            rates: shares of each row in percent instead of counts.
            chosen: the cell, row or column that is open.
        """
        self._table.content = _Drawing(counts, tuple(labels), rates, chosen).html()


@dataclass(frozen=True)
class _Drawing:
    """A matrix as HTML; see `Matrix.show`."""

    counts: Integers
    labels: tuple[str, ...]
    rates: bool
    chosen: tuple[int, int] | None

    def html(self) -> str:
        """The table."""
        columns = range(len(self.labels))
        rows = (row for row in columns if self.labels[row] or self.counts[row].any())
        corner = '<th scope="col"><span style="padding: 0 6px">shown &darr; &nbsp; predicted &rarr;</span></th>'
        heads = "".join(self._head((ALL, column), self.labels[column], "col") for column in columns)
        body = "".join(self._row(row) for row in rows)
        return f'<table class="matrix"><thead><tr>{corner}{heads}</tr></thead><tbody>{body}</tbody></table>'

    def _row(self, row: int) -> str:
        cells = (self._cell(row, column) for column in range(len(self.labels)))
        return f"<tr>{self._head((row, ALL), self.labels[row], 'row')}{''.join(cells)}</tr>"

    def _cell(self, row: int, column: int) -> str:
        count, total, right = int(self.counts[row, column]), int(self.counts[row].sum()), row == column
        cell = Cell(self.labels[row], self.labels[column])
        spoken = escape(f"{cell.title}: {count:,} of {total:,}")
        text = (_percent(count / total) if self.rates else f"{count:,}") if count else ""
        style = f' style="background: {self._colour(count, total, right)}"' if count else " disabled"
        return (
            f'<td{" class=right" if right else ""}><button data-cell="{row},{column}" aria-label="{spoken}" '
            f'title="{spoken}"{style}{self._mark((row, column))}>{text}</button></td>'
        )

    def _colour(self, count: int, total: int, right: bool) -> str:
        # palette.RIGHT and palette.WRONG; the outline of the diagonal tells them apart, too
        if right:
            return f"rgba(0, 114, 178, {0.1 + 0.35 * count / total:.2f})"
        most = int((self.counts * ~np.eye(len(self.labels), dtype=bool)).max())
        return f"rgba(213, 94, 0, {0.15 + 0.45 * count / most:.2f})"

    def _head(self, place: tuple[int, int], label: str, scope: str) -> str:
        name = escape(label or "no hand found")
        spoken = f"{name}: all {'predicted' if place[0] == ALL else 'shown'} so"
        return (
            f'<th scope="{scope}"><button data-cell="{place[0]},{place[1]}" title="{spoken}" aria-label="{spoken}"'
            f"{self._mark(place)}>{name}</button></th>"
        )

    def _mark(self, place: tuple[int, int]) -> str:
        return ' class="chosen" aria-pressed="true"' if place == self.chosen else ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "&lt;1%"
