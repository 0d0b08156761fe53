"""Frame in; per hand its box, gesture and probabilities out: a detector, then a classifier.

The input kind makes the classifier's inputs, as for training.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.onnx_classifier import (
    SUFFIX,
    AnyClassifier,
    load_onnx,
)

if TYPE_CHECKING:
    from static_gesture_classification.training.checkpoint import Classifier

_TRACED = 1e-4  # largest allowed difference of a probability between a network and its traced graph


@dataclass(frozen=True, eq=False)
class RecognisedHand:
    """A hand and its gesture.

    Args:
        hand: where it is.
        gesture: the likeliest one of the vocabulary.
        score: its probability, 0..1.
        probabilities: float32 (classes,), in the vocabulary's order.
        embedding: float32 (features,), the network's penultimate layer.
        strangeness: 0..1, the background against the likeliest gesture alone; above 0.5 it is the answer.
    """

    hand: DetectedHand
    gesture: str
    score: float
    probabilities: np.ndarray
    embedding: np.ndarray | None
    strangeness: float = 0.0


class Predictor:
    """Recognises gestures in images.

    Args:
        classifier: of any input kind.
        detector: finds the hands; gives landmarks where the classifier needs them.

    Raises:
        UserError: the classifier needs landmarks, the detector gives none.
    """

    def __init__(self, classifier: AnyClassifier, detector: Detector) -> None:
        classifier.kind.check_detector(detector)
        self.classifier = classifier
        self.detector = detector

    @classmethod
    def load(cls, model: Path, detector: Detector, device: str = "cpu", threads: int = 1) -> Predictor:
        """A predictor of a checkpoint (`.ckpt`) or an ONNX file (`.onnx`).

        Args:
            model: the file; of a checkpoint the weights for use.
            detector: finds the hands; the caller closes it.
            device: of torch, for a checkpoint.
            threads: processor threads for an ONNX file.

        Raises:
            UserError: the file is missing, damaged or not of this program, or does not fit the detector.
        """
        return cls(load_model(model, device, threads), detector)

    @property
    def vocabulary(self) -> Vocabulary:
        """The gestures, in the order of the probabilities."""
        return self.classifier.vocabulary

    def predict(self, image: np.ndarray) -> list[RecognisedHand]:
        """The hands in an image, uint8 (height, width, 3) RGB, with their gestures, from left to right."""
        return self.classify(image, self.detector.detect(image))

    def classify(self, image: np.ndarray, hands: Sequence[DetectedHand]) -> list[RecognisedHand]:
        """The gestures of hands that are known, one result for each.

        Raises:
            UserError: the classifier needs landmarks and a hand has none.
        """
        if not hands:
            return []
        answers = self.classifier.answers(hand_inputs(self.classifier, image, hands))
        best = answers.probabilities.argmax(1).tolist()
        return [
            RecognisedHand(hand, self.vocabulary.names[each], float(row[each]), row, embedding, strangeness)
            for hand, each, row, embedding, strangeness in zip(
                hands, best, answers.probabilities, answers.embeddings, answers.strangeness.tolist(), strict=True
            )
        ]


def hand_inputs(classifier: AnyClassifier, image: np.ndarray, hands: Sequence[DetectedHand]) -> np.ndarray:
    """A classifier's inputs for hands in an image."""
    return classifier.kind.look_at(image, hands, classifier.crop_size, classifier.crop_margin)


def load_model(path: Path, device: str = "cpu", threads: int = 1) -> AnyClassifier:
    """The classifier of a checkpoint or an ONNX file; see `Predictor.load`."""
    if path.suffix.lower() == SUFFIX:
        return load_onnx(path, threads)
    from static_gesture_classification.training.checkpoint import load_classifier  # torch takes seconds to import

    return trace_backbone(load_classifier(path, device, for_use=True))


def trace_backbone(classifier: Classifier) -> Classifier:
    """Trace a crop model's backbone, which halves the time for one hand on a processor.

    The classifier is returned unchanged on another device, or if tracing changes its predictions.
    """
    import torch

    network = classifier.network
    if not classifier.kind.needs_crops or network.head.weight.device.type != "cpu":
        return classifier
    examples = classifier.kind.example(3, classifier.crop_size)
    expected = classifier.predict(examples)[0]
    seen: list[Any] = []  # what the backbone is called with
    with network.backbone.register_forward_pre_hook(lambda _, arguments: seen.extend(arguments)):
        classifier.predict(examples[:1])
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about traced constants; the comparison below decides
        graph = torch.jit.freeze(torch.jit.trace(network.backbone, tuple(each.clone() for each in seen)))
    fast = replace(classifier, network=copy.copy(network))
    fast.network._modules = {**network._modules, "backbone": graph}  # a copy shares its parts with the original
    return fast if np.abs(fast.predict(examples)[0] - expected).max() < _TRACED else classifier
