"""What is known of a sample beyond its row: landmarks, what matters to the model, and neighbours in train."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.all_samples import (
    open_prepared,
    predict_all,
    predict_drawn,
    prepared_files,
)
from static_gesture_classification.evaluation.hand_drawing import places_in_drawing
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.file_state import file_state
from static_gesture_classification.images import UnreadableImageError, image_header
from static_gesture_classification.inference.saliency import crop_heat, point_weights
from static_gesture_classification.preparation.geometry import Square, hand_square
from static_gesture_classification.preparation.landmark_store import SAMPLES
from static_gesture_classification.review.large_pictures import shown_square
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_figure import Explanation, Geometry, Neighbour
from static_gesture_classification.review.shown_sample import ShownSample
from static_gesture_classification.samples import image_path, landmark_array, read_arrow
from static_gesture_classification.training.checkpoint import Classifier, load_classifier
from static_gesture_classification.training.inputs import InputKind
from static_gesture_classification.workspace import Workspace

NEIGHBOURS = 12
HEAT_SIZE = 128  # pixels


class SampleFacts:
    """Facts on the samples of a workspace.

    Args:
        review: the page's.
        workspace: whose landmarks and train are used.
        checkpoint: whose predictions are looked at; None where it was not kept.
    """

    def __init__(self, review: Review, workspace: Workspace, checkpoint: Path | None) -> None:
        self.review, self.workspace, self.checkpoint = review, workspace, checkpoint
        review.thumbnails.know_points(str(workspace.landmarks), self._landmarks)

    def geometry(self, sample: ShownSample) -> Geometry:
        """Where landmarks and crop are in the large picture; nothing where the image cannot be read."""
        points = self._landmarks(sample.sample)
        try:
            header = image_header(sample.path)
        except UnreadableImageError:
            if points is None or sample.path.exists():
                return Geometry()
            return Geometry(places_in_drawing(points))
        square = shown_square(header.width, header.height, sample.box)
        if points is not None:
            points = (points * (header.width, header.height) - (square.left, square.top)) / square.side
        return Geometry(points, self._crop(header.width, header.height, sample, square))

    def explain(self, sample: ShownSample) -> Explanation | None:
        """What matters to the model in this sample; None where nothing can be said."""
        if self.checkpoint is None:
            return Explanation("The checkpoint of these predictions was not kept, so it cannot be asked why.")
        try:
            classifier = self._classifier()
            inputs = self._inputs(classifier, sample.sample)
        except UserError as error:
            return Explanation(str(error))
        if inputs is None:
            return None
        gesture = sample.prediction or sample.suggested or sample.gesture
        heat = crop_heat(classifier, inputs, gesture) if classifier.kind.needs_crops else None
        weights = point_weights(classifier, inputs, gesture)
        if heat is None and weights is None:
            return None
        what = "Warm colours: what speaks for" if heat is not None else "Large, warm points: what decides about"
        return Explanation(f"{what} {gesture}.", "" if heat is None else as_picture(heat), weights)

    async def neighbours(self, sample: ShownSample) -> list[Neighbour] | str:
        """The samples of train that the model sees most alike, or why there are none."""
        if self.checkpoint is None:
            return "The checkpoint of these predictions was not kept, so nothing can be compared."
        try:
            space = await self.space()
        except UserError as error:
            return str(error)
        return space.nearest(sample.sample, NEIGHBOURS)

    async def space(self) -> EmbeddingSpace:
        """What is alike to the checkpoint; computed in the background the first time.

        Raises:
            UserError: the checkpoint or the prepared samples are unusable.
        """
        space = await self.review.background.result(self._space_key(), self._space)
        self.review.thumbnails.know(f"all samples of {self.workspace.crops}", space.samples)
        return space

    async def drawn_space(self, most: int) -> EmbeddingSpace:
        """As `space`, of at most `most` samples that stand for all, and with a hand that the model can see."""
        space = await self.review.background.result(self.drawn_key(most), self._drawn_space, most)
        self.review.thumbnails.know(f"some samples of {self.workspace.crops}", space.samples)
        return space

    def drawn_key(self, most: int) -> Hashable:
        """The name under which `drawn_space` is computed in the background."""
        return (*self._space_key(), most)

    def _classifier(self) -> Classifier:
        assert self.checkpoint is not None
        return self.review.tables.of(self.checkpoint, load_classifier, self.checkpoint)

    def _inputs(self, classifier: Classifier, sample: str) -> np.ndarray | None:
        """The hand as the classifier saw it; None where it is not prepared."""
        kind, tables = classifier.kind, self.review.tables
        hands: KnownHands = tables.of(prepared_files(kind, self.workspace), KnownHands, kind, self.workspace)
        return hands.inputs(sample)

    def _space_key(self) -> tuple[Any, ...]:
        files = (self.checkpoint, self.workspace.crops / SAMPLES, self.workspace.landmarks / SAMPLES)
        return ("embeddings", *files, *(file_state(path) for path in files if path is not None))

    def _space(self) -> EmbeddingSpace:
        assert self.checkpoint is not None
        folder = self.review.settings.folder / "embeddings"
        predictions = predict_all(self.checkpoint, self.workspace, folder)
        return EmbeddingSpace(predictions, len(predictions))

    def _drawn_space(self, most: int) -> EmbeddingSpace:
        assert self.checkpoint is not None
        folder, val = self.review.settings.folder / "embeddings", self.workspace.predictions("val")
        tell = partial(self.review.background.tell, self.drawn_key(most))
        drawn = predict_drawn(self.checkpoint, self.workspace, folder, most, val, tell)
        return EmbeddingSpace(drawn.predictions, drawn.count)

    def _crop(self, width: int, height: int, sample: ShownSample, shown: Square) -> tuple[float, float, float] | None:
        """Where the crop that the model sees is in the large picture."""
        try:
            classifier = self._classifier() if self.checkpoint is not None else None
        except UserError:
            return None
        if classifier is None or not classifier.kind.needs_crops:
            return None
        crop = hand_square(width, height, sample.box, classifier.crop_margin)
        return (crop.left - shown.left) / shown.side, (crop.top - shown.top) / shown.side, crop.side / shown.side

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

    def share_of(self, samples: pd.Series) -> float:
        """The share of samples, by id, whose landmarks are known; 0 of none."""
        rows = self._index.get_indexer(pd.Index(samples))
        return float(((rows >= 0) & np.isfinite(self._points[rows, 0, 0])).mean()) if len(rows) else 0.0

    def of(self, sample: str) -> np.ndarray | None:
        """The points (21, 2) of a sample, normalised; None where no hand was found."""
        row = self._index.get_indexer(pd.Index([sample]))[0]
        return None if row < 0 or np.isnan(self._points[row]).any() else self._points[row]


class KnownHands:
    """Prepared hands of a workspace, by sample."""

    def __init__(self, kind: InputKind, workspace: Workspace) -> None:
        self.kind, self._hands = kind, open_prepared(kind, workspace)
        self._index = pd.Index(self._hands.samples["sample_id"])

    def inputs(self, sample: str) -> np.ndarray | None:
        """A sample's input, as its kind joins it: (1, ...); None where it cannot be used."""
        rows = self._index.get_indexer(pd.Index([sample]))
        points = self._hands.points
        if rows[0] < 0 or not self.kind.usable(None if points is None else points[rows], 1)[0]:
            return None
        return self.kind.take(self._hands.crops, points, rows)


class EmbeddingSpace:
    """Which samples are alike to a model.

    Args:
        predictions: of train and val, with embeddings.
        count: of the samples that they stand for.
    """

    def __init__(self, predictions: Predictions, count: int) -> None:
        assert predictions.embeddings is not None
        self.predictions, self.count = predictions, count
        self.embeddings, self.samples = predictions.embeddings, predictions.to_frame()
        self._index = pd.Index(self.samples["sample_id"])
        lengths = np.linalg.norm(predictions.embeddings, axis=1, keepdims=True)
        self._unit = np.nan_to_num(predictions.embeddings / np.maximum(lengths, 1e-9))
        self._train = np.flatnonzero((self.samples["split"] == "train").to_numpy() & (lengths[:, 0] > 0))

    def nearest(self, sample: str, count: int) -> list[Neighbour] | str:
        """The samples of train with the highest cosine, highest first, without the sample itself."""
        row = int(self._index.get_indexer(pd.Index([sample]))[0])
        if row < 0 or not self._unit[row].any():
            return "This sample is not prepared for this checkpoint, or no hand was found."
        others = self._train[self._train != row]
        cosines = self._unit[others] @ self._unit[row]
        near = (self._neighbour(others[at], cosines[at]) for at in np.argsort(-cosines, kind="stable"))
        return list(islice(filter(None, near), count))

    def _neighbour(self, row: int, cosine: float) -> Neighbour | None:
        """None for a posed hand, of which there is no picture."""
        first = self.samples.iloc[row]
        if not image_path(str(first["root"]), str(first["image"])).is_file():
            return None
        return Neighbour(str(first["sample_id"]), str(first["gesture"]), float(cosine))


def as_picture(heat: np.ndarray) -> str:
    """A map of 0..1 (h, w) as a PNG in an address: transparent where nothing matters, warm where much does."""
    strength = np.asarray(Image.fromarray(heat).resize((HEAT_SIZE, HEAT_SIZE), Image.Resampling.BICUBIC)).clip(0, 1)
    colour = ((1 - strength[..., None]) * (240, 200, 40) + strength[..., None] * (213, 60, 0)).astype(np.uint8)
    alpha = (255 * strength[..., None]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.concatenate([colour, alpha], axis=2)).save(file, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
