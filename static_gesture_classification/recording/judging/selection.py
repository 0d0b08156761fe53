"""Which pictures a set keeps: fit and new ones, and in hard mode those that the model can learn from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from static_gesture_classification.active_learning.admission import EASY, AdmissionSettings, Judgement, SetCounts, judge
from static_gesture_classification.arrays import Doubles, Floats
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.judging.novelty import Appearance, appearance, least_difference
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.picture_quality import quality_problem
from static_gesture_classification.recording.judging.settings import SelectionSettings

NO_HAND_SEEN, UNFIT, KNOWN, ALIKE, WAITING, KEPT = "no hand", "unfit", "known", "alike", "waiting", "kept"
RECENT = 12  # views that a new one is compared with
TYPICAL = 4.0  # difference (see `novelty`) of an entirely new hand


@dataclass(frozen=True)
class Candidate:
    """A picture that may be kept.

    Args:
        sight: the picture.
        appearance: of its hand.
        judgement: by the model; None without a model, or while the gesture is not chosen.
        value: the higher the better.
        judge: the prediction that the judgement is based on; None without a model.
    """

    sight: Sight
    appearance: Appearance
    judgement: Judgement | None
    value: float
    judge: RecognisedHand | None = None


@dataclass(frozen=True)
class PictureVerdict:
    """The outcome for a picture.

    Args:
        outcome: one of this module's words.
        text: for the screen.
        kept: the picture kept now, if any.
        view: the newest judgement, if the picture is another view than those before it; None otherwise.
    """

    outcome: str
    text: str
    kept: Candidate | None = None
    view: Judgement | None = None


@dataclass
class Selector:
    """Decides picture by picture. Tell it which kept pictures were dropped or restored.

    Args:
        settings: thresholds.
        rule: the admission rule's.
        vocabulary: of the model that judges; None without a model.
        gesture: the performed one; None if it is chosen later.
        mistaken_for: the gesture that the model takes it for, by the plan.
        hard: keep only what the model gets wrong or is unsure of, and a few easy ones.
        elsewhere: hands that other sets have, which this one need not keep again.
    """

    settings: SelectionSettings
    rule: AdmissionSettings
    vocabulary: Vocabulary | None = None
    gesture: str | None = None
    mistaken_for: str | None = None
    hard: bool = False
    elsewhere: Sequence[Appearance] = ()
    _kept: list[Candidate] = field(default_factory=list)
    _views: deque[Appearance] = field(default_factory=lambda: deque(maxlen=RECENT))
    _best: Candidate | None = None
    _offered: list[Appearance] = field(default_factory=list)  # the views of which the best waits
    _held: int = 0  # pictures in a row that showed none but these views
    _last_kept: float = float("-inf")
    counts: dict[str, int] = field(default_factory=dict)

    def consider(self, sight: Sight) -> PictureVerdict:
        """Decide on a picture. A picture in the verdict counts as kept."""
        verdict = self._consider(sight)
        self.counts[verdict.outcome] = self.counts.get(verdict.outcome, 0) + 1
        return verdict

    def flush(self) -> Candidate | None:
        """The best waiting picture, at the end of a set; it counts as kept."""
        best, self._best, self._offered, self._held = self._best, None, [], 0
        if best is not None:
            self._kept.append(best)
        return best

    def forget(self, dropped: Candidate) -> None:
        """A kept picture was dropped, so a similar one may be kept."""
        self._kept = [candidate for candidate in self._kept if candidate is not dropped]

    def remember(self, restored: Candidate) -> None:
        """A dropped picture was restored."""
        self._kept.append(restored)

    @property
    def appearances(self) -> list[Appearance]:
        """Of the kept hands."""
        return [candidate.appearance for candidate in self._kept]

    def judge(self, probabilities: np.ndarray, gesture: str) -> Judgement | None:
        """Judge a hand that shows `gesture`; None without a model."""
        if self.vocabulary is None:
            return None
        mistaken_for = self.mistaken_for if gesture == self.gesture else None
        return judge(probabilities, gesture, self.vocabulary, self.rule, mistaken_for, self._count())

    def _consider(self, sight: Sight) -> PictureVerdict:
        if sight.hand is None:
            return PictureVerdict(NO_HAND_SEEN, "no hand found: show it to the camera")
        problem = quality_problem(sight.image, sight.hand.box, self.settings)
        if problem:
            return PictureVerdict(UNFIT, f"skipped: {problem}")
        judgement, judging = None, self._judging(sight)
        if self.gesture is not None and judging is not None:
            judgement = self.judge(judging.probabilities, self.gesture)
        look = appearance(sight.image, sight.hand)
        view = self._as_view(sight, look)
        if self.hard and judgement is not None and not judgement.admitted:
            return PictureVerdict(KNOWN, "the model knows this one: turn, tilt, move, change the light", view=view)
        return replace(self._offer(sight, look, judgement), view=view)

    def _as_view(self, sight: Sight, look: Appearance) -> Judgement | None:
        """The newest model's judgement of a picture unlike the latest views, so that a hand held still counts once."""
        if self.gesture is None or sight.newest is None:
            return None
        if least_difference(look, self._views) < self.settings.near_identical:
            return None
        self._views.append(look)
        return self.judge(sight.newest.probabilities, self.gesture)

    def _offer(self, sight: Sight, look: Appearance, judgement: Judgement | None) -> PictureVerdict:
        self._count_offered(look)
        novelty = least_difference(look, (*self.appearances, *self.elsewhere))
        if novelty < self.settings.near_identical:
            return self._keep_best_when_due(
                sight, PictureVerdict(ALIKE, "like one that is kept already: move a little")
            )
        value = self._hardness(sight) * min(1.0, novelty / TYPICAL) ** self.settings.novelty
        if self._best is None or value > self._best.value:
            self._best = Candidate(sight, look, judgement, value, self._judging(sight))
        return self._keep_best_when_due(sight, PictureVerdict(WAITING, "looking for the best of a few"))

    def _count_offered(self, look: Appearance) -> None:
        """Count a picture of a hand that qualifies: as another view, or as one more of the same."""
        if least_difference(look, self._offered) >= self.settings.near_identical:
            self._offered.append(look)
            self._held = 0
        else:
            self._held += 1

    def _keep_best_when_due(self, sight: Sight, otherwise: PictureVerdict) -> PictureVerdict:
        """The best waits for so many views, or until the hand shows no other one for so many pictures."""
        if self._best is None:
            return otherwise
        soon = sight.captured.time - self._last_kept < self.settings.interval
        if soon or (self.hard and max(len(self._offered), self._held) < self.settings.best_of):
            return otherwise
        best = self.flush()
        assert best is not None
        self._last_kept = sight.captured.time
        return PictureVerdict(KEPT, _why(best.judgement), best)

    def _judging(self, sight: Sight) -> RecognisedHand | None:
        """The prediction that counts: the refitted layer's in hard mode, else the checkpoint's."""
        return sight.newest if self.hard else sight.recognised

    def _hardness(self, sight: Sight) -> float:
        judging = self._judging(sight)
        if not self.hard or judging is None or self.vocabulary is None:
            return 1.0
        if self.gesture is None or self.gesture not in self.vocabulary:  # unknown to the model, so always hard
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


def margin_of_performed(probabilities: Floats, gestures: npt.ArrayLike) -> Doubles:
    """Probability of the performed gesture minus the highest other: (n,) in -1..1.

    Negative where the model is wrong, near 0 where it is unsure, near 1 where it has nothing to learn.

    Args:
        gestures: class index of the gesture performed in each row (n,), or one for all rows.
    """
    p = np.array(probabilities, np.float64)
    rows = np.arange(len(p))
    performed = np.broadcast_to(np.asarray(gestures, np.int64), len(p))
    own = p[rows, performed]
    p[rows, performed] = -np.inf
    return own - p.max(axis=1)


def hardness(probabilities: Floats, gestures: npt.ArrayLike) -> Doubles:
    """How much the model still has to learn from a frame of a performed gesture: (n,) in 0..1.

    0 for sure and right, 0.5 for undecided, 1 for sure of another gesture: (1 - `margin_of_performed`) / 2.
    """
    return (1 - margin_of_performed(probabilities, gestures)) / 2
