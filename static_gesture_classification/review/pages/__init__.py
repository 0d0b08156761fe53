"""The pages, in the order of the navigation. A page is a file here, and a line in `PAGES`."""

from __future__ import annotations

from static_gesture_classification.review.page import Page
from static_gesture_classification.review.pages import add, job, retrain, runs, start

PAGES = (
    Page("/", "Start", "home", start.build),
    Page("/retrain", "Retrain", "model_training", retrain.build),
    Page("/runs", "Runs", "insights", runs.build),
    Page("/add", "A gesture of your own", "waving_hand", add.build, listed=False),
    Page("/jobs/{job}", "Job", "hourglass_top", job.build, listed=False),
)
