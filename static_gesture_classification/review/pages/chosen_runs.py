"""Some runs beside each other: curves, F1 per gesture, the settings that differ, and the verdict about two of them."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from static_gesture_classification.review import frame, known_runs
from static_gesture_classification.review.review import Review


async def build(review: Review, names: Sequence[str]) -> None:
    """Show them."""
    runs = [known_runs.find(name, review) for name in dict.fromkeys(names)]
    ui.label(", ".join(run.name for run in runs))
    frame.button("arrow_back", "All runs", lambda: ui.navigate.to("/runs"))
