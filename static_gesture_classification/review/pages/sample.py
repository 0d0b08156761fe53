"""One sample, by its id."""

from __future__ import annotations

from static_gesture_classification.review import frame
from static_gesture_classification.review.finding import find_sample
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_facts import SampleFacts
from static_gesture_classification.review.viewer import Viewer


async def build(review: Review) -> None:
    """Show a sample that some table has."""
    found = await frame.in_thread(find_sample, review, frame.part("sample"))
    if found is None:
        text = "Neither the predictions nor the samples of train and val have it. It may have been dropped."
        frame.empty("search_off", "No such sample", text, [("Confusions", "/confusions"), ("History", "/history")])
        return
    decisions = review.decisions()
    viewer = Viewer(decisions, SampleFacts(review, found.workspace, found.checkpoint))
    viewer.open(found.samples, 0)
