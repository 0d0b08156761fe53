"""A recording before the product's own recorder: its dealer, its selector, and its last layer that learns.

Nothing here chooses. `GuidedRecording` shows photographs of a gesture as frames, and does what the recorder says: keep
this one, next gesture. The landmark model is trained as `gestures retrain` trains it, by the settings in conf/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from people_hands import PeopleHands, composed

from static_gesture_classification.active_learning.admission import EASY
from static_gesture_classification.active_learning.planning.dealing import Dealer, DealingSettings
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.learning_head import KeptHand, LearningLayer
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Candidate, Selector
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.training.datamodule import GestureDataModule
from static_gesture_classification.training.experiment import build_module, build_trainer
from static_gesture_classification.training.inputs import KINDS, PreparedHands
from static_gesture_classification.training.last_layer import LastLayer
from static_gesture_classification.training.settings import TrainingSettings

FRAMES = 1  # that a photograph stands for: the hand moves on from each frame to the next
RATE = 4.0  # frames a second, so that the recorder's interval never waits
IDLE_TURNS = 20  # turns in which nothing is kept, then the recording ends
MOST_OF_ROOM = 20  # hands that a room counts for in a score, so that one long recording does not decide it


@lru_cache
def training_settings() -> TrainingSettings:
    """Of the quick loop: the landmark model."""
    return TrainingSettings.from_config(composed("model=landmarks", "trainer.accelerator=cpu"))


@lru_cache
def recording_settings() -> RecordingSettings:
    """Of the recorder, as in conf/."""
    return RecordingSettings.from_config(composed())


@dataclass(frozen=True)
class Model:
    """The landmark model, and what it says of all hands.

    Args:
        known: rows it was trained on.
        val: rows of val.
        probabilities: float32 (n, C). embeddings: float32 (n, D). layer: its last.
    """

    known: np.ndarray
    val: np.ndarray
    probabilities: np.ndarray
    embeddings: np.ndarray
    layer: LastLayer

    def val_names(self, hands: PeopleHands) -> tuple[list[str], list[str]]:
        """Gestures and predictions of val."""
        names = np.array(hands.vocabulary.names, object)
        return names[hands.gesture[self.val]].tolist(), names[self.probabilities[self.val].argmax(axis=1)].tolist()

    def matrix(self, hands: PeopleHands, rows: np.ndarray) -> np.ndarray:
        """Confusion matrix float64 (C, C) of some rows, in which no room counts for more than `MOST_OF_ROOM` hands."""
        _, room, sizes = np.unique(hands.room[rows], return_inverse=True, return_counts=True)
        weights = np.minimum(1.0, MOST_OF_ROOM / sizes)[room]
        matrix = np.zeros((len(hands.vocabulary),) * 2)
        np.add.at(matrix, (hands.gesture[rows], self.probabilities[rows].argmax(axis=1)), weights)
        return matrix


def retrained(hands: PeopleHands, known: np.ndarray, val: np.ndarray, seed: int) -> Model:
    """Train on the known rows, to the end of the schedule."""
    settings = training_settings().model_copy(update={"seed": seed})
    names = np.array(hands.vocabulary.names, object)
    rows = np.concatenate([known, val])
    split = np.repeat(["train", "val"], [len(known), len(val)])
    table = pd.DataFrame({"sample_id": rows.astype(str), "gesture": names[hands.gesture[rows]], "split": split})
    how = settings.hyperparameters
    prepared = PreparedHands(table, points=hands.points[rows])
    data = GestureDataModule(
        KINDS["landmarks"], prepared, hands.vocabulary, how.batch_size, seed, how.overfit_samples, how.passes
    )
    module = build_module(settings, data)
    build_trainer(settings, module).fit(module, data)
    network = module.network.eval()
    with torch.inference_mode():
        embeddings = network.embed(torch.from_numpy(hands.points))
        probabilities = network.head(embeddings).softmax(dim=1).numpy()
    layer = LastLayer(network.head.weight.detach().numpy().copy(), network.head.bias.detach().numpy().copy())
    return Model(known, val, probabilities, embeddings.numpy(), layer)


@dataclass
class GuidedRecording:
    """Somebody records before the recorder.

    Args:
        hands: all hands. model: that judges.
        shown: rows that can be shown.
        random: the order in which they come.
        dealer: says what to perform; None: each gesture in turn.
        hard: whether hard mode chooses what is kept.
        turn, views: of a gesture, see `DealingSettings`.

    Attributes:
        kept: rows, in order. looked_at: photographs shown so far.
    """

    hands: PeopleHands
    model: Model
    shown: np.ndarray
    random: np.random.Generator
    dealer: Dealer | None
    hard: bool
    dealing: DealingSettings
    kept: list[int] = field(default_factory=list)
    looked_at: int = 0

    def __post_init__(self) -> None:
        self.names = self.hands.vocabulary.names
        settings = recording_settings()
        self._selection, self._admission, judge = settings.selection, settings.admission, settings.judge
        known = self.model.embeddings[self.model.known[: judge.refit_samples]]
        self._layer = LearningLayer(self.model.layer, known, judge.refit_every, judge.refit_strength)
        self._selectors: dict[str, Selector] = {}
        self._waiting: dict[str, list[int]] = {}
        self._frame = 0

    def record(self, count: int) -> np.ndarray:
        """Record until so many are kept, or nothing more is: rows (k,)."""
        idle = 0
        for gesture in self._gestures():
            before = len(self.kept)
            self._perform(gesture, count)
            idle = 0 if len(self.kept) > before else idle + 1
            if len(self.kept) >= count or idle > IDLE_TURNS:
                break
        return np.array(self.kept, np.int64)

    def _gestures(self) -> Iterator[str]:
        """What to perform next: as the dealer deals, or each gesture in turn."""
        there = [name for index, name in enumerate(self.names) if (self.hands.gesture[self.shown] == index).any()]
        last = None
        if self.dealer is None:
            order = self.random.permutation(there).tolist()
            while True:
                yield from order
        while (last := self.dealer.deal(last)) is not None:
            yield last

    def _perform(self, gesture: str, count: int) -> None:
        """A turn of one gesture."""
        selector = Selector(self._selection, self._admission, self.hands.vocabulary, gesture, hard=self.hard)
        wanted, views = min(self.dealing.turn, count - len(self.kept)), 0
        for row in self._photographs(gesture):
            self.looked_at += 1
            for _ in range(FRAMES):
                verdict = selector.consider(self._sight(row))
                if verdict.view is not None and self.dealer is not None:
                    self.dealer.saw(gesture, verdict.view.prediction, verdict.view.outcome != EASY)
                views += verdict.view is not None
                if verdict.kept is not None:
                    wanted -= 1
                    self._keep(verdict.kept)
                    break
            learned = self.dealer is not None and self.dealer.is_learned(gesture)
            if not wanted or views >= self.dealing.views or learned:
                break
        best = selector.flush()
        if best is not None and wanted:
            self._keep(best)

    def _photographs(self, gesture: str) -> Iterator[int]:
        """Rows of the gesture that are not kept, each once, those that were not shown for longest first."""
        index = self.names.index(gesture)
        waiting = self._waiting.get(gesture)
        if waiting is None:
            rows = self.shown[self.hands.gesture[self.shown] == index]
            waiting = self._waiting[gesture] = self.random.permutation(rows).tolist()
        for _ in range(len(waiting)):
            row = waiting.pop(0)
            if row in self.kept:
                continue
            waiting.append(row)
            yield row

    def _sight(self, row: int) -> Sight:
        self._frame += 1
        hand, embedding = self.hands.hands[row], self.model.embeddings[row]
        recognised = self._recognised(row, self.model.probabilities[row])
        newest = self._layer.newest
        refitted = None if newest is None else self._recognised(row, newest.layer.probabilities(embedding))
        captured = Captured(self.hands.images[row], row, self._frame / RATE)
        return Sight(captured, (hand,), hand, recognised, refitted, 0 if newest is None else newest.learned)

    def _recognised(self, row: int, probabilities: np.ndarray) -> RecognisedHand:
        best = int(probabilities.argmax())
        about = (self.names[best], float(probabilities[best]), probabilities, self.model.embeddings[row])
        return RecognisedHand(self.hands.hands[row], *about)

    def _keep(self, candidate: Candidate) -> None:
        self.kept.append(candidate.sight.captured.number)
        lessons = [KeptHand(row, self.model.embeddings[row], int(self.hands.gesture[row])) for row in self.kept]
        self._layer.learn_from(lessons)
        self._layer.wait()
