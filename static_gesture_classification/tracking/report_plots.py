"""The plots of a run's page, as SVG: as small for a thousand epochs and two hundred gestures as for few.

A line has at most 300 points, chosen by largest-triangle-three-buckets (Steinarsson, "Downsampling time series for
visual representation", 2013), which keeps first, last and what stands out.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tsdownsample import LTTBDownsampler

_POINTS, _SPARK_POINTS = 300, 40  # of a line, and of the small one in a table
MOST_LINES = 20  # of a plot; of more, the averages and the lowest are drawn
_LOWEST = 8
_AVERAGE = " avg"  # how the names of averages end
_MIDDLE = (0.1, 0.9)  # quantiles


def thin(values: pd.Series, points: int = _POINTS) -> pd.Series:
    """A series without NaN and with at most some points, those that its line is made of."""
    kept = values.dropna()
    if len(kept) <= points:
        return kept
    places = np.ascontiguousarray(kept.index, np.float64)
    chosen = LTTBDownsampler().downsample(places, np.ascontiguousarray(kept, np.float64), n_out=points)
    return kept.iloc[np.unique(chosen.astype(np.int64))]


def line_plot(
    table: pd.DataFrame, title: str, marked: int | None = None, labels: Sequence[str] = (), axis: str = "epoch"
) -> str:
    """Columns of a table as lines over its index, as SVG.

    Of more than `MOST_LINES`, the averages and the lowest are drawn, with the middle 80 % as a band.

    Args:
        table: a column for each line; the index, ascending, is the horizontal axis.
        title: of the plot.
        marked: index of a vertical line.
        labels: the lines' names; the last parts of the columns' names where there are none.
        axis: what the index counts.
    """
    names = list(labels) or [str(column).partition("/")[2] for column in table.columns]
    named = table.set_axis(names, axis=1)
    figure = Figure(figsize=(5.4, 3.4))
    figure.subplots_adjust(left=0.15, right=0.98, top=0.91, bottom=0.14)
    axes: Axes = figure.subplots()
    if len(names) > MOST_LINES:
        gestures = named[[name for name in names if not name.endswith(_AVERAGE)]]
        title = f"{title}: the lowest {_LOWEST} of {gestures.shape[1]}, and the middle 80 %"
        named = _shade_middle(axes, gestures).join(named.drop(columns=gestures.columns))
    _draw_lines(axes, named)
    if marked is not None:
        axes.axvline(marked, color="0.6", linewidth=1, linestyle=":", zorder=0)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(axis)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if named.shape[1] > 1:
        axes.legend(fontsize=7, ncols=1 + named.shape[1] // 5, loc="best")
    return svg(figure)


def spark(values: pd.Series) -> str:
    """A line without axes, 0 to 1 high, for a cell of a table; empty for fewer than two values."""
    kept = thin(values, _SPARK_POINTS)
    if len(kept) < 2:
        return ""
    first, last = kept.index[0], kept.index[-1]
    points = " ".join(
        f"{80 * (place - first) / (last - first):.0f},{16 * (1 - value):.1f}"
        for place, value in zip(kept.index, kept.clip(0, 1), strict=True)
    )
    return f'<svg class="spark" viewBox="0 -1 80 18"><polyline points="{points}"/></svg>'


def svg(figure: Figure) -> str:
    """A figure as an SVG element with text as text; equal figures give equal text."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _shade_middle(axes: Axes, table: pd.DataFrame) -> pd.DataFrame:
    """Shade where most lines are; returns those that end lowest."""
    shown = table.loc[thin(table.mean(axis=1)).index]
    low, high = (shown.quantile(share, axis=1) for share in _MIDDLE)
    axes.fill_between(shown.index, low, high, color="0.85", linewidth=0, zorder=0)
    lowest = table.ffill().iloc[-1].nsmallest(_LOWEST).index
    return table[list(lowest)]


def _draw_lines(axes: Axes, table: pd.DataFrame) -> None:
    for position, name in enumerate(map(str, table.columns)):
        values = thin(table[name])
        color, style = ("0.25", "--") if name.endswith(_AVERAGE) else (f"C{position % 10}", "-")
        marker = "." if len(values) < 40 else ""
        axes.plot(values.index, values, color=color, linestyle=style, marker=marker, label=name)
