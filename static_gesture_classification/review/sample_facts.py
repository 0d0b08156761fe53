"""What is known of a sample beyond its row: landmarks, what matters to the model, and neighbours in train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.images import UnreadableImageError, image_header
from static_gesture_classification.preparation.landmark_store import SAMPLES
from static_gesture_classification.review.large_pictures import shown_square
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_figure import Explanation, Geometry, Neighbour
from static_gesture_classification.review.shown_sample import ShownSample
from static_gesture_classification.samples import landmark_array, read_arrow
from static_gesture_classification.workspace import Workspace

NEIGHBOURS = 12


class SampleFacts:
    """Facts on the samples of a workspace.

    Args:
        review: the page's.
        workspace: whose landmarks and train are used.
        checkpoint: whose predictions are looked at; None where it was not kept.
    """

    def __init__(self, review: Review, workspace: Workspace, checkpoint: Path | None) -> None:
        self.review, self.workspace, self.checkpoint = review, workspace, checkpoint

    def geometry(self, sample: ShownSample) -> Geometry:
        """Where landmarks and crop are in the large picture; nothing where the image cannot be read."""
        try:
            header = image_header(sample.path)
        except UnreadableImageError:
            return Geometry()
        square = shown_square(header.width, header.height, sample.box)
        points = self._landmarks(sample.sample)
        if points is not None:
            points = (points * (header.width, header.height) - (square.left, square.top)) / square.side
        return Geometry(points)

    def explain(self, sample: ShownSample) -> Explanation | None:
        """What matters to the model in this sample; None where nothing can be said."""
        return None

    def neighbours(self, sample: ShownSample) -> list[Neighbour] | str:
        """The samples of train that the model sees most alike, or why there are none."""
        return ""

    def _landmarks(self, sample: str) -> np.ndarray | None:
        table = self.workspace.landmarks / SAMPLES
        if not table.is_file():
            return None
        known: KnownLandmarks = self.review.tables.of(table, KnownLandmarks, table)
        return known.of(sample)


class KnownLandmarks:
    """The landmarks of a sample table, by sample."""

    def __init__(self, path: Path) -> None:
        table = read_arrow(path, ["sample_id", "landmarks"])
        self._index = pd.Index(table.column("sample_id").to_pandas())
        self._points = landmark_array(table)

    def of(self, sample: str) -> np.ndarray | None:
        """The points (21, 2) of a sample, normalised; None where no hand was found."""
        row = self._index.get_indexer(pd.Index([sample]))[0]
        return None if row < 0 or np.isnan(self._points[row]).any() else self._points[row]
