"""What landmarks and crop of a hand say, each by itself: of a fused model, or of the model and a second one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import Predictor, hand_inputs
from static_gesture_classification.recording.judging.observer import Sight, fast_model

PARTS = {"landmarks": "landmarks", "crops": "crop"}  # of a fused model's input, in words
Opinions = Mapping[str, str]  # who says it -> gesture


class AskOpinions(Protocol):
    """Asks for opinions of the hand that counts in a picture."""

    @property
    def names(self) -> Sequence[str]:
        """Who is asked."""

    def __call__(self, sight: Sight) -> Opinions:
        """Who says it -> gesture; none where fewer than two can be asked."""


def open_opinions(first: Predictor, second: Path | None, fast: bool) -> AskOpinions | None:
    """Whom to ask about a hand besides the model; None where there is nobody.

    Args:
        first: the model that names the gestures.
        second: another one, of any input kind.
        fast: run it in onnxruntime.

    Raises:
        UserError: the second one is missing, damaged, does not fit the detector, or shares no gesture with the first.
    """
    if second is not None:
        if not second.is_file():
            raise UserError(f"live.second is {second}, which does not exist; leave it out, or name a checkpoint")
        return TwoModels(first, Predictor.load(fast_model(second) if fast else second, first.detector), second)
    return PartsOfModel(first) if first.classifier.kind.either_suffices else None


class PartsOfModel:
    """What a model says of each part of a hand, the others missing.

    Args:
        predictor: of a kind that can do with each part alone.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.names = predictor, list(PARTS.values())

    def __call__(self, sight: Sight) -> Opinions:
        """The gesture of each part; none where the hand has only one."""
        if sight.hand is None:
            return {}
        classifier, names = self.predictor.classifier, self.predictor.vocabulary.names
        parts = classifier.kind.alone(hand_inputs(classifier, sight.image, [sight.hand]))
        said = {PARTS[part]: names[int(classifier.predict(each)[0][0].argmax())] for part, each in parts.items()}
        return said if len(said) > 1 else {}


class TwoModels:
    """What the model and a second one say; nothing where either does not know the other's gesture.

    Args:
        first: the model that names the gestures.
        second: the other one.
        path: of the second one, to name it by where both are of one kind.
    """

    def __init__(self, first: Predictor, second: Predictor, path: Path) -> None:
        self.known = [name for name in first.vocabulary if name in second.vocabulary]
        if len(self.known) < 2:
            raise UserError(
                f"live.second={path} knows {_in_words(second.vocabulary)}, the model {_in_words(first.vocabulary)}: "
                "they cannot be compared; name a model of the same gestures"
            )
        kinds = [PARTS.get(each.classifier.kind.name, each.classifier.kind.name) for each in (first, second)]
        self.second, self.names = second, kinds if kinds[0] != kinds[1] else ["the model", path.name]

    def __call__(self, sight: Sight) -> Opinions:
        """The gesture that each gives the hand."""
        if sight.hand is None or sight.recognised is None:
            return {}
        said = [sight.recognised.gesture, self.second.classify(sight.image, [sight.hand])[0].gesture]
        return dict(zip(self.names, said, strict=True)) if all(name in self.known for name in said) else {}


def _in_words(vocabulary: Vocabulary) -> str:
    """The gestures, in words."""
    return ", ".join(vocabulary)
