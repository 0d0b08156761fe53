"""The plan: what to record next, why, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import pandas as pd
from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from static_gesture_classification.active_learning.planning.make_plan import PlanSettings
from static_gesture_classification.active_learning.planning.plan_edits import (
    MOST_PLANNED,
    edit_plan,
    move,
    put_back,
    set_count,
    switch,
)
from static_gesture_classification.active_learning.planning.plan_file import (
    WHAT_IT_IS,
    PlannedRecording,
    RecordingPlan,
    count_recorded,
    read_plan,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.review import frame, thumbnails
from static_gesture_classification.review.review import Review
from static_gesture_classification.samples import BOX
from static_gesture_classification.terminal import in_number

Edit = Callable[[RecordingPlan], RecordingPlan]
EXAMPLES = 6  # shown of a line


async def build(review: Review) -> None:
    """Show the plan's lines with their controls."""
    settings = PlanSettings.from_config(review.config)
    if not settings.path.is_file():
        _empty(review, settings)
        return
    await _PlanView(review, settings).show()


class _PlanView:
    """The lines on one page; each change is written at once, and the lines are shown anew."""

    plan: RecordingPlan
    undo: Edit | None

    def __init__(self, review: Review, settings: PlanSettings) -> None:
        self.review, self.settings = review, settings
        self.lines = ui.column().classes("w-full gap-3")
        self.done, self.undo = "", None

    async def show(self) -> None:
        """Show the plan as it is on the disk."""
        plan, recorded = await frame.in_thread(self._read)
        self.plan = plan
        self.review.thumbnails.know("plan", _examples(plan))
        self.lines.clear()
        with self.lines:
            self._heading(plan, sum(min(line.count, recorded.get(line.pair, 0)) for line in plan.wanted))
            if self.done:
                with ui.row().classes("items-center").props('role="status"'):
                    ui.label(self.done)
                    if self.undo is not None:
                        ui.button("Undo", icon="undo", on_click=self._take_back).props("no-caps flat dense")
            for place, line in enumerate(plan.recordings):
                self._line(line, place, len(plan.recordings), recorded.get(line.pair, 0))
            for note in plan.notes:
                ui.label(f"Note: {note}.").classes("text-body2")

    def _read(self) -> tuple[RecordingPlan, dict[tuple[str, str | None], int]]:
        plan = read_plan(self.settings.path)
        return plan, count_recorded(plan, self.settings.recorded)

    def _heading(self, plan: RecordingPlan, there: int) -> None:
        with ui.row().classes("w-full items-center"):
            with ui.column().classes("gap-0"):
                about = f", {there:,} of them recorded already" if there else ""
                ui.label(f"{in_number(plan.count, 'picture')} to record{about}").classes("text-h6")
                if plan.checkpoint:
                    ui.label(f"It follows the errors of {plan.checkpoint}.").classes("text-body2")
                ui.label(WHAT_IT_IS).classes("text-body2")
            ui.space()
            if plan.wanted:
                record = ui.button(
                    "Record what is planned", icon="videocam", on_click=partial(_go, "/record?what=plan")
                )
                record.props("no-caps")
            _make_anew(self.review, self.settings)

    def _line(self, line: PlannedRecording, place: int, lines: int, recorded: int) -> None:
        name = f"{line.gesture} taken for {line.mistaken_for}" if line.mistaken_for else line.gesture
        with ui.card().classes("w-full q-pa-sm").props(f'flat bordered role="group" aria-label="{name}"') as card:
            if line.off:
                card.style("opacity: 0.62")
            with ui.row().classes("w-full items-center gap-2"):
                ui.label(f"{place + 1}.").classes("text-h6")
                with ui.column().classes("gap-0"):
                    ui.label(line.gesture).classes("text-h6")
                    if line.mistaken_for:
                        ui.label(f"the model takes it for {line.mistaken_for}").classes("text-body2")
                ui.space()
                self._controls(line, name, place, lines, recorded)
            ui.label(f"{line.reason[:1].upper()}{line.reason[1:]}").classes("text-body2")
            with ui.row().classes("gap-1"):
                for example in line.examples[:EXAMPLES]:
                    alt = f"an example of {name}"
                    address = thumbnails.address_of(example.sample_id)
                    picture = ui.element("img").props(f'src="{address}" alt="{alt}" loading=lazy')
                    picture.style("width: 84px; height: 84px; object-fit: cover; border-radius: 4px")

    def _controls(self, line: PlannedRecording, name: str, place: int, lines: int, recorded: int) -> None:
        if recorded:
            ui.label(f"{recorded} of {line.count} recorded").classes("text-body2")
        count = ui.number("pictures", value=line.count, min=1, max=MOST_PLANNED, precision=0)
        count.props(f'dense outlined debounce=700 aria-label="pictures of {name}"').classes("w-24")
        count.on_value_change(partial(self._count, line))
        on = ui.switch("on", value=not line.off).props(f'aria-label="record {name}"')
        on.on_value_change(partial(self._switch, line, name))
        up = frame.button("arrow_upward", f"Move {name} up", partial(self._move, line, name, place, place - 1))
        down = frame.button("arrow_downward", f"Move {name} down", partial(self._move, line, name, place, place + 1))
        up.set_enabled(place > 0)
        down.set_enabled(place + 1 < lines)
        query = urlencode({"gesture": line.gesture, "mistaken_for": line.mistaken_for or ""})
        record = ui.button("Record this now", icon="videocam", on_click=partial(_go, f"/record?{query}"))
        record.props("no-caps outline")

    async def _count(self, line: PlannedRecording, event: ValueChangeEventArguments) -> None:
        if event.value is None or int(event.value) == line.count:
            return
        wanted = int(event.value)
        done = f"{in_number(wanted, 'picture')} of {line.gesture}"
        await self._edit(lambda plan: set_count(plan, line.pair, wanted), lambda plan: put_back(plan, line), done)

    async def _switch(self, line: PlannedRecording, name: str, event: ValueChangeEventArguments) -> None:
        off = not event.value
        done = f"{name} is {'off' if off else 'on'}"
        await self._edit(lambda plan: switch(plan, line.pair, off), lambda plan: put_back(plan, line), done)

    async def _move(self, line: PlannedRecording, name: str, before: int, place: int) -> None:
        ordered = self.plan.ordered
        await self._edit(
            lambda plan: move(plan, line.pair, place),
            lambda plan: replace(move(plan, line.pair, before), ordered=ordered),
            f"{name} is number {place + 1}",
        )

    async def _edit(self, edit: Edit, undo: Edit, done: str) -> None:
        """Change the plan on disk, say so, and offer to undo it."""
        with self.lines:
            try:
                await frame.in_thread(edit_plan, self.settings.path, edit)
            except UserError as error:
                self.done, self.undo = str(error), None
            else:
                self.done, self.undo = f"Saved: {done}.", undo
            await frame.attempt(self.show)

    async def _take_back(self) -> None:
        if self.undo is not None:
            await self._edit(self.undo, self.undo, "as it was before")
            self.undo = None


def _empty(review: Review, settings: PlanSettings) -> None:
    what = "A plan says which gestures to record next: those that the model confuses, and those with little data. "
    record = ("Record what you like", "/record?what=free")
    if not (settings.patterns.confusions.predictions.is_file() or review.quick.predictions("val").is_file()):
        text = what + "It needs a trained model."
        frame.empty("checklist", "No plan yet", text, [("Train a model", "/retrain"), record])
        return
    frame.empty("checklist", "No plan yet", what + "It is made in seconds.")
    with ui.row().classes("w-full justify-center"):
        _make_anew(review, settings)
        label, address = record
        ui.button(label, on_click=partial(_go, address)).props("no-caps outline")


def _make_anew(review: Review, settings: PlanSettings) -> None:
    """The button that makes the plan, by the pipeline's predictions or else by the quick loop's."""
    make = ui.button("Make a new plan", icon="autorenew", on_click=lambda: frame.attempt(_start, review, settings))
    make.props("no-caps outline" if settings.path.is_file() else "no-caps")
    with make:
        ui.tooltip("From the model's newest errors. What you changed here stays.")


async def _start(review: Review, settings: PlanSettings) -> None:
    overrides: list[str] = []
    if not settings.patterns.confusions.predictions.is_file() and review.quick.predictions("val").is_file():
        overrides = [
            f"plan.predictions={review.quick.predictions('val')}",
            f"plan.samples={review.quick.split_table}",
            f"plan.checkpoint={review.quick.trained}",
        ]
    job = await frame.in_thread(review.jobs.start, "Make a new plan", "plan", overrides)
    ui.navigate.to(f"/jobs/{job.name}")


def _examples(plan: RecordingPlan) -> pd.DataFrame:
    rows = [
        (example.sample_id, example.root, example.image, *example.box)
        for line in plan.recordings
        for example in line.examples
    ]
    return pd.DataFrame(rows, columns=["sample_id", "root", "image", *BOX])


def _go(address: str) -> None:
    ui.navigate.to(address)
