"""The recorder's face on the page: its state as JSON, which `recorder.js` shows. The other face is its window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simplejpeg

from static_gesture_classification.active_learning.admission import EASY, UNSURE
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.capture.latest_frame import ENDED
from static_gesture_classification.recording.judging.observer import Sight, rule_in_words
from static_gesture_classification.recording.judging.selection import KEPT, WAITING
from static_gesture_classification.recording.keys import SHORTCUTS, Key
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import SessionEntry
from static_gesture_classification.recording.states import (
    CLICKED,
    SHEET_WIDTH,
    Asking,
    Choosing,
    Finished,
    Ready,
    Recording,
    Reviewing,
    Watching,
)
from static_gesture_classification.review.camera.link import Link

LOOKING, IDLE = 0.001, 0.03  # seconds to wait for keys, while pictures are looked at and while they are not
QUALITY = 88  # of the pictures on the page
LATEST = 4  # kept pictures that are shown while recording
NAMED_BY = 12  # pictures that are shown while a set is named
FLASH_SECONDS = 0.35
GOOD, WARNING, NEUTRAL, OTHER = "good", "warning", "neutral", "other"  # colours of `gestures_camera`


class RecorderFace:
    """Shows the recorder on a page.

    Args:
        link: to the page.
        about: for the page, of the whole recording.
    """

    def __init__(self, link: Link, about: dict[str, Any]) -> None:
        self.link, self.about = link, about
        self._new: dict[str, bytes] = {}

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Show the recorder's state; returns the pressed keys."""
        state = recorder.state
        body = _SCREENS[type(state)](self, recorder, state, sight)
        shown = {**self.about, **_common(recorder, sight, figures), **body}
        shown["frame"] = -1 if sight is None else self.link.camera.sent_as(sight.captured.number)
        self.link.say(shown, self._new)
        self._new = {}
        return self.link.keys(LOOKING if state.looks else IDLE)

    def _asking(self, recorder: Recorder, state: Asking, sight: Sight | None) -> dict[str, Any]:
        return {
            "screen": "asking",
            "title": state.question,
            "why": state.why,
            "known": list(state.known),
            "typed": state.typed,
            "chosen": state.chosen,
        }

    def _ready(self, recorder: Recorder, state: Ready, sight: Sight | None) -> dict[str, Any]:
        job = recorder.job
        return {
            "screen": "ready",
            "title": job.title,
            "wanted": _wanted(recorder),
            "reason": job.reason,
            "rule": _rule(recorder),
            "example": None if job.example is None else self._picture(job.example, job.example),
            "example_text": "The model gets this one wrong:" if job.mistaken_for else "Like this one:",
            "prediction": _prediction(recorder, sight),
        }

    def _recording(self, recorder: Recorder, state: Recording, sight: Sight | None) -> dict[str, Any]:
        current = state.set
        watching = isinstance(state, Watching)
        return {
            "screen": "recording",
            "title": "No gesture, please: work, talk, drink" if watching else current.job.title,
            "kept": len(current.kept),
            "count": None if watching else current.job.count,
            "alarms": str(state.watched.rate) if isinstance(state, Watching) else None,
            "seconds": round(state.seconds_left) if state.seconds_left < 3600 else None,
            "reasons": _reasons(current.kept),
            "why": current.why,
            "keeping": _keeping(state),
            "placement": current.placement.reason,
            "countdown": state.countdown,
            "paused": state.paused,
            "flash": recorder.now - state.flash < FLASH_SECONDS,
            "banner": _banner(recorder, state, sight),
            "latest": [self._entry(entry) for entry in current.kept[-LATEST:][::-1]],
            "example": None if current.job.example is None else self._picture(current.job.example, current.job.example),
            "prediction": _prediction(recorder, sight),
        }

    def _choosing(self, recorder: Recorder, state: Choosing, sight: Sight | None) -> dict[str, Any]:
        entries = list(state.entries[:: max(1, len(state.entries) // NAMED_BY)][:NAMED_BY])
        return {
            "screen": "choosing",
            "title": state.question,
            "gestures": [
                {"name": name, "key": SHORTCUTS[line] if line < len(SHORTCUTS) else ""}
                for line, name in enumerate(state.gestures)
            ],
            "line": state.line,
            "pictures": [self._entry(entry) for entry in entries],
        }

    def _reviewing(self, recorder: Recorder, state: Reviewing, sight: Sight | None) -> dict[str, Any]:
        gesture, kept = state.set.writer.session.gesture, len(state.set.kept)
        dropped = len(state.entries) - kept
        return {
            "screen": "reviewing",
            "title": f"Keep these as {gesture}?",
            "progress": f"{kept} kept, {dropped} dropped",
            "cursor": state.cursor,
            "columns": SHEET_WIDTH,
            "pictures": [
                {
                    "picture": self._entry(entry),
                    "key": f"{CLICKED}{number}",
                    "dropped": entry.dropped,
                    "gesture": entry.image.gesture or gesture,
                    "own": entry.image.gesture is not None,
                    "says": _says(entry),
                    "kind": _kind(entry),
                }
                for number, entry in enumerate(state.entries)
            ],
        }

    def _finished(self, recorder: Recorder, state: Finished, sight: Sight | None) -> dict[str, Any]:
        return {"screen": "finished", "title": "Done", "sets": sets_of(recorder)}

    def _entry(self, entry: SessionEntry) -> str:
        return self._picture(entry, entry.thumbnail)

    def _picture(self, of: object, pixels: np.ndarray) -> str:
        """The name of a picture; the page gets it with this state if it does not have it yet."""
        name = f"{id(of):x}"  # what is named lives as long as the recorder
        if not self.link.has(name):
            self._new[name] = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY, colorspace="RGB")
        return name


def sets_of(recorder: Recorder) -> list[dict[str, Any]]:
    """What was recorded, set by set."""
    return [
        {
            "gesture": current.writer.session.gesture or "not named yet",
            "pictures": len(current.kept),
            "goes_to": current.writer.session.split or "as the split decides",
            "session": "" if current.writer.folder is None else current.writer.folder.name,
        }
        for current in recorder.saved
    ]


def boxes_of(sight: Sight, recognised: RecognisedHand | None, kind: str) -> list[dict[str, Any]]:
    """The hands of a picture, to be drawn over it: normalised boxes and landmarks, labels and colours."""
    drawn = []
    for hand in sight.hands:
        counts = hand is sight.hand
        label = "not this one" if not counts else ""
        if counts and recognised is not None:
            label = f"{recognised.gesture} {recognised.score:.0%}"
        drawn.append({**outline(hand.box, hand.landmarks), "label": label, "kind": kind if counts else OTHER})
    return drawn


def outline(box: Sequence[float], landmarks: np.ndarray | None) -> dict[str, Any]:
    """A hand's box and landmarks as JSON, to a thousandth of the picture's size."""
    points = [] if landmarks is None else np.asarray(landmarks, np.float64).round(4).tolist()
    return {"box": [round(float(value), 4) for value in box], "landmarks": points}


def keys_of(keys: Sequence[Key]) -> list[dict[str, str]]:
    """The keys that do something now, as buttons."""
    return [{"key": key.key, "shown": key.shown, "does": key.does} for key in keys if key.shown]


def _common(recorder: Recorder, sight: Sight | None, figures: Figures) -> dict[str, Any]:
    current = recorder.state.set
    recognised = _counting(recorder, sight)
    kind = NEUTRAL
    if recognised is not None and recorder.job.gesture is not None:
        kind = GOOD if recognised.gesture == recorder.job.gesture else WARNING
    looks = recorder.state.looks
    return {
        "looks": looks,
        "progress": _progress(recorder),
        "subject": recorder.subject,
        "room": recorder.room,
        "keys": keys_of(recorder.state.keys),
        "notice": recorder.notice,
        "trouble": "" if current is None or not current.trouble else _trouble(current.trouble, current.writer.unsaved),
        "camera": recorder.camera.message if recorder.camera.state != ENDED else "",
        "hands": [] if sight is None or not looks else boxes_of(sight, recognised, kind),
        "looked": round(figures.looked, 1),
        "dropped": figures.dropped,
    }


def _trouble(text: str, waiting: int) -> str:
    safe = f" {waiting} pictures wait in memory; it is tried again every 2 seconds." if waiting else ""
    return f"{text}.{safe}"


def _counting(recorder: Recorder, sight: Sight | None) -> RecognisedHand | None:
    """The prediction that counts now."""
    if sight is None:
        return None
    return sight.newest if recorder.hard_now else sight.recognised


def _prediction(recorder: Recorder, sight: Sight | None) -> dict[str, Any] | None:
    """The three likeliest gestures; None without a model or a hand."""
    recognised = _counting(recorder, sight)
    if sight is None or recognised is None or recorder.judge is None:
        return None
    best = np.argsort(-recognised.probabilities)[:3]
    names, shares = recorder.judge.names, recognised.probabilities
    learned = sight.learned if recognised is not sight.recognised else 0
    return {"gestures": [[names[row], round(float(shares[row]), 3)] for row in best], "learned": learned}


def _progress(recorder: Recorder) -> str:
    if recorder.dealer is not None:
        return f"{recorder.left_to_deal} of {recorder.work.dealt} pictures to go"
    if len(recorder.work.jobs) == 1:
        return ""
    return f"gesture {recorder.number} of {len(recorder.work.jobs)}"


def _wanted(recorder: Recorder) -> str:
    if recorder.settings.background:
        return f"{recorder.settings.seconds:g} seconds without a gesture"
    return f"{recorder.job.count} pictures" if recorder.job.gesture else f"up to {recorder.job.count} pictures"


def _rule(recorder: Recorder) -> str:
    if recorder.settings.background:
        return ""
    how = "Turn, tilt, come closer, change the light."
    if recorder.hard and recorder.job.gesture is not None:
        return f"Kept is what the model gets wrong or is unsure of. {how}"
    if recorder.can_judge:
        return f"Everything that differs is kept. {how}"
    return f"No model yet: everything that differs is kept. {how}"


def _reasons(entries: Sequence[SessionEntry]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        if entry.image.kept_because:
            counts[entry.image.kept_because] = counts.get(entry.image.kept_because, 0) + 1
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def _keeping(state: Recording) -> str:
    if state.set.placement.held_out:
        return "keeping everything: this session is held out for val"
    return f"keeping {'only what is hard for the model' if state.set.selector.hard else 'everything that differs'}"


def _banner(recorder: Recorder, state: Recording, sight: Sight | None) -> dict[str, str] | None:
    if state.set.trouble or state.countdown:
        return None
    if state.paused:
        return {"text": "Paused: Space goes on", "kind": WARNING}
    if state.patience_is_over and state.set.selector.hard:
        text = "Nothing new for the model: other angle, distance, light? Enter: done, H: keep all"
        return {"text": text, "kind": WARNING}
    if state.verdict is None:
        return None
    many = sight is not None and len(sight.hands) > 1
    several = f" (several hands: {rule_in_words(recorder.settings.judge.hand)})" if many else ""
    kinds = {KEPT: GOOD, WAITING: OTHER}
    return {"text": state.verdict.text + several, "kind": kinds.get(state.verdict.outcome, WARNING)}


def _says(entry: SessionEntry) -> str:
    return "" if entry.image.prediction is None else f"{entry.image.prediction} {entry.image.score or 0:.0%}"


def _kind(entry: SessionEntry) -> str:
    if entry.image.prediction is None:
        return OTHER
    kinds: dict[str | None, str] = {EASY: GOOD, UNSURE: NEUTRAL}
    return kinds.get(entry.image.kept_because, WARNING)


_SCREENS: dict[type, Callable[[RecorderFace, Recorder, Any, Sight | None], dict[str, Any]]] = {
    Asking: RecorderFace._asking,
    Ready: RecorderFace._ready,
    Recording: RecorderFace._recording,
    Watching: RecorderFace._recording,
    Choosing: RecorderFace._choosing,
    Reviewing: RecorderFace._reviewing,
    Finished: RecorderFace._finished,
}
