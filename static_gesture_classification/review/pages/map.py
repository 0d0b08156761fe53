"""Samples on a map, as the model sees them: what is alike lies together. A lasso opens those within it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nicegui import events, ui

from static_gesture_classification.active_learning.diagnosis.sample_map import (
    FEWEST_ON_MAP,
    by_components,
    by_neighbours,
    choose_rows,
    inside,
)
from static_gesture_classification.arrays import Singles
from static_gesture_classification.errors import UserError
from static_gesture_classification.review import frame, palette
from static_gesture_classification.review.decisions import Decisions, DecisionSettings
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_facts import EmbeddingSpace, SampleFacts
from static_gesture_classification.review.samples_view import SamplesView
from static_gesture_classification.review.shown_sample import RowList
from static_gesture_classification.workspace import Workspace

SYMBOLS = ("circle", "triangle", "rect", "diamond", "roundRect", "pin", "arrow", "circle")
COLOURINGS = {"gesture": "Gesture", "error": "Error", "source": "Source", "subject": "Person", "split": "Split"}
MOST_CATEGORIES = 12  # in the legend; the others share one
SEED = 0
LASSO = "Draw around samples: press, move, let go. The wheel zooms."


async def build(review: Review) -> None:
    """Show the map of the newest checkpoint's embeddings."""
    place = place_of_map(review)
    if place is None:
        text = "The map shows what a model sees alike, so train one first."
        frame.empty("scatter_plot", "No map yet", text, [("Train", "/retrain")])
        return
    facts = SampleFacts(review, *place)
    space = await frame.wait_for(
        facts.space(), "Asking the model about each sample. The first time this takes a while; then it is kept."
    )
    rows = choose_rows(space.embeddings, SEED)
    if len(rows) < FEWEST_ON_MAP:
        text = f"Only {len(rows)} samples of train and val have a hand that the model can see."
        frame.empty("scatter_plot", "Too few samples for a map", text, [("Record", "/record")])
        return
    page = MapPage(review, facts, space, rows)
    await page.show()


def place_of_map(review: Review) -> tuple[Workspace, Path] | None:
    """The workspace with the newest trained checkpoint and its samples, and this checkpoint."""
    trained = [
        (space.trained.stat().st_mtime_ns, space)
        for space in (review.workspace, review.quick)
        if space.trained.is_file() and space.split_table.is_file()
    ]
    if not trained:
        return None
    _, workspace = max(trained, key=lambda each: each[0])
    return workspace, workspace.trained


class MapPage:
    """The page in one tab.

    Args:
        review: the page's.
        facts: of the samples.
        space: their embeddings.
        rows: on the map.
    """

    def __init__(self, review: Review, facts: SampleFacts, space: EmbeddingSpace, rows: np.ndarray) -> None:
        self.review, self.facts, self.space = review, facts, space
        self.frame = space.samples.iloc[rows].reset_index(drop=True)
        self.embeddings = space.embeddings[rows]
        self.colouring, self.has_lasso = "gesture", False
        self.places: Singles = np.zeros((len(rows), 2), np.float32)

    async def show(self) -> None:
        """Build the content: by principal components at once, by t-SNE when it is there."""
        with ui.row().classes("w-full items-center gap-4"):
            choice = ui.toggle(COLOURINGS, value="gesture", on_change=lambda event: self.colour(str(event.value)))
            choice.props('no-caps dense padding="4px 8px" aria-label="Colour by"')
            self.state = ui.label("By principal components; nearest neighbours are being arranged ...")
            self.state.props('role="status"')
        self.chart = ui.echart(self._options()).classes("w-full").style("height: min(64vh, 620px)")
        self.chart.props('role="img" aria-label="Map of samples"')
        self.chart.on("chart:brushEnd", self._select, ["areas"])
        self.chart.on("chart:finished", self._ready, [])
        with ui.row().classes("items-center gap-2"):
            for label, icon, kind in (("Lasso", "gesture", "polygon"), ("Rectangle", "crop_square", "rect")):
                choose = ui.button(label, icon=icon, color=None, on_click=lambda _, k=kind: self._draw_with(k))
                choose.props("outline no-caps dense")
            ui.button("Clear", icon="clear", color=None, on_click=self._clear).props("outline no-caps dense")
            ui.label(LASSO).classes("text-caption")
        self.heading = ui.label().classes("text-h6").props('role="heading" aria-level="2"')
        self.heading.bind_visibility_from(self.heading, "text", bool)  # an empty heading is announced too
        decisions = Decisions(DecisionSettings.from_config(self.review.config), self.review.vocabulary)
        self.view = SamplesView(decisions, self.facts)
        self.view.show(RowList(self.frame.iloc[:0]))
        self.places = await frame.in_thread(by_components, self.embeddings, SEED)
        self._draw()
        ui.timer(0.05, self._arrange, once=True)

    async def _arrange(self) -> None:
        folder = self.review.settings.folder / "maps"
        key = ("map", len(self.frame), self.embeddings.tobytes()[:4096], str(self.facts.checkpoint))
        try:
            self.places = await self.review.background.result(key, by_neighbours, self.embeddings, SEED, folder)
        except UserError as error:
            self.state.text = str(error)
            return
        self.state.text = f"{len(self.frame):,} samples of train and val; those that the model sees alike lie together."
        self._draw()

    # ---- the chart ----------------------------------------------------------------------------------------------

    def colour(self, by: str) -> None:
        """Colour by another property."""
        if by in COLOURINGS:
            self.colouring = by
            self._draw()

    def _draw(self) -> None:
        self.chart.options.clear()
        self.chart.options.update(self._options())
        self.chart.update()

    def _options(self) -> dict[str, Any]:
        axis = {"type": "value", "min": -1.05, "max": 1.05, "show": False}
        brush = {"toolbox": [], "xAxisIndex": 0, "transformable": False}
        # What the lasso holds is counted on the server: its own marking does not work on this many points.
        brush |= {"outOfBrush": {"colorAlpha": 1}, "throttleType": "debounce", "throttleDelay": 1000}
        return {
            "animation": False,
            "grid": {"left": 8, "right": 8, "top": 40, "bottom": 8},
            "xAxis": axis,
            "yAxis": axis,
            "legend": {"type": "scroll", "top": 4, "left": 8, "right": 8, "textStyle": {"color": "#7a7a7a"}},
            "brush": brush,
            "toolbox": {"show": False},  # the buttons below do what it would
            "dataZoom": [{"type": "inside", f"{name}AxisIndex": 0, "filterMode": "none"} for name in "xy"],
            "tooltip": {
                ":formatter": "p => `<img src='/thumbnails/${encodeURIComponent(p.data[2])}' width=96 height=96>"
                "<br>${p.seriesName}`"
            },
            "series": self._series(),
        }

    def _series(self) -> list[dict[str, Any]]:
        names = categories(self.frame, self.colouring)
        order = [str(name) for name in names.value_counts().index]
        series = []
        for number, name in enumerate(order):
            own = np.flatnonzero((names == name).to_numpy())
            places = self.places[own].round(4).tolist()
            ids = self.frame["sample_id"].to_numpy()[own]
            data = [[x, y, sample] for (x, y), sample in zip(places, ids, strict=True)]
            look = {"color": palette.category(number), "opacity": 0.75}
            series.append(
                {
                    "type": "scatter",
                    "name": f"{name} ({len(own):,})",
                    "data": data,
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "symbolSize": 7 if len(self.frame) < 5000 else 5,
                    "itemStyle": look,
                    "large": True,
                    "largeThreshold": 1000,
                }
            )
        return series

    # ---- the lasso ----------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Once the chart is drawn for the first time, the pointer is a lasso."""
        if not self.has_lasso:
            self.has_lasso = True
            self._draw_with("polygon")

    def _draw_with(self, kind: str) -> None:
        option = {"brushType": kind, "brushMode": "single"}
        action = {"type": "takeGlobalCursor", "key": "brush", "brushOption": option}
        self.chart.run_chart_method("dispatchAction", action)

    def _clear(self) -> None:
        self.chart.run_chart_method("dispatchAction", {"type": "brush", "areas": []})
        self.heading.text = ""
        self.view.show(RowList(self.frame.iloc[:0]))

    def _select(self, event: events.GenericEventArguments) -> None:
        corners = corners_of(event.args)
        chosen = np.zeros(len(self.frame), bool)
        for polygon in corners:
            chosen |= inside(self.places, polygon)
        rows = np.flatnonzero(chosen)
        self.heading.text = f"Within the lasso: {len(rows):,}" if corners else ""
        self.view.show(RowList(self.frame.iloc[rows]))


def categories(samples: pd.DataFrame, by: str) -> pd.Series:
    """The category of each sample, in words."""
    if by == "error":
        wrong = (samples["prediction"] != samples["gesture"]).to_numpy()
        missing = (samples["prediction"] == "").to_numpy()
        return pd.Series(np.where(missing, "no hand found", np.where(wrong, "error", "right")))
    names = samples[by].where(samples[by] != "", "unknown")
    most = names.value_counts().index[: MOST_CATEGORIES - 1]
    return names.where(names.isin(most), "others") if names.nunique() > MOST_CATEGORIES else names


def corners_of(arguments: Any) -> list[np.ndarray]:
    """The polygons of a browser's message; none where it holds anything else."""
    areas = arguments.get("areas") if isinstance(arguments, dict) else None
    polygons = []
    for area in areas if isinstance(areas, list) else []:
        try:
            points = np.array(area["coordRange"], np.float64)
        except (KeyError, TypeError, ValueError):
            continue
        if area.get("brushType") == "rect" and points.shape == (2, 2):
            (left, right), (low, high) = points
            points = np.array([[left, low], [right, low], [right, high], [left, high]])
        if points.ndim == 2 and points.shape[1] == 2 and len(points) > 2 and np.isfinite(points).all():
            polygons.append(points)
    return polygons
