"""The pages, in the order of the navigation. A page is a file here, and a line in `PAGES`."""

from __future__ import annotations

from static_gesture_classification.review.frame import Page
from static_gesture_classification.review.pages import (
    add,
    checkpoints,
    confusions,
    history,
    job,
    label_issues,
    live,
    map,
    plan,
    record,
    retrain,
    run,
    runs,
    sample,
    start,
)

PAGES = (
    Page("/", "Start", "home", start.build),
    Page("/record", "Record", "videocam", record.build),
    Page("/add", "A gesture of your own", "waving_hand", add.build, listed=False),
    Page("/live", "Live", "back_hand", live.build),
    Page("/retrain", "Retrain", "model_training", retrain.build),
    Page("/jobs/{job}", "Job", "hourglass_top", job.build, listed=False),
    Page("/runs", "Runs", "insights", runs.build),
    Page("/runs/{run}", "Run", "insights", run.build, listed=False),
    Page("/confusions", "Confusions", "grid_on", confusions.build),
    Page("/samples/{sample}", "Sample", "image", sample.build, listed=False),
    Page("/label-issues", "Label issues", "fact_check", label_issues.build),
    Page("/map", "Map", "scatter_plot", map.build),
    Page("/plan", "Plan", "checklist", plan.build),
    Page("/checkpoints", "Checkpoints", "workspace_premium", checkpoints.build),
    Page("/history", "History", "history", history.build),
)
