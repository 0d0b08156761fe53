"""Samples on a map, as the model sees them: what is alike lies together. Those that are chosen on it open below it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nicegui import ui

from static_gesture_classification.active_learning.diagnosis.pairs import short_subject_name, shorten
from static_gesture_classification.active_learning.diagnosis.sample_map import (
    FEWEST_ON_MAP,
    MOST_ON_MAP,
    by_components,
    by_neighbours,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.review import frame
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_facts import EmbeddingSpace, SampleFacts
from static_gesture_classification.review.samples_view import SamplesView
from static_gesture_classification.review.scatter import Scatter
from static_gesture_classification.review.shown_sample import RowList, ShownSample
from static_gesture_classification.workspace import Workspace

COLOURINGS = {"gesture": "Gesture", "error": "Error", "source": "Source", "subject": "Person", "split": "Split"}
MOST_CATEGORIES = 12  # in the legend; the others share one
SEED = 0
CHOSEN = {"lasso": "Within the lasso", "rectangle": "Within the rectangle", "nearest": "Nearest to the ring",
          "shown": "All that is shown"}  # fmt: skip


async def build(review: Review) -> None:
    """Show the map of the newest checkpoint's embeddings."""
    place = place_of_map(review)
    if place is None:
        text = "The map shows what a model sees alike, so train one first."
        frame.empty("scatter_plot", "No map yet", text, [("Train", "/retrain")])
        return
    facts = SampleFacts(review, *place)
    space = await frame.wait_for(
        facts.drawn_space(MOST_ON_MAP),
        "Asking the model about the samples. The first time this takes a while; then it is kept.",
        lambda: review.background.share(facts.drawn_key(MOST_ON_MAP)),
    )
    if len(space.samples) < FEWEST_ON_MAP:
        text = f"Only {len(space.samples)} samples of train and val have a hand that the model can see."
        frame.empty("scatter_plot", "Too few samples for a map", text, [("Record", "/record")])
        return
    page = MapPage(review, facts, space)
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
        space: the samples on the map.
    """

    def __init__(self, review: Review, facts: SampleFacts, space: EmbeddingSpace) -> None:
        self.review, self.facts, self.space = review, facts, space
        self.frame, self.embeddings = space.samples, space.embeddings
        self.key = ("map", len(self.frame), self.embeddings.tobytes()[:4096], str(facts.checkpoint))
        self.chosen = RowList(self.frame.iloc[:0])

    async def show(self) -> None:
        """Build the content: by principal components at once, by t-SNE when it is there."""
        with ui.row().classes("w-full items-center gap-4"):
            choice = ui.toggle(COLOURINGS, value="gesture", on_change=lambda event: self.colour(str(event.value)))
            choice.props('no-caps dense padding="4px 8px" aria-label="Colour by"')
            self.state = ui.label("Arranging what is alike; meanwhile, a first sketch (principal components) ...")
            self.state.props('role="status"')
        self.bar = frame.progress(lambda: self.review.background.share(self.key))
        places = await frame.in_thread(by_components, self.embeddings, SEED)
        ids = [str(sample) for sample in self.frame["sample_id"]]
        self.map = Scatter(places, categories(self.frame, "gesture"), ids, "Map of samples")
        self.map.on("choose", lambda event: self._choose(event.args))
        self.map.on("open", lambda event: self._open(event.args))
        self.map.on("at", lambda event: self._describe(event.args))
        self.heading = frame.heading()
        self.heading.bind_visibility_from(self.heading, "text", bool)  # an empty heading is announced too
        decisions = self.review.decisions()
        self.view = SamplesView(decisions, self.facts)
        self.view.show(self.chosen)
        ui.timer(0.05, self._arrange, once=True)

    async def _arrange(self) -> None:
        folder, background = self.review.settings.folder / "maps", self.review.background
        try:
            tell = partial(background.tell, self.key)
            places = await background.result(self.key, by_neighbours, self.embeddings, SEED, folder, tell)
            self.state.text = f"{in_words_of(self.space)}; those that the model sees alike lie together."
            self.map.arrange(places)
        except UserError as error:
            self.state.text = str(error)
        finally:
            self.bar.clear()
            self.bar.classes("invisible")  # it keeps its place, so that the map does not move

    def colour(self, by: str) -> None:
        """Colour by another property."""
        if by in COLOURINGS:
            self.map.colour(categories(self.frame, by))

    def _choose(self, message: Any) -> None:
        rows = rows_of(message, len(self.frame))
        how = CHOSEN.get(str(message.get("how")), "") if isinstance(message, Mapping) else ""
        self.heading.text = f"{how}: {len(rows):,}" if how else ""
        self.chosen = RowList(self.frame.iloc[rows])
        self.view.show(self.chosen)

    def _open(self, row: Any) -> None:
        """Open a sample among those that are chosen, else alone."""
        if not is_row(row, len(self.frame)):
            return
        place = np.flatnonzero(self.chosen.frame.index == row)
        if len(place):
            self.view.look_at(int(place[0]))
        else:
            self.view.look_at_one(RowList(self.frame.iloc[[row]]))

    def _describe(self, row: Any) -> None:
        if is_row(row, len(self.frame)):
            self.map.describe(row, in_words(RowList(self.frame)[row]))


def in_words_of(space: EmbeddingSpace) -> str:
    """Which samples are on the map."""
    shown = len(space.samples)
    if shown == space.count:
        return f"{shown:,} samples of train and val"
    return f"{shown:,} of {space.count:,} samples of train and val, more of rare gestures and of val's errors"


def is_row(value: Any, count: int) -> bool:
    """Whether a browser's message is the number of one of `count` rows."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def rows_of(message: Any, count: int) -> list[int]:
    """The rows of a browser's message, each once; none where it holds anything else."""
    rows = message.get("rows") if isinstance(message, Mapping) else None
    return list(dict.fromkeys(row for row in rows if is_row(row, count))) if isinstance(rows, list) else []


def in_words(sample: ShownSample) -> str:
    """What a sample shows, who and where."""
    known = sample.subject and short_subject_name(sample.source, sample.subject)
    whose = known or f"unknown person of {sample.source}"
    return ", ".join(part for part in (sample.title, whose, sample.split) if part)


def categories(samples: pd.DataFrame, by: str) -> pd.Series:
    """The category of each sample, in words."""
    if by == "error":
        wrong = (samples["prediction"] != samples["gesture"]).to_numpy()
        missing = (samples["prediction"] == "").to_numpy()
        return pd.Series(np.where(missing, "no hand found", np.where(wrong, "error", "right")))
    names = samples[by].where(samples[by] != "", "unknown")
    if by == "subject":
        names = names.map(shorten)
    most = names.value_counts().index[: MOST_CATEGORIES - 1]
    return names.where(names.isin(most), "others") if names.nunique() > MOST_CATEGORIES else names
