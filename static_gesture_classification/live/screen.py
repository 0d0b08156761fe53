"""The window of `gestures live`: hands with their gestures, what began lately, and what is kept."""

from __future__ import annotations

import numpy as np

from static_gesture_classification.inference.held_gestures import FollowedHand
from static_gesture_classification.live.watch import Watch
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.window.drawing import (
    ACCENT,
    BAD,
    GOOD,
    MUTED,
    TEXT,
    WARNING,
    Canvas,
    Colour,
    text_width,
)
from static_gesture_classification.recording.window.parts import (
    BODY,
    EDGE,
    HEADER,
    HEIGHT,
    PANEL_LEFT,
    PANEL_WIDTH,
    WIDTH,
    corner_line,
    draw_view,
    header,
    key_line,
    label_hand,
    list_gestures,
    messages_over_view,
    place_of,
    probability_bar,
)
from static_gesture_classification.recording.window.window import LOOKING_MS, Window
from static_gesture_classification.terminal import in_number

LIVE_TITLE = "Gestures live"
NOTHING_KEPT = "nothing is kept"


class Screen:
    """Shows a watch in a window.

    Args:
        window: an open one.
        mirrored: whether the picture is shown as in a mirror.
    """

    def __init__(self, window: Window, mirrored: bool) -> None:
        self.window, self.mirrored = window, mirrored

    def show(self, watch: Watch, figures: Figures) -> list[str]:
        """Draw what is seen; see `WatchDisplay`."""
        return self.window.put(draw_watch(watch, figures, self.mirrored), LOOKING_MS)


def draw_watch(watch: Watch, figures: Figures, mirrored: bool) -> Canvas:
    """The whole window: uint8 (HEIGHT, WIDTH, 3) RGB, and its clickable targets."""
    canvas = Canvas.blank(WIDTH, HEIGHT)
    catcher = watch.catcher
    kept = f"catching: hands are kept in {catcher.storage.root}" if catcher.on else NOTHING_KEPT
    header(canvas, LIVE_TITLE, kept, WARNING if catcher.on else MUTED)
    _view(canvas, watch, figures, mirrored)
    if catcher.waiting is not None:
        _ask_what_was_meant(canvas, watch)
    else:
        y = _hands(canvas, watch, HEADER + EDGE)
        y = _begun(canvas, watch, y)
        _caught(canvas, watch, y)
    key_line(canvas, watch.keys)
    messages_over_view(canvas, _messages(watch))
    return canvas


def _view(canvas: Canvas, watch: Watch, figures: Figures, mirrored: bool) -> None:
    """The camera's picture with its hands."""
    captured = watch.captured
    view = draw_view(canvas, None if captured is None else captured.image, mirrored)
    if captured is None:
        return
    for hand in watch.hands:
        place = place_of(hand.latest.hand.box, view, mirrored)
        label_hand(canvas, place, f"{_likeliest(watch, hand)} {hand.score:.0%}", GOOD if hand.gesture else MUTED)
    text = f"{figures.looked:.0f} frames/s   camera {figures.camera:.0f}/s   dropped {figures.dropped}"
    corner_line(canvas, f"{text}   {figures.remark}" if figures.remark else text)


def _hands(canvas: Canvas, watch: Watch, y: int) -> int:
    """For each hand the gesture that it holds, and its likeliest ones as bars."""
    x, width = PANEL_LEFT, PANEL_WIDTH
    if not watch.hands:
        canvas.text("no hand", x, y, 24, MUTED, True)
        return y + 50
    for hand in watch.hands[:2]:
        side = f"{hand.latest.hand.hand} hand" if hand.latest.hand.hand else "hand"
        canvas.text(hand.gesture or "…", x, y, 28, GOOD if hand.gesture else MUTED, True, width - 90)
        canvas.text(side, x + width - text_width(side, 14), y + 14, 14, MUTED)
        y += 44
        for index in np.argsort(-hand.smoothed)[:3]:
            name, share = watch.predictor.vocabulary.names[index], float(hand.smoothed[index])
            probability_bar(canvas, x, y, width, name, share, ACCENT)
            y += 24
        y += 12
    return y


def _begun(canvas: Canvas, watch: Watch, y: int) -> int:
    """The gestures that began lately."""
    x, width = PANEL_LEFT, PANEL_WIDTH
    canvas.text("latest gestures", x, y, 14, MUTED)
    y += 24
    room = max((BODY[1] - y - 130) // 24, 0)
    for event in list(watch.begun)[:room]:
        canvas.text(f"{event.time:.1f} s", x, y, 15, MUTED)
        canvas.text(event.gesture, x + 80, y, 15, TEXT, True, width - 140)
        canvas.text(f"{event.score:.0%}", x + width - 44, y, 15, MUTED)
        y += 24
    return y + 12


def _caught(canvas: Canvas, watch: Watch, y: int) -> None:
    """What acts on gestures, and what is kept, at the lower end of the panel."""
    x, width = PANEL_LEFT, PANEL_WIDTH
    lines: list[tuple[str, Colour]] = []
    if watch.hooks:
        lines.append((f"acts by {', '.join(hook.name for hook in watch.hooks)}", MUTED))
    catcher = watch.catcher
    if catcher.on:
        who = f"of {catcher.subject}" if catcher.subject else "of nobody named (subject=NAME)"
        lines.append((f"{in_number(catcher.pictures, 'picture')} {who} kept", WARNING))
        lines.append((f"W keeps the last {catcher.settings.catch_seconds:g} s: hands, not the room.", MUTED))
    y = max(y, BODY[1] - 24 * len(lines) - 12)
    for text, colour in lines:
        canvas.text(text, x, y, 14, colour, most=width)
        y += 24


def _ask_what_was_meant(canvas: Canvas, watch: Watch) -> None:
    """The gestures to choose from; each can be clicked."""
    x, y, width = PANEL_LEFT, HEADER + EDGE, PANEL_WIDTH
    assert watch.catcher.waiting is not None
    y = canvas.paragraph("What was meant?", x, y, width, 24, TEXT, True)
    y = canvas.paragraph(f"The model said {watch.catcher.waiting.prediction}.", x, y, width, 15, MUTED) + 10
    list_gestures(canvas, watch.gestures, x, y, width)


def _messages(watch: Watch) -> list[tuple[str, Colour]]:
    messages: list[tuple[str, Colour]] = []
    if watch.catcher.trouble:
        messages.append((f"{watch.catcher.trouble}. The pictures wait in memory; it is tried again.", BAD))
    if watch.camera.message:
        messages.append((watch.camera.message, WARNING))
    if watch.notice:
        messages.append((watch.notice, ACCENT))
    return messages


def _likeliest(watch: Watch, hand: FollowedHand) -> str:
    return watch.predictor.vocabulary.names[int(hand.smoothed.argmax())]
