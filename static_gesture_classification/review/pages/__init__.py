"""The pages, in the order of the navigation. A page is a file here, and a line in `PAGES`."""

from __future__ import annotations

from static_gesture_classification.review.page import Page
from static_gesture_classification.review.pages import live, plan, record, runs

PAGES = (
    Page("/record", "Record", "videocam", record.build),
    Page("/live", "Live", "back_hand", live.build),
    Page("/runs", "Runs", "insights", runs.build),
    Page("/plan", "Plan", "checklist", plan.build),
)
