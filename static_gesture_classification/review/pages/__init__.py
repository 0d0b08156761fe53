"""The pages, in the order of the navigation. A page is a file here, and a line in `PAGES`."""

from __future__ import annotations

from static_gesture_classification.review.page import Page
from static_gesture_classification.review.pages import runs

PAGES = (Page("/runs", "Runs", "insights", runs.build),)
