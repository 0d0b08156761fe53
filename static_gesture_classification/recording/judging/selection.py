"""Which pictures a set keeps: fit ones, unlike those it has, and in hard mode those that the model can learn from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from static_gesture_classification.active_learning.admission import EASY, AdmissionSettings, Judgement, SetCounts, judge
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.judging.novelty import Appearance, appearance, least_difference
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.picture_quality import quality_problem
from static_gesture_classification.recording.judging.policies import hardness
from static_gesture_classification.recording.judging.settings import SelectionSettings

NO_HAND, UNFIT, KNOWN, ALIKE, WAITING, KEPT = "no hand", "unfit", "known", "alike", "waiting", "kept"
TYPICAL = 4.0  # differences (see `novelty`) from which on a hand is as new as can be


@dataclass(frozen=True)
class Candidate:
    """A picture that may be kept.

    Args:
        sight: the picture.
        appearance: of its hand.
        judgement: what the model says of it; None where nobody judges or the gesture is not known yet.
        value: what it is worth, the higher the better.
        judge: whose words the judgement rests on; None where nobody judges.
    """

    sight: Sight
    appearance: Appearance
    judgement: Judgement | None
    value: float
    judge: RecognisedHand | None = None


@dataclass(frozen=True)
class PictureVerdict:
    """What became of a picture: one of this module's words, what the screen says, and what is kept now if anything."""

    outcome: str
    text: str
    kept: Candidate | None = None


@dataclass
class Selector:
    """Decides picture by picture. Tell it what was kept, and what was dropped again.

    Args:
        settings: thresholds.
        rule: the admission rule's.
        vocabulary: of the model that judges; None where nobody does.
        gesture: what is performed; None where that is chosen later.
        mistaken_for: what the plan says that the model takes it for.
        hard: whether only what the model gets wrong or is unsure of is kept, and a few easy ones.
    """

    settings: SelectionSettings
    rule: AdmissionSettings
    vocabulary: Vocabulary | None = None
    gesture: str | None = None
    mistaken_for: str | None = None
    hard: bool = False
    _kept: list[Candidate] = field(default_factory=list)
    _best: Candidate | None = None
    _looked: int = 0
    _last_kept: float = float("-inf")
    counts: dict[str, int] = field(default_factory=dict)

    def consider(self, sight: Sight) -> PictureVerdict:
        """Decide on a picture. What it says to keep counts as kept."""
        verdict = self._consider(sight)
        self.counts[verdict.outcome] = self.counts.get(verdict.outcome, 0) + 1
        return verdict

    def flush(self) -> Candidate | None:
        """The best picture that is still waiting for better ones, at the end of a set; it counts as kept."""
        best, self._best, self._looked = self._best, None, 0
        if best is not None:
            self._kept.append(best)
        return best

    def forget(self, dropped: Candidate) -> None:
        """A kept picture was dropped: another like it is welcome."""
        self._kept = [candidate for candidate in self._kept if candidate is not dropped]

    def remember(self, restored: Candidate) -> None:
        """A dropped picture was taken back."""
        self._kept.append(restored)

    def judge(self, probabilities: np.ndarray, gesture: str) -> Judgement | None:
        """What the model says of a hand that shows `gesture`; None where nobody judges."""
        if self.vocabulary is None:
            return None
        mistaken_for = self.mistaken_for if gesture == self.gesture else None
        return judge(probabilities, gesture, self.vocabulary, self.rule, mistaken_for, self._count())

    def _consider(self, sight: Sight) -> PictureVerdict:
        if sight.hand is None:
            return PictureVerdict(NO_HAND, "no hand found: show it to the camera")
        problem = quality_problem(sight.image, sight.hand.box, self.settings)
        if problem:
            return PictureVerdict(UNFIT, f"skipped: {problem}")
        judgement, judging = None, self._judging(sight)
        if self.gesture is not None and judging is not None:
            judgement = self.judge(judging.probabilities, self.gesture)
        if self.hard and judgement is not None and not judgement.admitted:
            return PictureVerdict(KNOWN, "the model knows this one: turn, tilt, move, change the light")
        return self._offer(sight, judgement)

    def _offer(self, sight: Sight, judgement: Judgement | None) -> PictureVerdict:
        assert sight.hand is not None
        look = appearance(sight.image, sight.hand)
        novelty = least_difference(look, (candidate.appearance for candidate in self._kept))
        if novelty < self.settings.near_identical:
            return self._keep_best_when_due(
                sight, PictureVerdict(ALIKE, "like one that is kept already: move a little")
            )
        value = self._hardness(sight) * min(1.0, novelty / TYPICAL) ** self.settings.novelty
        if self._best is None or value > self._best.value:
            self._best = Candidate(sight, look, judgement, value, self._judging(sight))
        return self._keep_best_when_due(sight, PictureVerdict(WAITING, "looking for the best of a few"))

    def _keep_best_when_due(self, sight: Sight, otherwise: PictureVerdict) -> PictureVerdict:
        if self._best is None:
            return otherwise
        self._looked += 1
        soon = sight.captured.time - self._last_kept < self.settings.interval
        if soon or (self.hard and self._looked < self.settings.best_of):
            return otherwise
        best = self.flush()
        assert best is not None
        self._last_kept = sight.captured.time
        return PictureVerdict(KEPT, _why(best.judgement), best)

    def _judging(self, sight: Sight) -> RecognisedHand | None:
        """Whose word counts: in hard mode that of the model that has learned from what is kept."""
        return sight.newest if self.hard else sight.recognised

    def _hardness(self, sight: Sight) -> float:
        judging = self._judging(sight)
        if not self.hard or judging is None or self.vocabulary is None:
            return 1.0
        if self.gesture is None or self.gesture not in self.vocabulary:  # new to the model: all of it is hard
            return 1.0
        return float(hardness(judging.probabilities[None], self.vocabulary.index(self.gesture))[0])

    def _count(self) -> SetCounts:
        easy = sum(candidate.judgement is not None and candidate.judgement.outcome == EASY for candidate in self._kept)
        return SetCounts(hard=len(self._kept) - easy, easy=easy)


def _why(judgement: Judgement | None) -> str:
    if judgement is None:
        return "kept"
    if judgement.outcome == EASY:
        return "kept: an easy one, for balance" if judgement.admitted else "kept"
    if judgement.outcome == "unsure":
        return f"kept: the model is unsure ({judgement.prediction} {judgement.score:.0%})"
    return f"kept: the model says {judgement.prediction} {judgement.score:.0%}"
