"""A confusion matrix as a table of links: colour and number in each cell, for eye, keyboard and voice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from static_gesture_classification.evaluation.metrics import NO_HAND, Integers, confusion_rates
from static_gesture_classification.review import palette

STRONGEST = 0.45  # opacity of a cell that has its whole row: text on it reads well on light and on dark
STYLE = """
<style>
  .matrix { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
  .matrix caption { text-align: left; padding-bottom: 6px; }
  .matrix th { font-weight: 500; padding: 2px 6px; }
  .matrix tbody th { text-align: right; white-space: nowrap; }
  .matrix thead th { vertical-align: bottom; }
  .matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
  .matrix td { border: 1px solid rgba(128, 128, 128, .25); min-width: 34px; height: 30px; padding: 0; }
  .matrix td { text-align: center; }
  .matrix td.right { outline: 1px solid currentColor; outline-offset: -3px; }
  .matrix a { display: block; padding: 5px 3px; color: inherit; text-decoration: none; }
  .matrix a:hover { text-decoration: underline; }
</style>
"""


def matrix_html(
    counts: Integers, labels: Sequence[str], as_rates: bool, address: Callable[[str, str], str], caption: str
) -> str:
    """The matrix; `address(gesture, prediction)` is where a cell leads.

    Args:
        counts: (L, L), rows are the ground truth.
        labels: L names.
        as_rates: write shares of the row's samples in percent instead of counts.
        address: of the samples of a cell.
        caption: what it is a matrix of.
    """
    rates = np.nan_to_num(confusion_rates(counts))
    head = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_cell(counts, rates, labels, row, column, as_rates, address) for column in range(len(labels)))
        + f"<td>{int(counts[row].sum()):,}</td></tr>"
        for row, label in enumerate(labels)
        if label != NO_HAND
    )
    return (
        f'<table class="matrix"><caption>{escape(caption)}</caption>'
        f'<thead><tr><th scope="col">shown \\ taken for</th>{head}'
        f'<th scope="col"><span>samples</span></th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _cell(
    counts: Integers,
    rates: np.ndarray,
    labels: Sequence[str],
    row: int,
    column: int,
    as_rates: bool,
    address: Callable[[str, str], str],
) -> str:
    count, rate, right = int(counts[row, column]), float(rates[row, column]), row == column
    kind = ' class="right"' if right else ""
    if not count:
        return f"<td{kind}></td>"
    red, green, blue = (int((palette.RIGHT if right else palette.WRONG)[at : at + 2], 16) for at in (1, 3, 5))
    # A root, so that few errors among many samples are seen as well.
    colour = f"rgba({red}, {green}, {blue}, {STRONGEST * rate**0.5:.3f})"
    said = f"{labels[row]} taken for {labels[column]}: {count:,} samples, {rate:.1%}"
    link = escape(address(labels[row], labels[column]), quote=True)
    text = f"{100 * rate:.0f}" if as_rates else f"{count:,}"
    return (
        f'<td{kind} style="background: {colour}"><a href="{link}" title="{escape(said, quote=True)}" '
        f'aria-label="{escape(said, quote=True)}">{text}</a></td>'
    )
