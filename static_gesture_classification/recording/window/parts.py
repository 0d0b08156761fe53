"""Parts that the screens of several commands share: header, messages, hands, and the line of keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from static_gesture_classification.recording.keys import SHORTCUTS, Key
from static_gesture_classification.recording.window.drawing import (
    ACCENT,
    MUTED,
    PANEL,
    RAISED,
    TEXT,
    Canvas,
    Colour,
    line_height,
    mirror,
    scale_to_fit,
    text_width,
    wrap,
)
from static_gesture_classification.samples import Box

WIDTH, HEIGHT = 1160, 720
HEADER, FOOTER = 64, 52
BODY = (HEADER, HEIGHT - FOOTER)
VIEW = (800, 600)  # the camera's picture
EDGE = 20
PANEL_LEFT, PANEL_WIDTH = VIEW[0] + EDGE, WIDTH - VIEW[0] - 2 * EDGE  # of what is in the side panel
ON_BRIGHT: Colour = (12, 16, 22)  # of text on a bright ground


def header(canvas: Canvas, title: str, right: str, colour: Colour = MUTED) -> None:
    """The upper line: a title, and a remark in `colour` at the right."""
    canvas.fill(0, 0, WIDTH, HEADER, PANEL)
    space = text_width(right, 18) + EDGE
    canvas.text(title, EDGE, 13, 27, TEXT, True, WIDTH - 2 * EDGE - space)
    canvas.text(right, WIDTH - space, 20, 18, colour)


def banner(canvas: Canvas, text: str, colour: Colour) -> None:
    """A line over the lower edge of the camera's picture."""
    y = HEADER + VIEW[1] - 48
    canvas.fill(0, y, VIEW[0], HEADER + VIEW[1], (0, 0, 0), 0.65)
    canvas.fill(0, y, 6, HEADER + VIEW[1], colour)
    canvas.text(text, 22, y + 10, 19, colour, True, VIEW[0] - 40)


def key_line(canvas: Canvas, hints: Sequence[Key]) -> None:
    """The keys that do something now, in the lower line; they can be clicked too."""
    top = HEIGHT - FOOTER
    canvas.fill(0, top, WIDTH, HEIGHT, PANEL)
    size = next(size for size in (16, 15, 14, 13, 12, 11) if size == 11 or _width_of_keys(hints, size) < WIDTH)
    x = EDGE
    for hint in hints:
        wide = text_width(hint.shown, size, True)
        start = x
        canvas.fill(x, top + 11, x + wide + 18, top + 41, RAISED)
        canvas.text(hint.shown, x + 9, top + 14, size, TEXT, True)
        x += wide + 26
        x += canvas.text(hint.does, x, top + 14, size, MUTED) + 20
        canvas.click(start, top, x - 10, HEIGHT, hint.key)


def draw_view(canvas: Canvas, image: np.ndarray | None, mirrored: bool) -> tuple[int, int, int, int]:
    """The camera's picture uint8 (height, width, 3), or that it is waited for; returns its x, y, width, height."""
    if image is None:
        canvas.fill(0, HEADER, VIEW[0], HEADER + VIEW[1], PANEL)
        canvas.text("waiting for the camera …", 280, HEADER + 280, 22, MUTED)
        return 0, HEADER, *VIEW
    picture = scale_to_fit(mirror(image) if mirrored else image, *VIEW)
    height, width = picture.shape[:2]
    x, y = (VIEW[0] - width) // 2, HEADER + (VIEW[1] - height) // 2
    canvas.paste(picture, x, y)
    return x, y, width, height


def list_gestures(canvas: Canvas, gestures: Sequence[str], x: int, y: int, width: int, chosen: int = -1) -> None:
    """Gestures to choose from, each with the key that chooses it, down to the line of keys; they can be clicked too."""
    height = min(44, (BODY[1] - y) // len(gestures))
    size = 18 if height > 30 else 12
    for line, gesture in enumerate(gestures):
        canvas.fill(x, y, x + width, y + height - 4, ACCENT if line == chosen else PANEL)
        colour, middle = ON_BRIGHT if line == chosen else TEXT, y + (height - 4 - line_height(size)) // 2
        if line < len(SHORTCUTS):
            canvas.text(SHORTCUTS[line].upper(), x + 12, middle, size, colour, True)
            canvas.click(x, y, x + width, y + height - 4, SHORTCUTS[line])
        canvas.text(gesture, x + 48, middle, size, colour, line == chosen, width - 60)
        y += height


def messages_over_view(canvas: Canvas, messages: Sequence[tuple[str, Colour]]) -> None:
    """Messages over the upper part of the camera's picture, each in its colour."""
    y = HEADER + 40
    for text, colour in messages:
        bottom = y + 24 + line_height(18) * len(wrap(text, 18, False, 700))
        canvas.fill(40, y, 780, bottom, (0, 0, 0), 0.85)
        canvas.fill(40, y, 46, bottom, colour)
        canvas.paragraph(text, 64, y + 11, 700, 18, colour)
        y = bottom + 8


def place_of(box: Box, place: tuple[int, int, int, int], mirrored: bool) -> tuple[int, int, int, int]:
    """The pixels x1, y1, x2, y2 of a normalised box in a picture that is drawn at `place`: x, y, width, height."""
    x1, y1, x2, y2 = box
    if mirrored:
        x1, x2 = 1 - x2, 1 - x1
    x, y, width, height = place
    return round(x + x1 * width), round(y + y1 * height), round(x + x2 * width), round(y + y2 * height)


def probability_bar(canvas: Canvas, x: int, y: int, width: int, name: str, share: float, colour: Colour) -> None:
    """Draw a gesture's probability `share`, 0..1, as a bar of 22 pixels with its name in it."""
    canvas.bar(x, y, x + width, y + 22, share, colour if share > 0.02 else RAISED)
    canvas.text(name, x + 6, y, 15, ON_BRIGHT if share > 0.55 else TEXT, True, width - 70)
    label = f"{share:.0%}"
    canvas.text(label, x + width - text_width(label, 15) - 6, y, 15, ON_BRIGHT if share > 0.97 else TEXT)


def label_hand(canvas: Canvas, place: tuple[int, int, int, int], text: str, colour: Colour) -> None:
    """A hand's box, with a text on it unless it is ""."""
    x1, y1, x2, y2 = place
    canvas.frame(x1, y1, x2, y2, colour, 3)
    if text:
        top = max(y1 - 34, HEADER)
        canvas.fill(x1, top, x1 + text_width(text, 22, True) + 16, top + 34, colour)
        canvas.text(text, x1 + 8, top + 2, 22, ON_BRIGHT, bold=True)


def corner_line(canvas: Canvas, text: str) -> None:
    """A small line in the upper left corner of the camera's picture."""
    canvas.fill(0, HEADER, text_width(text, 14) + 20, HEADER + 26, (0, 0, 0), 0.55)
    canvas.text(text, 10, HEADER + 4, 14, MUTED)


def _width_of_keys(hints: Sequence[Key], size: int) -> int:
    return EDGE + sum(text_width(hint.shown, size, True) + text_width(hint.does, size) + 46 for hint in hints)
