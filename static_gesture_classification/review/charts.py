"""Charts of pages: options of ECharts (https://echarts.apache.org/en/option.html) that read well on light and dark.

Lines differ in colour, dash and mark, so that none depends on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from nicegui import ui

from static_gesture_classification.review import frame, palette

TEXT = "currentColor"  # the page's, so it changes with light and dark; drawn as SVG, which knows it
GRID = "rgba(128, 128, 128, 0.3)"
DASHES = ("solid", "dashed", "dotted")
MARKS = ("circle", "triangle", "rect", "diamond", "roundRect", "pin", "arrow", "emptyCircle")
FEW = 40  # points of a line that still get marks
MOST_ROWS = 500  # of a table of values
STYLE = """
<style>
  .chart { position: relative; width: 100%; min-width: 0; }
  .chart > .q-btn { position: absolute; right: 0; top: 0; }
  .values { max-height: 65vh; max-width: 100%; overflow: auto; }
  .values table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  .values th, .values td { text-align: right; padding: 2px 14px 2px 0; }
  .values tr { border-bottom: 1px solid rgba(128, 128, 128, .3); } .values th { font-weight: 500; }
</style>
"""


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: in the legend.
        values: indexed by position on the x axis; NaN is left out.
        number: of its colour and mark; lines of a number beyond the palette are dashed.
    """

    name: str
    values: pd.Series
    number: int


def show(options: dict[str, Any], label: str, height: str = "300px") -> ui.echart:
    """A chart as wide as its place; `label` is read out."""
    chart = ui.echart(options, renderer="svg").classes("w-full").style(f"height: {height}")
    return chart.props(f'role="img" aria-label="{label}"')


def show_lines(
    title: str,
    drawn: Sequence[Line],
    label: str,
    axis: str = "epoch",
    marked: int | None = None,
    height: str = "300px",
) -> None:
    """Lines, and a button that shows their values as a table: the keyboard cannot point at a line."""
    with ui.element("div").classes("chart"):
        show(lines(title, drawn, axis, marked), label, height)
        button = ui.button("Values", icon="table_rows", color=None, on_click=partial(show_values, title, drawn, axis))
        button.props(f'flat dense no-caps size=sm aria-label="Values of {title}"')


def show_values(title: str, drawn: Sequence[Line], axis: str) -> None:
    """The values of lines in a dialog, which stays while the page draws the lines anew."""
    with ui.context.client.content, ui.dialog(value=True).props(f'aria-label="Values of {title}"') as dialog:
        dialog.on("hide", dialog.delete)
        with ui.card().style("max-width: min(1000px, 94vw)"):
            with ui.row().classes("w-full items-center no-wrap"):
                frame.heading(title)
                ui.space()
                frame.button("close", "Close", dialog.close, "Esc")
            ui.html(values_html(drawn, axis), sanitize=False).classes("values").props(
                'tabindex=0 role=region aria-label="Table of values"'
            )


def values_html(drawn: Sequence[Line], axis: str) -> str:
    """The values of lines as a table: a row per place on the axis, a column per line; of many rows, some."""
    table = pd.DataFrame({number: each.values for number, each in enumerate(drawn)}).dropna(how="all").sort_index()
    chosen = np.unique(np.linspace(0, len(table) - 1, min(len(table), MOST_ROWS)).round().astype(int))
    note = f"{len(chosen):,} of {len(table):,} rows, evenly chosen" if len(chosen) < len(table) else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (axis, *(each.name for each in drawn)))
    rows = "".join(
        f'<tr><th scope="row">{place}</th>'
        + "".join("<td>-</td>" if pd.isna(value) else f"<td>{value:.4g}</td>" for value in values)
        + "</tr>"
        for place, values in zip(table.index[chosen], table.to_numpy()[chosen], strict=True)
    )
    return f"<table><caption>{note}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def lines(title: str, drawn: Sequence[Line], axis: str = "epoch", marked: int | None = None) -> dict[str, Any]:
    """Lines over an axis of numbers; `marked` is where a vertical line stands, if there is more than one place."""
    series = [_line(each) for each in drawn]
    places = sorted({int(str(place)) for each in drawn for place in each.values.dropna().index})
    if marked is not None and len(places) > 1:
        series[0]["markLine"] = {
            "symbol": "none",
            "silent": True,
            "label": {"formatter": "best", "color": TEXT, "position": "insideEndTop", "rotate": 0, "distance": [0, 2]},
            "lineStyle": {"color": TEXT, "type": "dotted"},
            "data": [{"xAxis": marked}],
        }
    legend = len(drawn) > 1
    return {
        "animation": False,
        "title": {"text": title, "textStyle": {"color": TEXT, "fontSize": 14}},
        "tooltip": {"trigger": "axis", "confine": True, ":valueFormatter": "value => Number(value).toPrecision(4)"},
        "legend": {"show": legend, "type": "scroll", "bottom": 0, "textStyle": {"color": TEXT}},
        "grid": {"left": 8, "right": 24, "top": 44, "bottom": 48 if legend else 28, "containLabel": True},
        "xAxis": {**_axis(), "name": axis, "nameLocation": "middle", "nameGap": 24, **_range(places)},
        # From 0 where nothing changes: ECharts would invent a range around a single value.
        "yAxis": {**_axis(), "scale": len(places) > 1},
        "series": series,
    }


def _range(places: Sequence[int]) -> dict[str, Any]:
    """The ends of an axis of whole numbers; a single one stands in the middle, between two that have no label."""
    if len(places) != 1:
        return {"minInterval": 1, "min": "dataMin"}
    only = places[0]
    label = {"color": TEXT, ":formatter": f"value => value === {only} ? value : ''"}
    return {"interval": 1, "min": only - 1, "max": only + 1, "axisLabel": label}


def bars(title: str, groups: pd.DataFrame) -> dict[str, Any]:
    """Bars side by side: a group per row, a bar per column; shares from 0 to 1."""
    series = [
        {
            "type": "bar",
            "name": str(name),
            "data": [None if pd.isna(value) else round(float(value), 4) for value in groups[name]],
            "itemStyle": {"color": palette.category(number), "decal": {} if number else None},
        }
        for number, name in enumerate(groups)
    ]
    return {
        "animation": False,
        "aria": {"enabled": True, "decal": {"show": len(series) > 1}},
        "title": {"text": title, "textStyle": {"color": TEXT, "fontSize": 14}},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"type": "scroll", "bottom": 0, "textStyle": {"color": TEXT}},
        "grid": {"left": 8, "right": 8, "top": 44, "bottom": 40, "containLabel": True},
        "xAxis": {
            **_axis(),
            "type": "category",
            "data": [str(name) for name in groups.index],
            "axisLabel": {"color": TEXT, "interval": 0, "rotate": 40},
        },
        "yAxis": {**_axis(), "max": 1},
        "series": series,
    }


def _line(each: Line) -> dict[str, Any]:
    values = each.values.dropna()
    return {
        "type": "line",
        "name": each.name,
        "data": [[int(str(place)), round(float(value), 6)] for place, value in values.items()],
        "symbol": MARKS[each.number % len(MARKS)],
        "showSymbol": len(values) < FEW,
        "symbolSize": 7,
        "sampling": "lttb",
        "itemStyle": {"color": palette.category(each.number)},
        "lineStyle": {"type": DASHES[each.number // len(palette.CATEGORIES) % len(DASHES)], "width": 2},
    }


def _axis() -> dict[str, Any]:
    return {
        "type": "value",
        "nameTextStyle": {"color": TEXT},
        "axisLabel": {"color": TEXT},
        "axisLine": {"onZero": False, "lineStyle": {"color": TEXT}},
        "splitLine": {"lineStyle": {"color": GRID}},
    }
