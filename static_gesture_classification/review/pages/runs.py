"""All training runs."""

from __future__ import annotations

from nicegui import ui

from static_gesture_classification.review import frame
from static_gesture_classification.review.review import Review
from static_gesture_classification.tracking.run_list import list_runs


async def build(review: Review) -> None:
    """Show the table of runs."""
    runs = await frame.in_thread(list_runs, review.workspace.runs)
    if runs.empty:
        frame.empty("insights", "No training yet", "Train a model, and its run appears here.", [("Train", "/retrain")])
        return
    ui.table.from_pandas(runs)
