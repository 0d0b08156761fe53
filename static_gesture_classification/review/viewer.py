"""A sample, large, with what is known of it and a key for each decision.

1 2 3 ...   it shows another gesture: this one (0 is the tenth; W, then a letter, for more)
Y           it is what it looks like, where a search for wrong labels says so
D           drop it
R           its label is right
M           record more of this
K           keep it for later
U, Ctrl-Z   undo the last decision that was made here
arrows      the next one, the one before
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import events, ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.label_fixes import DROP, LabelFix
from static_gesture_classification.review import frame
from static_gesture_classification.review.decisions import Decisions
from static_gesture_classification.review.journal import Action, Entry
from static_gesture_classification.review.sample_facts import SampleFacts
from static_gesture_classification.review.sample_figure import STYLE, bars, facts_table, figure, neighbours_strip
from static_gesture_classification.review.shown_sample import SampleList, ShownSample

CHOICE_KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
DIGITS = 10
SETTLED = 0.15  # seconds that a sample is shown before it is explained; whoever leafs through waits for nothing


@dataclass(frozen=True)
class Command:
    """A decision that is a button and a key."""

    action: Action
    key: str
    icon: str
    label: str


COMMANDS = (
    Command("right", "r", "check", "Looks right"),
    Command("drop", "d", "delete_outline", "Drop"),
    Command("record", "m", "videocam", "Record more of this"),
    Command("later", "k", "bookmark_border", "Keep for later"),
)


class Viewer:
    """Shows one sample of a list, and decides on it.

    Args:
        decisions: where decisions go.
        facts: landmarks, explanations and neighbours.
        on_change: called after each decision and each undo.
        on_close: closes it; None where it is a part of the page.
    """

    def __init__(
        self,
        decisions: Decisions,
        facts: SampleFacts,
        on_change: Callable[[], Any] = lambda: None,
        on_close: Callable[[], Any] | None = None,
    ) -> None:
        self.decisions, self.facts = decisions, facts
        self.on_change, self.on_close = on_change, on_close
        self.samples: SampleList = ()
        self.position = 0
        self.is_choosing = False
        self.active = True
        self._note: ui.notification | None = None
        self._done: list[str] = []  # entries of this tab, which its undo takes back
        ui.add_head_html(STYLE)
        self._build()
        ui.keyboard(self._key, ignore=["input", "select", "textarea"], repeating=True)

    def open(self, samples: SampleList, position: int) -> None:
        """Show a sample of a list."""
        self.samples = samples
        self.move_to(position)

    def move_to(self, position: int) -> None:
        """Show the sample at a position; nothing happens beyond the ends."""
        if 0 <= position < len(self.samples):
            self.position = position
            self.is_choosing = False
            self._draw()

    @property
    def sample(self) -> ShownSample | None:
        """What is shown."""
        return self.samples[self.position] if 0 <= self.position < len(self.samples) else None

    # ---- the parts ----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        with ui.row().classes("w-full items-center no-wrap gap-1"):
            frame.button("arrow_back", "The one before", lambda: self.move_to(self.position - 1), "left arrow")
            frame.button("arrow_forward", "The next one", lambda: self.move_to(self.position + 1), "right arrow")
            self._title = ui.label().classes("text-subtitle1 text-weight-medium").props('role="status"')
            if self.on_close is not None:
                ui.space()
                frame.button("close", "Close", self.on_close, "Esc")
        with ui.element("div").classes("viewer w-full"):
            self._figure = ui.html(sanitize=False)
            with ui.column().classes("gap-2 w-full"):
                self._verdict = ui.label().classes("verdict")
                self._suggestion = ui.button(color=None, on_click=lambda: self._accept()).props("outline no-caps")
                self._buttons()
                self._choices()
                self._bars = ui.html(sanitize=False).classes("w-full")
                self._facts = ui.html(sanitize=False).classes("w-full")
        self._neighbours = ui.html(sanitize=False).classes("w-full")

    def _buttons(self) -> None:
        with ui.row().classes("gap-2"):
            for command in COMMANDS:
                self._button(command.label, command.key, command.icon, lambda _, c=command: self._decide(c.action))
            self._button("Undo", "u", "undo", lambda _: self.undo())

    def _choices(self) -> None:
        with ui.column().classes("gap-1 w-full"):
            self._prompt = ui.label("Wrong label? It is:").classes("text-caption")
            with ui.row().classes("gap-1"):
                for key, gesture in zip(CHOICE_KEYS, self.decisions.vocabulary, strict=False):
                    self._button(gesture, key, None, lambda _, to=gesture: self._decide("label", to), "dense")

    def _button(self, label: str, key: str, icon: str | None, do: Callable[..., Any], more: str = "") -> None:
        # No colour of its own: it is then read on light and on dark.
        with ui.button(icon=icon, color=None, on_click=do).props(
            f'outline no-caps {more} aria-label="{label} ({key.upper()})"'
        ):
            ui.label(label)
            ui.html(f"<kbd>{key.upper()}</kbd>", sanitize=False).props("aria-hidden=true")

    # ---- what is shown ------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        sample = self.sample
        assert sample is not None
        self._title.text = f"{self.position + 1:,} of {len(self.samples):,}: {sample.title}"
        self._verdict.text = self._describe_decision(sample)
        self._verdict.visible = bool(self._verdict.text)
        self._suggestion.visible = bool(sample.suggested)
        self._suggestion.text = f"It is {sample.suggested} (Y)"
        self._prompt.text = "Which gesture is it? Press its key." if self.is_choosing else "Wrong label? It is:"
        self._figure.content = figure(sample, self.facts.geometry(sample), None)
        self._bars.content = bars(sample)
        self._facts.content = facts_table(sample)
        self._neighbours.content = ""
        ui.timer(SETTLED, lambda: self._explain(sample), once=True)

    def _describe_decision(self, sample: ShownSample) -> str:
        return verdicts(self.decisions.fixes()).get(sample.sample, "")

    async def _explain(self, sample: ShownSample) -> None:
        """What takes longer: why the model says so, and what it resembles."""
        if self.sample is not sample and (self.sample is None or self.sample.sample != sample.sample):
            return  # moved on
        explanation = await frame.in_thread(self.facts.explain, sample)
        if self.sample is not None and self.sample.sample == sample.sample:
            self._figure.content = figure(sample, self.facts.geometry(sample), explanation)
        near = await self.facts.neighbours(sample)
        if self.sample is not None and self.sample.sample == sample.sample:
            self._neighbours.content = neighbours_strip(near)

    # ---- decisions ----------------------------------------------------------------------------------------------

    def _key(self, event: events.KeyEventArguments) -> None:
        if not event.action.keydown or not self.active or self.sample is None:
            return
        key, modifiers = str(event.key.name).lower(), event.modifiers
        if modifiers.alt or ((modifiers.ctrl or modifiers.meta) and key != "z"):
            return
        moves = {"arrowright": 1, "arrowdown": 1, "arrowleft": -1, "arrowup": -1}
        if key in moves:
            self.move_to(self.position + moves[key])
        elif not event.action.repeat:
            self._command(key, bool(modifiers.ctrl or modifiers.meta))

    def _command(self, key: str, control: bool) -> None:
        choices = dict(zip(CHOICE_KEYS, self.decisions.vocabulary, strict=False))
        if control or (key == "u" and not self.is_choosing):
            self.undo()
        elif key in choices and (self.is_choosing or key in CHOICE_KEYS[:DIGITS]):
            self._decide("label", choices[key])
        elif key == "y" and not self.is_choosing:
            self._accept()
        elif key == "w" or self.is_choosing:
            self.is_choosing = key == "w"
            self._draw()
        else:
            for command in COMMANDS:
                if key == command.key:
                    self._decide(command.action)

    def _accept(self) -> None:
        if self.sample is not None and self.sample.suggested:
            self._decide("label", self.sample.suggested)

    def _decide(self, action: Action, to: str = "") -> None:
        sample = self.sample
        if sample is None:
            return
        try:
            entry = self.decisions.decide(action, sample.to_decide_on, to)
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True, close_button="Close", timeout=0)
            return
        self._done.append(entry.id)
        self._say(entry)
        self.is_choosing = False
        self.on_change()
        if self.position + 1 < len(self.samples):
            self.move_to(self.position + 1)
        else:
            self._draw()

    def _say(self, entry: Entry) -> None:
        settings = self.decisions.settings
        place = {"record": settings.plan, "later": "History"}.get(entry.action, settings.fixes)
        self._tell(f"{entry.in_words}: written to {place}. U takes it back.", "positive")

    def _tell(self, text: str, kind: Literal["positive", "info"]) -> None:
        """Say something in place of what was said before."""
        if self._note is not None:
            self._note.dismiss()
        self._note = ui.notification(text, type=kind, timeout=3)

    def undo(self) -> None:
        """Take back the last decision that was made in this tab."""
        if not self._done:
            ui.notify("Nothing was decided in this tab yet; History takes back the others.")
            return
        try:
            entry = self.decisions.undo(self._done[-1])
        except UserError as error:
            ui.notify(str(error), type="warning", multi_line=True)
            self._done.pop()
            return
        self._done.pop()
        self._tell("Taken back.", "info")
        self.on_change()
        self._show_again(entry.sample)

    def _show_again(self, sample: str) -> None:
        nearby = [at for at in range(self.position, max(self.position - 3, -1), -1) if at < len(self.samples)]
        self.move_to(next((at for at in nearby if self.samples[at].sample == sample), self.position))


def verdicts(fixes: Mapping[str, LabelFix]) -> dict[str, str]:
    """What is decided on each sample, in words."""
    return {sample: _verdict(fix) for sample, fix in fixes.items()}


def _verdict(fix: LabelFix) -> str:
    if fix.to == DROP:
        return "dropped"
    return "label is right" if fix.confirms else f"is {fix.to}"
