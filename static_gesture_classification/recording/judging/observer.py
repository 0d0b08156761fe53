"""What the recorder sees in a picture: the hands, which of them counts, and what the current model says of it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.detection.detector import DetectedHand, Detector, detector_from_config
from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import Predictor, RecognisedHand
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.learning import open_learning_layer
from static_gesture_classification.recording.judging.learning_head import LearningLayer
from static_gesture_classification.recording.settings import LARGEST, LEFT, RIGHT, SUREST
from static_gesture_classification.terminal import console

ONNX = ".onnx"


@dataclass(frozen=True)
class Sight:
    """A picture and what is in it.

    Args:
        captured: the picture.
        hands: all hands that were found.
        hand: the one that counts; None where none was found.
        recognised: what the checkpoint says of it; None without one or without a hand.
        refitted: what its last layer says since it has learned from kept pictures; None where it has not.
        learned: from how many.
    """

    captured: Captured
    hands: tuple[DetectedHand, ...] = ()
    hand: DetectedHand | None = None
    recognised: RecognisedHand | None = None
    refitted: RecognisedHand | None = None
    learned: int = 0

    @property
    def newest(self) -> RecognisedHand | None:
        """What the model says that has learned the most."""
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
        learner: the checkpoint's last layer that learns from what is kept; None where it does not.
        about_learner: what it learns with, or why there is none; "" where none is wanted.
    """

    def __init__(
        self,
        detector: Detector,
        predictor: Predictor | None,
        rule: str,
        checkpoint: str = "",
        learner: LearningLayer | None = None,
        about_learner: str = "",
    ) -> None:
        self.detector = detector
        self.predictor = predictor
        self.rule = rule
        self.checkpoint = checkpoint
        self.learner = learner
        self.about_learner = about_learner

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
        recognised = self.predictor.classify(captured.image, [hand])[0]
        newest = None if self.learner is None else self.learner.newest
        if newest is None or recognised.embedding is None:
            return Sight(captured, tuple(hands), hand, recognised)
        probabilities = newest.layer.probabilities(recognised.embedding)
        best = int(probabilities.argmax())
        gesture, score = self.predictor.vocabulary.names[best], float(probabilities[best])
        refitted = replace(recognised, gesture=gesture, score=score, probabilities=probabilities)
        return Sight(captured, tuple(hands), hand, recognised, refitted, newest.learned)


def choose_hand(hands: list[DetectedHand], rule: str) -> DetectedHand | None:
    """The hand that counts; None where there is none that the rule allows."""
    if rule in (LEFT, RIGHT):
        hands = [hand for hand in hands if hand.hand == rule]
    weight = (lambda hand: hand.score) if rule == SUREST else _area
    return max(hands, key=weight, default=None)


def rule_in_words(rule: str) -> str:
    """The rule for several hands, for the screen."""
    return {LARGEST: "the larger one counts", SUREST: "the surest one counts"}.get(rule, f"the {rule} one counts")


def open_observer(config: DictConfig, checkpoint: Path | None) -> Observer:
    """The observer that the configuration describes.

    Args:
        config: the composed configuration.
        checkpoint: that judges; None for none.

    Raises:
        UserError: the detector cannot be made, the checkpoint is unusable or does not fit the detector.
    """
    detector = open_detector(config)
    if checkpoint is None:
        return Observer(detector, None, config.recording.hand)
    model = fast_model(checkpoint) if config.recording.onnx else checkpoint
    predictor = Predictor.load(model, detector)
    learner, about = open_learning_layer(config, predictor.classifier, checkpoint, model)
    return Observer(detector, predictor, config.recording.hand, str(checkpoint), learner, about)


def open_detector(config: DictConfig) -> Detector:
    """The configured detector with `recording.detector`'s changes; a `HandFollower` where it may find several hands."""
    known = {key: value for key, value in config.recording.detector.items() if key in config.detector}
    changed = OmegaConf.merge(config, {"detector": known})
    assert isinstance(changed, DictConfig)
    every = config.recording.look_for_more
    if config.detector.get("num_hands", 1) == 1 or every == 0:
        return detector_from_config(changed)
    return HandFollower(detector_from_config(changed, num_hands=1), detector_from_config(changed), every)


def judging_checkpoint(config: DictConfig, planned: str) -> Path | None:
    """The checkpoint that judges: the one asked for, else the plan's, else the chosen, else the quick loop's.

    Args:
        config: the composed configuration.
        planned: the plan's checkpoint; "" without a plan.

    Raises:
        UserError: the one that `recording.checkpoint` names does not exist.
    """
    asked = config.recording.checkpoint
    if asked is not None:
        path = Path(asked).expanduser()
        if not path.is_file():
            raise UserError(
                f"recording.checkpoint is {asked}, which does not exist; leave it out for the chosen one, or train one"
            )
        return path
    usual = [planned, f"{config.paths.models}/best.ckpt", *config.recording.other_checkpoints]
    return next((Path(path) for path in usual if path and Path(path).is_file()), None)


def fast_model(checkpoint: Path) -> Path:
    """The checkpoint as an ONNX file, exported once; the checkpoint itself where that does not work.

    The file lies hidden beside it, or with the temporary files where that folder is read-only, and is named by the
    checkpoint's content.
    """
    if checkpoint.suffix.lower() == ONNX:
        return checkpoint
    digest = hashlib.blake2b(checkpoint.read_bytes(), digest_size=8).hexdigest()
    name = f".{checkpoint.stem}.{digest}{ONNX}"
    places = [checkpoint.parent / name, Path(tempfile.gettempdir()) / "static_gesture_classification" / name]
    present = next((place for place in places if place.is_file()), None)
    if present is not None:
        return present
    from static_gesture_classification.inference.export_onnx import export  # torch takes seconds to import

    with console.status(f"exporting {checkpoint} for a fast recorder (once)"):
        for place in places:
            try:
                export(checkpoint, place)
            except OutputError:
                continue
            return place
    return checkpoint


def _area(hand: DetectedHand) -> float:
    x1, y1, x2, y2 = hand.box
    return (x2 - x1) * (y2 - y1)


class HandFollower(Detector):
    """Follows one hand from picture to picture, which is fast, and looks now and then whether there are more.

    MediaPipe searches the whole picture for as long as it finds fewer hands than it may, so that a detector of two
    hands that sees one costs twice one of one hand. As soon as two are seen, the detector of many goes on.

    Args:
        one: a detector of one hand.
        many: a detector of more.
        every: pictures between two looks for more hands.
    """

    def __init__(self, one: Detector, many: Detector, every: int) -> None:
        self.one = one
        self.many = many
        self.every = every
        self.gives_landmarks = one.gives_landmarks  # type: ignore[misc]  # as those that it is made of
        self._until_look = 0

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `Detector.detect`."""
        if self._until_look > 0:
            self._until_look -= 1
            return self.one.detect(image)
        hands = self.many.detect(image)
        if len(hands) < 2:
            self._until_look = self.every
        return hands

    def close(self) -> None:
        """Close both."""
        self.one.close()
        self.many.close()
