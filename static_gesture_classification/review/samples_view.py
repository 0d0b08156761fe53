"""Pictures of samples, of which one opens large, with its decisions; several pages have it."""

from __future__ import annotations

from nicegui import ui

from static_gesture_classification.review.decisions import Decisions
from static_gesture_classification.review.gallery import Gallery
from static_gesture_classification.review.sample_facts import SampleFacts
from static_gesture_classification.review.shown_sample import SampleList
from static_gesture_classification.review.viewer import Viewer, verdicts


class SamplesView:
    """A gallery, and a dialog for one sample.

    Args:
        decisions: where decisions go.
        facts: of the samples.
    """

    def __init__(self, decisions: Decisions, facts: SampleFacts) -> None:
        self.decisions = decisions
        self.samples: SampleList = ()
        self.gallery = Gallery(self.look_at)
        self.dialog = ui.dialog().props('aria-label="Sample"')
        with self.dialog, ui.card().classes("w-full").style("max-width: 1100px"):
            self.viewer = Viewer(decisions, facts, on_change=self._mark, on_close=self.dialog.close)
        self.viewer.active = False
        self.dialog.on_value_change(lambda event: setattr(self.viewer, "active", bool(event.value)))

    def show(self, samples: SampleList) -> None:
        """Show samples."""
        self.samples = samples
        self.gallery.show(samples, verdicts(self.decisions.fixes()))

    def look_at(self, position: int) -> None:
        """Open a sample of the gallery."""
        if 0 <= position < len(self.samples):
            self._open(self.samples, position)

    def look_at_one(self, sample: SampleList) -> None:
        """Open the first sample of a list that the gallery does not show."""
        self._open(sample, 0)

    def _open(self, samples: SampleList, position: int) -> None:
        self.dialog.open()
        self.viewer.open(samples, position)

    def _mark(self) -> None:
        self.gallery.mark(verdicts(self.decisions.fixes()))
