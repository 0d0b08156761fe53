"""The window's screens: one function per state of the recorder, all with a header, a body and a line of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from static_gesture_classification.recording import wording
from static_gesture_classification.recording.capture.latest_frame import ENDED, LOST, RUNNING
from static_gesture_classification.recording.jobs import Job
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.session_writer import SessionEntry
from static_gesture_classification.recording.set_in_progress import SetInProgress
from static_gesture_classification.recording.states import (
    CLICKED,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    Asking,
    Choosing,
    Finished,
    Ready,
    Recording,
    Reviewing,
    Watching,
)
from static_gesture_classification.recording.window.drawing import (
    ACCENT,
    BAD,
    GOOD,
    MUTED,
    PANEL,
    RAISED,
    TEXT,
    WARNING,
    Canvas,
    Colour,
    scale_to_fit,
    text_width,
)
from static_gesture_classification.recording.window.parts import (
    BODY,
    EDGE,
    HEADER,
    HEIGHT,
    PANEL_LEFT,
    PANEL_WIDTH,
    VIEW,
    WIDTH,
    banner,
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
from static_gesture_classification.recording.wording import Tone
from static_gesture_classification.terminal import in_number

STRIP = 38  # for messages, below the header of screens without a live picture
_COLOURS = {Tone.GOOD: GOOD, Tone.WARNING: WARNING, Tone.NEUTRAL: ACCENT, Tone.OTHER: MUTED}
LEGEND = "→ is the model's prediction. A click drops a picture or restores it."


def draw_screen(recorder: Recorder, sight: Sight | None, figures: Figures) -> Canvas:
    """The whole window: uint8 (HEIGHT, WIDTH, 3) RGB, and its clickable targets."""
    canvas = Canvas.blank(WIDTH, HEIGHT)
    state = recorder.state
    _BODIES[type(state)](canvas, recorder, state, sight, figures)
    key_line(canvas, recorder.state.keys)
    _messages(canvas, recorder)
    return canvas


# Asking for a name


def _draw_asking(canvas: Canvas, recorder: Recorder, state: Asking, sight: Sight | None, figures: Figures) -> None:
    header(canvas, "Before we begin", "")
    x, y, width = 120, 140, WIDTH - 240
    y = canvas.paragraph(state.question, x, y, width, 32, TEXT, bold=True)
    y = canvas.paragraph(state.why, x, y + 6, width, 18, MUTED) + 22
    canvas.fill(x, y, x + width, y + 58, PANEL)
    canvas.frame(x, y, x + width, y + 58, ACCENT if state.chosen < 0 else RAISED)
    typed = canvas.text(state.typed, x + 16, y + 12, 26, TEXT, most=width - 48)
    if state.chosen < 0:
        canvas.fill(x + 18 + typed, y + 12, x + 20 + typed, y + 46, ACCENT)
    if not state.typed:
        canvas.text("type a name", x + 26, y + 14, 22, MUTED)
    y += 80
    if state.known:
        canvas.text("or one of before:", x, y, 18, MUTED)
        y += 32
    first = max(0, state.chosen - 5)
    for line, name in enumerate(state.known[first : first + 6], start=first):
        chosen = line == state.chosen
        canvas.fill(x, y, x + width, y + 40, ACCENT if chosen else PANEL)
        canvas.text(name, x + 16, y + 8, 20, (10, 20, 35) if chosen else TEXT, bold=chosen, most=width - 32)
        y += 44


# The live picture, before and while recording


def _draw_ready(canvas: Canvas, recorder: Recorder, state: Ready, sight: Sight | None, figures: Figures) -> None:
    header(canvas, recorder.job.title, wording.progress_of_jobs(recorder))
    _view(canvas, recorder, sight, figures)
    y = _who(canvas, recorder, HEADER + EDGE)
    y = _job(canvas, recorder, y)
    _prediction(canvas, recorder, sight, y)
    banner(canvas, "Press Space to start", ACCENT)


def _draw_recording(
    canvas: Canvas, recorder: Recorder, state: Recording, sight: Sight | None, figures: Figures
) -> None:
    header(canvas, state.set.job.title, wording.progress_of_jobs(recorder))
    _view(canvas, recorder, sight, figures)
    if recorder.now - state.flash < wording.FLASH_SECONDS:
        canvas.frame(0, HEADER, VIEW[0], HEADER + VIEW[1], GOOD, 6)
    y = _counts(canvas, state, HEADER + EDGE)
    y = _thumbnails(canvas, state.set, y)
    y = _prediction(canvas, recorder, sight, y)
    _example(canvas, state.set.job, y)
    _banner(canvas, recorder, state, sight)


def _draw_watching(canvas: Canvas, recorder: Recorder, state: Watching, sight: Sight | None, figures: Figures) -> None:
    header(canvas, wording.WITHOUT_GESTURE, f"{state.seconds_left:.0f} s left")
    _view(canvas, recorder, sight, figures)
    if recorder.now - state.flash < wording.FLASH_SECONDS:
        canvas.frame(0, HEADER, VIEW[0], HEADER + VIEW[1], WARNING, 6)
    x, y, width = PANEL_LEFT, HEADER + EDGE, PANEL_WIDTH
    wide = canvas.text(f"{state.seconds_left:.0f}", x, y - 8, 52, TEXT, True)
    canvas.text("seconds left", x + wide + 12, y + 16, 22, MUTED)
    y = canvas.paragraph(f"false alarms: {state.watched.rate}", x, y + 74, width, 18, TEXT, bold=True)
    kept = in_number(len(state.set.kept), "hand")
    y = canvas.paragraph(f"{kept} that the model named, kept as {state.watched.background}", x, y, width, 15, MUTED)
    y = _thumbnails(canvas, state.set, y + 10)
    _prediction(canvas, recorder, sight, y)
    _banner(canvas, recorder, state, sight)


def _banner(canvas: Canvas, recorder: Recorder, state: Recording, sight: Sight | None) -> None:
    """The countdown; once it is over, a line about the latest picture."""
    if state.countdown and not state.set.trouble:
        _countdown(canvas, state.countdown)
    if said := wording.banner_of(recorder, state, sight):
        banner(canvas, said[0], _COLOURS[said[1]])


def _view(canvas: Canvas, recorder: Recorder, sight: Sight | None, figures: Figures) -> None:
    """The camera's picture with the hands in it."""
    mirrored = recorder.settings.mirror
    view = draw_view(canvas, None if sight is None else sight.image, mirrored)
    if sight is None:
        return
    for hand in sight.hands:
        _hand(canvas, place_of(hand.box, view, mirrored), recorder, sight if hand is sight.hand else None)
    if figures.camera:
        text = f"camera {figures.camera:.0f}/s   looked at {figures.looked:.0f}/s   dropped {figures.dropped}"
        corner_line(canvas, f"{text}   {figures.remark}" if figures.remark else text)


def _hand(canvas: Canvas, place: tuple[int, int, int, int], recorder: Recorder, sight: Sight | None) -> None:
    """A hand's box, with the model's prediction for the hand that counts."""
    if sight is None:
        x1, y1, x2, y2 = place
        canvas.frame(x1, y1, x2, y2, MUTED, 2)
        canvas.text("not this one", x1 + 4, max(y1 - 22, HEADER), 14, MUTED)
        return
    recognised = wording.counting_prediction(recorder, sight)
    colour = _COLOURS[wording.tone_of_gesture(recorder, recognised.gesture if recognised else None)]
    text = "" if recognised is None else f"{recognised.gesture} {recognised.score:.0%}"
    label_hand(canvas, place, text, colour)


def _who(canvas: Canvas, recorder: Recorder, y: int) -> int:
    x, width = PANEL_LEFT, PANEL_WIDTH
    for label, value in (("person", recorder.subject or "nobody named"), ("room", recorder.room)):
        canvas.text(label, x, y, 15, MUTED)
        canvas.text(value, x + 70, y - 2, 18, TEXT, True, width - 70)
        y += 28
    return y + 8


def _job(canvas: Canvas, recorder: Recorder, y: int) -> int:
    """The job and its reason, with an example."""
    job, x, width = recorder.job, PANEL_LEFT, WIDTH - PANEL_LEFT - 2 * EDGE
    y = canvas.paragraph(wording.wanted_of_job(recorder), x, y, width, 24, bold=True)
    if recorder.settings.background:
        return canvas.paragraph(job.reason, x, y, width, 15, TEXT, lines=6) + 10
    if job.reason:
        y = canvas.paragraph(job.reason, x, y, width, 15, MUTED, lines=4)
    y = canvas.paragraph(wording.rule_of_job(recorder), x, y + 8, width, 15, TEXT) + 10
    return _example(canvas, job, y)


def _example(canvas: Canvas, job: Job, y: int) -> int:
    size = min(200, BODY[1] - y - 34)
    if job.example is None or size < 80:
        return y
    text = "like this one, which the model gets wrong:" if job.mistaken_for else "like this one:"
    canvas.text(text, PANEL_LEFT, y, 14, MUTED)
    picture = scale_to_fit(job.example, size, size)
    canvas.paste(picture, PANEL_LEFT, y + 24)
    return y + size + 36


def _counts(canvas: Canvas, state: Recording, y: int) -> int:
    """How many pictures are kept and missing, and why they were kept."""
    current, x, width = state.set, PANEL_LEFT, WIDTH - PANEL_LEFT - 2 * EDGE
    kept = len(current.kept)
    wide = canvas.text(str(kept), x, y - 8, 52, TEXT, True)
    canvas.text(f"of {current.job.count}", x + wide + 12, y + 6, 22, MUTED)
    left = f"{current.missing} still missing"
    if state.seconds_left < 3600:
        left += f"   {state.seconds_left:.0f} s left"
    canvas.text(left, x + wide + 12, y + 34, 15, MUTED)
    y += 74
    canvas.bar(x, y, x + width, y + 10, kept / current.job.count, GOOD)
    y += 22
    if reasons := wording.reasons_of(current.kept):
        y = canvas.paragraph(reasons, x, y, width, 15, MUTED)
    if current.why:
        y = canvas.paragraph(current.why, x, y, width, 15, TEXT)
    return canvas.paragraph(wording.kept_by_rule(current), x, y, width, 15, MUTED) + 10


def _thumbnails(canvas: Canvas, current: SetInProgress, y: int) -> int:
    """The latest pictures that were kept."""
    size, x = 76, PANEL_LEFT
    for place in range(4):
        canvas.fill(x + place * (size + 6), y, x + place * (size + 6) + size, y + size, PANEL)
    for entry in current.kept[-4:][::-1]:
        picture = scale_to_fit(entry.thumbnail, size, size)
        canvas.paste(picture, x + (size - picture.shape[1]) // 2, y + (size - picture.shape[0]) // 2)
        x += size + 6
    return y + size + 14


def _prediction(canvas: Canvas, recorder: Recorder, sight: Sight | None, y: int) -> int:
    """The three likeliest gestures as bars."""
    x, width = PANEL_LEFT, PANEL_WIDTH
    if not recorder.can_judge or y > BODY[1] - 110:
        return y
    recognised = wording.counting_prediction(recorder, sight)
    learned = 0 if sight is None or recognised is None else wording.learned_for(sight, recognised)
    text = f"the model says (learned: {learned} kept)" if learned else "the model says"
    canvas.text(text, x, y, 14, MUTED, most=width)
    y += 24
    if recognised is None:
        canvas.text("no hand", x, y, 16, MUTED)
        return y + 78
    for name, share in wording.likeliest_gestures(recorder, recognised):
        probability_bar(canvas, x, y, width, name, share, _COLOURS[wording.tone_of_gesture(recorder, name)])
        y += 26
    return y + 10


def _countdown(canvas: Canvas, seconds: int) -> None:
    x, y = VIEW[0] // 2, HEADER + VIEW[1] // 2
    canvas.fill(x - 90, y - 100, x + 90, y + 100, (0, 0, 0), 0.55)
    text = str(seconds)
    canvas.text(text, x - text_width(text, 130, True) // 2, y - 96, 130, TEXT, True)


# Naming a set, the contact sheet, the end


def _draw_choosing(canvas: Canvas, recorder: Recorder, state: Choosing, sight: Sight | None, figures: Figures) -> None:
    header(canvas, state.question, "")
    if len(state.entries) == 1:
        picture = scale_to_fit(state.entries[0].pixels, 660, BODY[1] - HEADER - 2 * STRIP)
        canvas.paste(picture, EDGE, HEADER + STRIP)
        entries = []
    else:
        entries = wording.shown_while_named(state.entries)
    for number, entry in enumerate(entries):
        x, y = EDGE + number % 4 * 170, HEADER + STRIP + number // 4 * 185
        _tile(canvas, entry, x, y, 160, 175)
    x, y, width = 720, HEADER + STRIP, WIDTH - 720 - EDGE
    list_gestures(canvas, state.gestures, x, y, width, state.line)


def _draw_reviewing(
    canvas: Canvas, recorder: Recorder, state: Reviewing, sight: Sight | None, figures: Figures
) -> None:
    session = state.set.writer.session
    kept, dropped = len(state.set.kept), len(state.entries) - len(state.set.kept)
    pages = -(-len(state.entries) // (SHEET_WIDTH * SHEET_HEIGHT))
    page = f"   page {state.page + 1} of {pages}" if pages > 1 else ""
    header(canvas, f"Keep these as {session.gesture}?", f"{kept} kept   {dropped} dropped{page}")
    width, height = (WIDTH - EDGE) // SHEET_WIDTH, (BODY[1] - HEADER - STRIP - 4) // SHEET_HEIGHT
    first = state.page * SHEET_WIDTH * SHEET_HEIGHT
    for place, entry in enumerate(state.entries[first : first + SHEET_WIDTH * SHEET_HEIGHT]):
        x, y = EDGE // 2 + place % SHEET_WIDTH * width, HEADER + STRIP + place // SHEET_WIDTH * height
        if first + place == state.cursor:
            canvas.fill(x, y, x + width, y + height, ACCENT)
        _tile(canvas, entry, x + 4, y + 4, width - 8, height - 8, _caption(state, entry))
        canvas.click(x, y, x + width, y + height, f"{CLICKED}{first + place}")


def _caption(state: Reviewing, entry: SessionEntry) -> tuple[str, Colour]:
    """The caption of a picture: its own gesture if it has one, and the model's prediction."""
    if entry.dropped:
        return "dropped", BAD
    own = f"{entry.image.gesture}!  " if entry.image.gesture else ""
    if entry.image.prediction is None:
        return own or state.set.writer.session.gesture, ACCENT if own else MUTED
    return f"{own}→ {wording.prediction_of(entry)}", _COLOURS[wording.tone_of_entry(entry)]


def _tile(
    canvas: Canvas,
    entry: SessionEntry,
    x: int,
    y: int,
    width: int,
    height: int,
    caption: tuple[str, Colour] | None = None,
) -> None:
    """One picture of a set, darkened where it is dropped."""
    canvas.fill(x, y, x + width, y + height, PANEL)
    room = height - (28 if caption else 0)
    picture = scale_to_fit(entry.thumbnail, width, room)
    if entry.dropped:
        picture = (picture * 0.25).astype(np.uint8)
    canvas.paste(picture, x + (width - picture.shape[1]) // 2, y + (room - picture.shape[0]) // 2)
    if caption:
        canvas.text(caption[0], x + 8, y + room + 2, 15, caption[1], True, width - 12)


def _draw_finished(canvas: Canvas, recorder: Recorder, state: Finished, sight: Sight | None, figures: Figures) -> None:
    header(canvas, "Done", "")
    x, y, width = 120, 130, WIDTH - 240
    if recorder.camera.state != RUNNING:
        colour = BAD if recorder.camera.state == LOST else MUTED
        y = canvas.paragraph(recorder.camera.message, x, y, width, 20, colour) + 10
    total = sum(len(current.kept) for current in recorder.saved)
    text = f"{in_number(total, 'picture')} in {in_number(len(recorder.saved), 'session')} saved"
    y = canvas.paragraph(text if total else "Nothing was recorded", x, y, width, 28, bold=True) + 12
    for current in recorder.saved[-9:]:
        split = "held out for val" if current.placement.held_out else "to train" if current.placement.split else ""
        canvas.text(current.writer.session.gesture or "not named yet", x, y, 18, TEXT, True, 220)
        canvas.text(in_number(len(current.kept), "picture"), x + 240, y, 18)
        canvas.text(split, x + 400, y, 18, MUTED)
        y += 32
    if recorder.saved:
        text = "The terminal shows how to go on."
        canvas.paragraph("They are added now." if recorder.settings.commit else text, x, y + 16, width, 18, MUTED)


# Common parts


def _messages(canvas: Canvas, recorder: Recorder) -> None:
    """Messages about camera and disk, and notices, above everything else."""
    state = recorder.state
    messages: list[tuple[str, Colour]] = []
    if trouble := wording.trouble_of(state.set):
        messages.append((trouble, BAD))
    if recorder.camera.message and recorder.camera.state != ENDED and not isinstance(state, Finished):
        messages.append((recorder.camera.message, WARNING))
    if recorder.notice:
        messages.append((recorder.notice, ACCENT))
    if not state.looks:
        text, colour = messages[0] if messages else (LEGEND if isinstance(state, Reviewing) else "", MUTED)
        canvas.text(text, EDGE, HEADER + 8, 17, colour, bool(messages), WIDTH - 2 * EDGE)
        return
    messages_over_view(canvas, messages)


_BODIES: dict[type, Callable[[Canvas, Recorder, Any, Sight | None, Figures], None]] = {
    Asking: _draw_asking,
    Ready: _draw_ready,
    Recording: _draw_recording,
    Watching: _draw_watching,
    Choosing: _draw_choosing,
    Reviewing: _draw_reviewing,
    Finished: _draw_finished,
}
