"""What the history says of promotions that somebody decided on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from static_gesture_classification.review.decisions import Decisions, DecisionSettings
from static_gesture_classification.review.review import Review
from static_gesture_classification.workspace import Workspace


def note_promotion(review: Review, record: Mapping[str, Any], workspace: Workspace) -> None:
    """Write into the history that somebody chose a checkpoint.

    Args:
        review: the page's.
        record: of the checkpoint.
        workspace: that uses it from now on.
    """
    decisions = Decisions(DecisionSettings.from_config(review.config), review.vocabulary)
    user = "the quick loop" if workspace == review.quick else "the pipeline"
    decisions.note_promotion(f"epoch {record['epoch']} of {record['run']}", user)
