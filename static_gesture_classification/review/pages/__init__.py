"""The pages, in the order of the navigation. A page is a file here, and a line in `PAGES`."""

from __future__ import annotations

from static_gesture_classification.review.page import Page
from static_gesture_classification.review.pages import (
    checkpoints,
    confusions,
    history,
    label_issues,
    map,
    run,
    runs,
    sample,
)

PAGES = (
    Page("/runs", "Runs", "insights", runs.build),
    Page("/runs/{run}", "Run", "insights", run.build, listed=False),
    Page("/confusions", "Confusions", "grid_on", confusions.build),
    Page("/samples/{sample}", "Sample", "image", sample.build, listed=False),
    Page("/label-issues", "Label issues", "fact_check", label_issues.build),
    Page("/map", "Map", "scatter_plot", map.build),
    Page("/checkpoints", "Checkpoints", "workspace_premium", checkpoints.build),
    Page("/history", "History", "history", history.build),
)
