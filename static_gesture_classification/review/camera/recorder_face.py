"""The recorder's face on the page: its state as JSON, which `recorder.js` shows. The other face is its window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simplejpeg

from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording import wording
from static_gesture_classification.recording.capture.latest_frame import ENDED
from static_gesture_classification.recording.judging.observer import Sight
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
from static_gesture_classification.recording.wording import Tone
from static_gesture_classification.review.camera.link import Link

LOOKING, IDLE = 0.001, 0.03  # seconds to wait for keys, while pictures are looked at and while they are not
QUALITY = 88  # of the pictures on the page
LATEST = 4  # kept pictures that are shown while recording


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
            "wanted": wording.wanted_of_job(recorder),
            "reason": job.reason,
            "rule": wording.rule_of_job(recorder),
            "example": None if job.example is None else self._picture(job.example, job.example),
            "example_text": "The model gets this one wrong:" if job.mistaken_for else "Like this one:",
            "prediction": _prediction(recorder, sight),
        }

    def _recording(self, recorder: Recorder, state: Recording, sight: Sight | None) -> dict[str, Any]:
        current = state.set
        watching = isinstance(state, Watching)
        return {
            "screen": "recording",
            "title": wording.WITHOUT_GESTURE if watching else current.job.title,
            "kept": len(current.kept),
            "count": None if watching else current.job.count,
            "alarms": str(state.watched.rate) if isinstance(state, Watching) else None,
            "seconds": round(state.seconds_left) if state.seconds_left < 3600 else None,
            "reasons": wording.reasons_of(current.kept),
            "why": current.why,
            "keeping": wording.kept_by_rule(current),
            "placement": current.placement.reason,
            "countdown": state.countdown,
            "paused": state.paused,
            "flash": recorder.now - state.flash < wording.FLASH_SECONDS,
            "banner": _banner(recorder, state, sight),
            "latest": [self._entry(entry) for entry in current.kept[-LATEST:][::-1]],
            "example": None if current.job.example is None else self._picture(current.job.example, current.job.example),
            "prediction": _prediction(recorder, sight),
        }

    def _choosing(self, recorder: Recorder, state: Choosing, sight: Sight | None) -> dict[str, Any]:
        return {
            "screen": "choosing",
            "title": state.question,
            "gestures": gestures_to_choose(state.gestures),
            "line": state.line,
            "pictures": [self._entry(entry) for entry in wording.shown_while_named(state.entries)],
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
                    "says": wording.prediction_of(entry),
                    "kind": wording.tone_of_entry(entry),
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
        drawn.append({**outline(hand.box, hand.landmarks), "label": label, "kind": kind if counts else Tone.OTHER})
    return drawn


def outline(box: Sequence[float], landmarks: np.ndarray | None) -> dict[str, Any]:
    """A hand's box and landmarks as JSON, to a thousandth of the picture's size."""
    points = [] if landmarks is None else np.asarray(landmarks, np.float64).round(4).tolist()
    return {"box": [round(float(value), 4) for value in box], "landmarks": points}


def gestures_to_choose(gestures: Sequence[str]) -> list[dict[str, str]]:
    """Gestures with the keys that choose them."""
    keys = [*SHORTCUTS, *[""] * len(gestures)]
    return [{"name": name, "key": key} for name, key in zip(gestures, keys, strict=False)]


def keys_of(keys: Sequence[Key]) -> list[dict[str, str]]:
    """The keys that do something now, as buttons."""
    return [{"key": key.key, "shown": key.shown, "does": key.does} for key in keys if key.shown]


def _common(recorder: Recorder, sight: Sight | None, figures: Figures) -> dict[str, Any]:
    recognised = wording.counting_prediction(recorder, sight)
    kind = wording.tone_of_gesture(recorder, recognised.gesture if recognised else None)
    looks = recorder.state.looks
    return {
        "looks": looks,
        "progress": wording.progress_of_jobs(recorder),
        "subject": recorder.subject,
        "room": recorder.room,
        "keys": keys_of(recorder.state.keys),
        "notice": recorder.notice,
        "trouble": wording.trouble_of(recorder.state.set),
        "camera": recorder.camera.message if recorder.camera.state != ENDED else "",
        "hands": [] if sight is None or not looks else boxes_of(sight, recognised, kind),
        "looked": round(figures.looked, 1),
        "dropped": figures.dropped,
    }


def _prediction(recorder: Recorder, sight: Sight | None) -> dict[str, Any] | None:
    """The three likeliest gestures; None without a model or a hand."""
    recognised = wording.counting_prediction(recorder, sight)
    if sight is None or recognised is None:
        return None
    gestures = [[name, round(share, 3)] for name, share in wording.likeliest_gestures(recorder, recognised)]
    return {"gestures": gestures, "learned": wording.learned_for(sight, recognised)}


def _banner(recorder: Recorder, state: Recording, sight: Sight | None) -> dict[str, str] | None:
    said = wording.banner_of(recorder, state, sight)
    return None if said is None else {"text": said[0], "kind": said[1]}


_SCREENS: dict[type, Callable[[RecorderFace, Recorder, Any, Sight | None], dict[str, Any]]] = {
    Asking: RecorderFace._asking,
    Ready: RecorderFace._ready,
    Recording: RecorderFace._recording,
    Watching: RecorderFace._recording,
    Choosing: RecorderFace._choosing,
    Reviewing: RecorderFace._reviewing,
    Finished: RecorderFace._finished,
}
