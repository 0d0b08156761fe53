"""The recorder's view of a picture: its hands, the hand that counts, and the model's prediction."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.onnx_classifier import ONNX_VERSION
from static_gesture_classification.inference.predictor import Predictor, RecognisedHand, hand_inputs
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.learning import open_learning_layer
from static_gesture_classification.recording.judging.learning_head import LearningLayer
from static_gesture_classification.recording.judging.settings import HandRule, JudgeSettings
from static_gesture_classification.terminal import console
from static_gesture_classification.training.answers import background_index

ONNX = ".onnx"


@dataclass(frozen=True)
class Sight:
    """A picture and its hands.

    Args:
        captured: the picture.
        hands: all hands that were found.
        hand: the one that counts; None without a hand.
        recognised: the checkpoint's prediction; None without a checkpoint or a hand.
        refitted: the prediction of the last layer refitted on kept pictures; None without one.
        learned: number of pictures that it was refitted on.
        recognised_all: the checkpoint's predictions of all hands, by an observer of every hand.
        inputs: what the checkpoint saw of them (n, ...), likewise.
    """

    captured: Captured
    hands: tuple[DetectedHand, ...] = ()
    hand: DetectedHand | None = None
    recognised: RecognisedHand | None = None
    refitted: RecognisedHand | None = None
    learned: int = 0
    recognised_all: tuple[RecognisedHand, ...] = ()
    inputs: np.ndarray | None = None

    @property
    def newest(self) -> RecognisedHand | None:
        """The prediction of the refitted layer, else of the checkpoint."""
        return self.refitted or self.recognised

    @property
    def image(self) -> np.ndarray:
        """The picture, uint8 (height, width, 3) RGB."""
        return self.captured.image


class Observer:
    """Looks at pictures: a detector, then the model that judges, where there is one.

    Args:
        detector: finds the hands.
        predictor: uses the same detector; None to record without a judge.
        rule: which of several hands counts: "largest", "surest", "left" or "right".
        checkpoint: the judging checkpoint as sessions name it; "" without one.
        learner: the checkpoint's last layer that learns from kept pictures; None without one.
        about_learner: how it learns, or why it cannot; "" if it is switched off.
        every_hand: recognise every hand in a picture, not only the one that counts.
    """

    def __init__(
        self,
        detector: Detector,
        predictor: Predictor | None,
        rule: HandRule,
        checkpoint: str = "",
        learner: LearningLayer | None = None,
        about_learner: str = "",
        every_hand: bool = False,
    ) -> None:
        self.detector = detector
        self.predictor = predictor
        self.rule = rule
        self.checkpoint = checkpoint
        self.learner = learner
        self.about_learner = about_learner
        self.every_hand = every_hand

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The gestures that the model knows; None without a model."""
        return None if self.predictor is None else self.predictor.vocabulary

    def look(self, captured: Captured) -> Sight:
        """Find the hands in a picture, and judge the one that counts."""
        hands = self.detector.detect(captured.image)
        hand = choose_hand(hands, self.rule)
        if hand is None or self.predictor is None:
            return Sight(captured, tuple(hands), hand)
        if self.every_hand:
            return self._look_at_all(captured, hands, hands.index(hand), self.predictor)
        recognised = self.predictor.classify(captured.image, [hand])[0]
        newest = None if self.learner is None else self.learner.newest
        if newest is None or recognised.embedding is None:
            return Sight(captured, tuple(hands), hand, recognised)
        background = background_index(self.predictor.vocabulary)
        scores = newest.layer.scores(recognised.embedding)
        probabilities = self.predictor.classifier.calibration.probabilities(scores, background)
        best = int(probabilities.argmax())
        gesture, score = self.predictor.vocabulary.names[best], float(probabilities[best])
        refitted = replace(recognised, gesture=gesture, score=score, probabilities=probabilities)
        return Sight(captured, tuple(hands), hand, recognised, refitted, newest.learned)

    def _look_at_all(self, captured: Captured, hands: list[DetectedHand], chosen: int, predictor: Predictor) -> Sight:
        inputs = hand_inputs(predictor.classifier, captured.image, hands)
        recognised = tuple(predictor.classify(captured.image, hands))
        return Sight(
            captured, tuple(hands), hands[chosen], recognised[chosen], recognised_all=recognised, inputs=inputs
        )


def choose_hand(hands: list[DetectedHand], rule: HandRule) -> DetectedHand | None:
    """The hand that counts; None if the rule allows none."""
    if rule in ("left", "right"):
        hands = [hand for hand in hands if hand.hand == rule]
    weight = (lambda hand: hand.score) if rule == "surest" else lambda hand: hand.area
    return max(hands, key=weight, default=None)


def rule_in_words(rule: HandRule) -> str:
    """The rule for several hands, for the screen."""
    return {"largest": "the larger one counts", "surest": "the surest one counts"}.get(rule, f"the {rule} one counts")


def open_observer(settings: JudgeSettings, checkpoint: Path | None, every_hand: bool = False) -> Observer:
    """The observer that the configuration describes.

    Args:
        settings: see `JudgeSettings`.
        checkpoint: that judges; None without one.
        every_hand: see `Observer`; then nothing learns from kept pictures.

    Raises:
        UserError: the detector cannot be made, the checkpoint is unusable or does not fit the detector.
    """
    detector = open_detector(settings)
    if checkpoint is None:
        return Observer(detector, None, settings.hand)
    model = fast_model(checkpoint) if settings.onnx else checkpoint
    predictor = Predictor.load(model, detector)
    if every_hand:
        return Observer(detector, predictor, settings.hand, str(checkpoint), every_hand=True)
    learner, about = open_learning_layer(settings, predictor.classifier, checkpoint, model)
    return Observer(detector, predictor, settings.hand, str(checkpoint), learner, about)


def open_detector(settings: JudgeSettings) -> Detector:
    """The recorder's detector, for the pictures of a camera."""
    return settings.detector.build().for_camera(settings.look_for_more)


def judging_checkpoint(settings: JudgeSettings, planned: str) -> Path | None:
    """The checkpoint that judges: `recording.checkpoint`, else the plan's, the promoted one, or the quick loop's.

    Args:
        settings: see `JudgeSettings`.
        planned: the plan's checkpoint; "" without a plan.

    Raises:
        UserError: the one that the settings name does not exist.
    """
    asked = settings.checkpoint
    if asked is not None:
        if not asked.is_file():
            raise UserError(f"checkpoint is {asked}, which does not exist; leave it out for the best one, or train one")
        return asked
    usual = [*([Path(planned)] if planned else []), *settings.other_checkpoints]
    return next((path for path in usual if path.is_file()), None)


def fast_model(checkpoint: Path) -> Path:
    """The checkpoint as an ONNX file, exported once; the checkpoint itself if the export cannot be written.

    The hidden file lies beside the checkpoint, or in the temporary folder if that is read-only. Its name holds a hash
    of the checkpoint and of the format's version.
    """
    if checkpoint.suffix.lower() == ONNX:
        return checkpoint
    digest = hashlib.blake2b(checkpoint.read_bytes(), digest_size=8, person=ONNX_VERSION.encode()).hexdigest()
    name = f".{checkpoint.stem}.{digest}{ONNX}"
    places = [checkpoint.parent / name, Path(tempfile.gettempdir()) / "static_gesture_classification" / name]
    present = next((place for place in places if place.is_file()), None)
    if present is not None:
        return present
    from static_gesture_classification.inference.onnx_file import write_onnx  # torch takes seconds to import

    with console.status(f"exporting {checkpoint} for a fast recorder (once)"):
        for place in places:
            try:
                write_onnx(checkpoint, place)
            except OutputError:
                continue
            return place
    return checkpoint
