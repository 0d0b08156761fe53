"""What the recorder says, whatever shows it: its window, the local page, or lines in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from static_gesture_classification.active_learning.admission import EASY, UNSURE
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.judging.observer import Sight, rule_in_words
from static_gesture_classification.recording.judging.selection import KEPT, WAITING
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import SessionEntry
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.states import Recording

WITHOUT_GESTURE = "No gesture, please: work, talk, drink"
FLASH_SECONDS = 0.35  # how long the picture's frame lights up when one is kept
NAMED_BY = 12  # pictures that are shown while a set is named


class Tone(StrEnum):
    """What a colour says."""

    GOOD = "good"
    WARNING = "warning"
    NEUTRAL = "neutral"
    OTHER = "other"


def progress_of_jobs(recorder: Recorder) -> str:
    """How far the work is; "" where it is one job."""
    if recorder.dealer is not None:
        return f"{recorder.left_to_deal} of {recorder.work.dealt} pictures to go"
    if len(recorder.work.jobs) == 1:
        return ""
    return f"gesture {recorder.number} of {len(recorder.work.jobs)}"


def wanted_of_job(recorder: Recorder) -> str:
    """How much is to be recorded next."""
    if recorder.settings.background:
        return f"{recorder.settings.seconds:g} seconds without a gesture"
    return f"{recorder.job.count} pictures" if recorder.job.gesture else f"up to {recorder.job.count} pictures"


def rule_of_job(recorder: Recorder) -> str:
    """What will be kept; "" where no gesture is to be shown."""
    if recorder.settings.background:
        return ""
    how = "Turn, tilt, come closer, change the light."
    if recorder.hard and recorder.job.gesture is not None:
        return f"Kept is what the model gets wrong or is unsure of. {how}"
    if recorder.can_judge:
        return f"Everything that differs is kept. {how}"
    return f"No model judges: everything that differs is kept. {how}"


def kept_by_rule(current: SetInProgress) -> str:
    """What is kept of the set that is being recorded."""
    if current.placement.held_out:
        return "keeping everything: this session is held out for val"
    return f"keeping {'only what is hard for the model' if current.selector.hard else 'everything that differs'}"


def reasons_of(entries: Sequence[SessionEntry]) -> str:
    """How many pictures were kept for which reason; "" without reasons."""
    counts = Counter(entry.image.kept_because for entry in entries if entry.image.kept_because)
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def banner_of(recorder: Recorder, state: Recording, sight: Sight | None) -> tuple[str, Tone] | None:
    """What is to be said of the latest picture, or what to do; None while there is nothing to say."""
    if state.set.trouble or state.countdown:
        return None
    if state.paused:
        return "Paused: Space goes on", Tone.WARNING
    if state.patience_is_over and state.set.selector.hard:
        return "Nothing new for the model: other angle, distance, light? Enter: done, H: keep all", Tone.WARNING
    if state.verdict is None:
        return None
    tones = {KEPT: Tone.GOOD, WAITING: Tone.OTHER}
    return state.verdict.text + which_hand(recorder, sight), tones.get(state.verdict.outcome, Tone.WARNING)


def which_hand(recorder: Recorder, sight: Sight | None) -> str:
    """Which of several hands counts, as a remark; "" where there are not several."""
    several = sight is not None and len(sight.hands) > 1
    return f" ({len(sight.hands)} hands: {rule_in_words(recorder.settings.judge.hand)})" if sight and several else ""


def trouble_of(current: SetInProgress | None) -> str:
    """Why pictures of a set cannot be saved, and that they are not lost; "" while they can."""
    if current is None or not current.trouble:
        return ""
    waiting = current.writer.unsaved
    safe = f" {waiting} pictures wait in memory; it is tried again every 2 seconds." if waiting else ""
    return f"{current.trouble}.{safe}"


def counting_prediction(recorder: Recorder, sight: Sight | None) -> RecognisedHand | None:
    """The prediction by which pictures are kept now."""
    if sight is None:
        return None
    return sight.newest if recorder.hard_now else sight.recognised


def likeliest_gestures(recorder: Recorder, recognised: RecognisedHand, most: int = 3) -> list[tuple[str, float]]:
    """The likeliest gestures of a prediction, each with its probability."""
    assert recorder.judge is not None  # it has predicted
    rows = np.argsort(-recognised.probabilities)[:most]
    return [(recorder.judge.names[row], float(recognised.probabilities[row])) for row in rows]


def learned_for(sight: Sight, recognised: RecognisedHand) -> int:
    """The number of kept pictures that the model had learned from for a prediction."""
    return sight.learned if recognised is not sight.recognised else 0


def tone_of_gesture(recorder: Recorder, gesture: str | None) -> Tone:
    """Whether a predicted gesture is the one that is performed."""
    if gesture is None or recorder.job.gesture is None:
        return Tone.NEUTRAL
    return Tone.GOOD if gesture == recorder.job.gesture else Tone.WARNING


def prediction_of(entry: SessionEntry) -> str:
    """The model's prediction of a kept picture: `FIST 97%`; "" without one."""
    return "" if entry.image.prediction is None else f"{entry.image.prediction} {entry.image.score or 0:.0%}"


def tone_of_entry(entry: SessionEntry) -> Tone:
    """Whether the model was right about a kept picture."""
    if entry.image.prediction is None:
        return Tone.OTHER
    tones: dict[str | None, Tone] = {EASY: Tone.GOOD, UNSURE: Tone.NEUTRAL}
    return tones.get(entry.image.kept_because, Tone.WARNING)


def shown_while_named(entries: Sequence[SessionEntry]) -> list[SessionEntry]:
    """Some pictures of a set, from its beginning to its end."""
    return list(entries[:: max(1, len(entries) // NAMED_BY)][:NAMED_BY])
