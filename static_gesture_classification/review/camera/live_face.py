"""The live view on the page: what a `Watch` sees as JSON, which `live.js` shows. The other face is its window."""

from __future__ import annotations

from typing import Any

import numpy as np

from static_gesture_classification.inference.held_gestures import FollowedHand
from static_gesture_classification.live.watch import Watch
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.wording import Tone
from static_gesture_classification.review.camera.link import Link
from static_gesture_classification.review.camera.recorder_face import LOOKING, gestures_to_choose, keys_of, outline

CATCH_ON, CATCH_OFF = "catch on", "catch off"  # keys that only the page has
LIKELIEST = 3  # gestures that are shown of a hand
SHOWN_HANDS = 2


class LiveFace:
    """Shows a watch on a page.

    Args:
        link: to the page.
        about: for the page, of the whole time.
    """

    def __init__(self, link: Link, about: dict[str, Any]) -> None:
        self.link, self.about = link, about

    def show(self, watch: Watch, figures: Figures) -> list[str]:
        """Show what is seen; returns the pressed keys."""
        frame = -1 if watch.captured is None else self.link.camera.sent_as(watch.captured.number)
        self.link.say({**self.about, **_state(watch, figures), "frame": frame})
        return [key for key in self.link.keys(LOOKING) if not self._switches(watch, key)]

    def _switches(self, watch: Watch, key: str) -> bool:
        """Switch catching on or off, if the key says so."""
        if key in (CATCH_ON, CATCH_OFF):
            watch.catcher.switch(key == CATCH_ON)
        return key in (CATCH_ON, CATCH_OFF)


def _state(watch: Watch, figures: Figures) -> dict[str, Any]:
    catcher = watch.catcher
    return {
        "screen": "live",
        "looks": True,
        "hands": [_hand_over_picture(watch, hand) for hand in watch.hands],
        "list": [_hand_in_list(watch, hand) for hand in watch.hands[:SHOWN_HANDS]],
        "begun": [[event.gesture, round(event.score, 2), round(event.time, 1)] for event in watch.begun],
        "catching": catcher.on,
        "seconds": catcher.settings.catch_seconds,
        "caught": catcher.pictures,
        "said": None if catcher.waiting is None else catcher.waiting.prediction,
        "gestures": gestures_to_choose(watch.gestures),
        "keys": keys_of(watch.keys),
        "notice": watch.notice,
        "trouble": f"{catcher.trouble}. The pictures wait in memory; it is tried again." if catcher.trouble else "",
        "camera": watch.camera.message,
        "looked": round(figures.looked, 1),
        "dropped": figures.dropped,
    }


def _hand_over_picture(watch: Watch, hand: FollowedHand) -> dict[str, Any]:
    name = watch.predictor.vocabulary.names[int(hand.smoothed.argmax())]
    found = hand.latest.hand
    kind = Tone.GOOD if hand.gesture else Tone.OTHER
    return {**outline(found.box, found.landmarks), "label": f"{name} {hand.score:.0%}", "kind": kind}


def _hand_in_list(watch: Watch, hand: FollowedHand) -> dict[str, Any]:
    names = watch.predictor.vocabulary.names
    likeliest = np.argsort(-hand.smoothed)[:LIKELIEST]
    side = hand.latest.hand.hand
    return {
        "gesture": hand.gesture or "",
        "side": f"{side} hand" if side else "hand",
        "gestures": [[names[row], round(float(hand.smoothed[row]), 3)] for row in likeliest],
    }
