"""Errors in use, kept as sessions by the recorder's rules: hands and what is around them, never the room.

The last seconds are in memory, a picture for each fifth of a second: the one that the model is least sure of. What was
wrong is named by the user, or contradicts itself (`doubts`) and is named later, by `gestures record`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.active_learning.admission import SCORE_DECIMALS, Placement, place_session
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.live.doubts import Doubt, Moment, find_doubt
from static_gesture_classification.live.opinions import AskOpinions
from static_gesture_classification.live.settings import CatchSettings
from static_gesture_classification.recording.jobs import Job
from static_gesture_classification.recording.judging.novelty import Appearance, appearance
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Selector
from static_gesture_classification.recording.session_writer import (
    DISK_RETRY_SECONDS,
    SessionEntry,
    SessionWriter,
    StorageSettings,
)
from static_gesture_classification.recording.set_in_progress import SetInProgress, close_sets
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.terminal import in_number

SPACING = 0.2  # seconds between two pictures in memory


@dataclass(frozen=True)
class CaughtError:
    """What was wrong: pictures of the last seconds, oldest first, and the gesture that the model gave them.

    `prediction` is "" where nobody says what is wrong.
    """

    sights: tuple[Sight, ...]
    prediction: str


@dataclass(frozen=True)
class KeptError:
    """An error that is on the disk: its folder, its gesture ("" until it is named), and how many pictures."""

    folder: Path
    gesture: str
    pictures: int


class Catcher:
    """Keeps errors in use. It keeps nothing, in memory either, unless `settings.catch` is on.

    Args:
        settings: how much is kept, and of whom.
        rules: the recorder's settings.
        storage: where sessions are written, and how.
        vocabulary: the model's gestures.
        checkpoint: the model, as sessions name it.
        subject, room: who is there, and where; "" if unknown.
        ask: gives opinions of a hand that may disagree; None without any.

    Attributes:
        kept: what is on the disk.
        waiting: what the user says is wrong and has not named yet; None without.
    """

    def __init__(
        self,
        settings: CatchSettings,
        rules: RecordingSettings,
        storage: StorageSettings,
        vocabulary: Vocabulary,
        checkpoint: str,
        subject: str = "",
        room: str = "",
        ask: AskOpinions | None = None,
    ) -> None:
        self._ask = ask
        self.settings, self.rules, self.storage = settings, rules, storage
        self.vocabulary, self.checkpoint, self.subject, self.room = vocabulary, checkpoint, subject, room
        self.kept: list[KeptError] = []
        self._refused: list[SetInProgress] = []  # by the disk, so far
        self._unnamed: list[Appearance] = []  # hands in what contradicted itself
        self.waiting: CaughtError | None = None
        self._sights: deque[Sight] = deque()
        self._slot = float("-inf")  # when the latest picture in memory had its turn
        self._moments: deque[Moment] = deque()
        self._rests_until = float("-inf")
        self._retry_at = float("-inf")

    @property
    def on(self) -> bool:
        """Whether errors are kept."""
        return self.settings.catch

    @property
    def asked(self) -> str:
        """Whose opinions may disagree, in words; "" without any."""
        return "" if self._ask is None else " and ".join(self._ask.names)

    @property
    def pictures(self) -> int:
        """How many pictures are on the disk."""
        return sum(error.pictures for error in self.kept)

    @property
    def trouble(self) -> str:
        """Why pictures cannot be written; "" while they can."""
        return next((current.trouble for current in self._refused), "")

    def switch(self, on: bool) -> None:
        """Keep errors from now on, or nothing more: what is in memory is forgotten."""
        self.settings = self.settings.model_copy(update={"catch": on})
        if not on:
            self._sights.clear()
            self._moments.clear()
            self.forget()

    def see(self, sight: Sight) -> str:
        """Take the next picture.

        Returns:
            what was caught without a key, in words; "" for nothing.
        """
        if not self.on:
            return ""
        now = sight.captured.time
        self._remember(sight)
        doubt = self._doubt(sight)
        if doubt is None or now < self._rests_until or self.waiting is not None or self.trouble:
            return ""
        self._rests_until = now + self.settings.catch_rest
        current = self._new_set(Job(None, self.settings.catch_count))
        self._keep(current, CaughtError(tuple(self._sights), ""), doubt)
        return _tell(current, doubt.text)

    def tick(self, now: float) -> None:
        """Try again to write what the disk refused; `now` is in seconds."""
        if self.trouble and now >= self._retry_at:
            self._retry_at = now + DISK_RETRY_SECONDS
            self._refused = [current for current in self._refused if not self._put_away(current)]

    def say_wrong(self) -> str:
        """Hold the last seconds until they are named; returns what is the matter if they cannot be, else ""."""
        if self.trouble:
            return "The disk refuses pictures, so no more are caught."
        seen = [sight for sight in self._sights if sight.recognised is not None]
        if not seen:
            return f"No hand was found in the last {self.settings.catch_seconds:g} s, so there is nothing to keep."
        prediction = _find_prediction(seen)
        same = [sight for sight in seen if sight.recognised is not None and sight.recognised.gesture == prediction]
        self.waiting = CaughtError(tuple(same), prediction)
        return ""

    def name(self, gesture: str) -> str:
        """Keep what waits, as this gesture; returns what was kept, in words."""
        caught, self.waiting = self.waiting, None
        if caught is None:
            return ""
        prediction = None if caught.prediction == gesture else caught.prediction
        current = self._new_set(Job(gesture, self.settings.catch_count, prediction))
        self._keep(current, caught)
        if not current.kept:
            return f"Nothing is kept: the model gives {gesture} in all sharp pictures of these seconds."
        return _tell(current, f"{gesture}, which was taken for {prediction}" if prediction else gesture)

    def keep_one(self, sight: Sight, gesture: str) -> str:
        """Keep a single picture, which was to be `gesture`; returns what was kept, in words."""
        assert sight.recognised is not None
        self.waiting = CaughtError((sight,), sight.recognised.gesture)
        return self.name(gesture)

    def forget(self) -> None:
        """Nothing was wrong after all."""
        self.waiting = None

    def close(self) -> list[str]:
        """Rescue what the disk refused; returns messages about that."""
        self._sights.clear()
        return close_sets(self._refused)

    def _remember(self, sight: Sight) -> None:
        """Keep the picture in memory; of those within `SPACING`, the one that the model is least sure of."""
        now = sight.captured.time
        while self._sights and now - self._sights[0].captured.time > self.settings.catch_seconds:
            self._sights.popleft()
        if now - self._slot >= SPACING or not self._sights:
            self._sights.append(sight)
            self._slot = now
        elif _unsureness(sight) > _unsureness(self._sights[-1]):
            self._sights[-1] = sight

    def _doubt(self, sight: Sight) -> Doubt | None:
        if not self.settings.catch_doubts or sight.recognised is None or sight.hand is None:
            self._moments.clear()
            return None
        now, margin = sight.captured.time, margin_of(sight.recognised.probabilities)
        look, opinions = appearance(sight.image, sight.hand), self._ask(sight) if self._ask is not None else {}
        self._moments.append(Moment(now, sight.recognised.gesture, margin, look, opinions))
        while now - self._moments[0].time > self.settings.catch_seconds:
            self._moments.popleft()
        return find_doubt(tuple(self._moments), self.rules.admission.margin)

    def _placement(self) -> Placement:
        """The split of a session: to train, unless the person is in another one already.

        Errors that somebody picked say nothing about how good a model is, so none is held out anew.
        """
        roots = (self.rules.storage.root, self.storage.root)
        return place_session(roots, self.rules.split_table, self.subject, 0.0, self.rules.group)

    def _new_set(self, job: Job) -> SetInProgress:
        placement = self._placement()
        session = job.begin_session(self.subject, self.room, self.checkpoint, placement.split)
        selection = self.rules.selection.model_copy(update={"best_of": 1, "interval": 0.0})
        hard = job.gesture is not None and not placement.held_out  # of what is held out all is kept, hard and easy
        elsewhere = () if job.gesture is not None else self._unnamed
        rules = (selection, self.rules.admission, self.vocabulary, job.gesture, None, hard, elsewhere)
        return SetInProgress(job, Selector(*rules), SessionWriter(self.storage, session), placement)

    def _keep(self, current: SetInProgress, caught: CaughtError, doubt: Doubt | None = None) -> None:
        """Fill a set with what is worth keeping of the pictures, and write it."""
        for sight in caught.sights:
            if current.missing:
                current.consider(sight)
        if doubt is not None:
            for entry in current.kept:
                entry.image = replace(entry.image, **self._prediction(entry), kept_because=doubt.kind)
        if current.kept and not self._put_away(current):
            self._refused.append(current)

    def _prediction(self, entry: SessionEntry) -> dict[str, Any]:
        """The model's prediction, which the recorder writes down once the gesture is known."""
        assert entry.probabilities is not None
        best = int(entry.probabilities.argmax())
        return {
            "prediction": self.vocabulary.names[best],
            "score": round(float(entry.probabilities[best]), SCORE_DECIMALS),
        }

    def _put_away(self, current: SetInProgress) -> bool:
        """Bring a set to the disk and forget its pictures; returns whether the disk took it."""
        if not current.save():
            return False
        assert current.writer.folder is not None
        if not current.writer.session.gesture:
            self._unnamed += current.selector.appearances
        self.kept.append(KeptError(current.writer.folder, current.writer.session.gesture, len(current.kept)))
        current.writer.close()
        return True


def _find_prediction(seen: Sequence[Sight]) -> str:
    """The gesture that the model gave most of the last seconds, later ones counting more: people are slow to object."""
    first = seen[0].captured.time
    weights: dict[str, float] = {}
    for sight in seen:
        assert sight.recognised is not None
        gesture = sight.recognised.gesture
        weights[gesture] = weights.get(gesture, 0.0) + SPACING + sight.captured.time - first
    return max(weights, key=lambda gesture: weights[gesture])


def margin_of(probabilities: np.ndarray) -> float:
    """The gap between the two largest of probabilities, (classes,)."""
    second, first = np.partition(probabilities, -2)[-2:]
    return float(first - second)


def _unsureness(sight: Sight) -> float:
    """1 for a hand that the model is unsure of, 0 for one that it is sure of; -1 without a hand."""
    return -1.0 if sight.recognised is None else 1 - margin_of(sight.recognised.probabilities)


def _tell(current: SetInProgress, what: str) -> str:
    return f"Kept {in_number(len(current.kept), 'picture')}: {what}." if current.kept else ""
