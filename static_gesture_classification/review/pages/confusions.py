"""What is confused: a matrix whose cells open their samples, and what to do about each of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from static_gesture_classification.active_learning.diagnosis.cells import Cell, PredictedSamples
from static_gesture_classification.active_learning.diagnosis.pairs import ErrorPair, short_subject_name
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.predictions import NO_PREDICTION, Predictions
from static_gesture_classification.review import frame
from static_gesture_classification.review.cell_matrix import ALL, Matrix
from static_gesture_classification.review.confusion_facts import error_pairs, pattern_of
from static_gesture_classification.review.finding import known_samples
from static_gesture_classification.review.predictions_choice import (
    SPLITS,
    PredictionsChoice,
    choices,
    of_run,
    read_predicted,
)
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_facts import EmbeddingSpace, SampleFacts
from static_gesture_classification.review.samples_view import SamplesView
from static_gesture_classification.review.shown_sample import PredictedList

WORST = 8  # pairs in the list beside the matrix
LOOKED_AT = 1.0  # seconds after which the pattern of a cell is searched: its pictures come first
MOST_SUBJECTS = 300  # in the choice of persons, most errors first
ANY = "all"
HOW_TO_READ = (
    "A row is what hands show, a column what the model takes them for: blue is right, orange is wrong. "
    "Press a cell, or the name of a row or column, to see its samples. "
    "Train is what the model learned from, val are other people."
)
STAKE = "Share of the gesture's samples (95 % interval), what the score would gain without this error, and whose it is."
VAL, TRAIN = SPLITS


async def build(review: Review) -> None:
    """Show the confusions of the predictions that the address names, or of the newest."""
    run, split = frame.query("run"), frame.query("split", VAL)
    if run:
        choice = of_run(review, run, frame.query("epoch"), split)
    else:
        split = TRAIN if split == TRAIN else VAL
        there = choices(review)
        if not there:
            text = "Train a model; what it confuses, on people whom it did not learn from (val), appears here."
            frame.empty("grid_on", "No predictions yet", text, [("Train", "/retrain"), ("Runs", "/runs")])
            return
        named = frame.query("predictions")
        choice = next((each for each in there if each.name == named), there[0])
    if split == TRAIN and not run:
        table = await predict_train(review, choice)
    else:
        table = await frame.in_thread(read_predicted, review, choice)
    page = ConfusionsPage(review, choice, table, split)
    await page.show()


async def predict_train(review: Review, choice: PredictionsChoice) -> PredictedSamples:
    """What the checkpoint of a choice says of the pictures it was trained on, whose errors are often wrong labels.

    Raises:
        UserError: the checkpoint was not kept, or is unusable.
    """
    if choice.checkpoint is None:
        raise UserError("the checkpoint of these predictions was not kept, so it cannot be asked about train")
    space = await frame.wait_for(
        SampleFacts(review, choice.workspace, choice.checkpoint).space(),
        "Asking the model about each picture of train. The first time this takes a while; then it is kept.",
    )
    pictures = await frame.in_thread(known_samples, review, choice.workspace)
    known = frozenset() if pictures is None else frozenset(pictures["sample_id"])
    files = (choice.checkpoint, choice.workspace.split_table)
    return review.tables.of(files, _of_train, space, known)


def _of_train(space: EmbeddingSpace, pictures: frozenset[str]) -> PredictedSamples:
    """The predictions on train's pictures; posed hands, of which there is none, are left out."""
    rows = (space.samples["split"] == TRAIN) & space.samples["sample_id"].isin(pictures)
    whole = space.predictions
    return PredictedSamples(Predictions(whole.table.filter(rows.to_numpy()), whole.gestures))


class ConfusionsPage:
    """The page in one tab.

    Args:
        review: the page's.
        choice: whose predictions.
        table: they.
        split: of their samples.
    """

    def __init__(self, review: Review, choice: PredictionsChoice, table: PredictedSamples, split: str) -> None:
        self.review, self.choice, self.table, self.split = review, choice, table, split
        self.rates = False
        self.cell = Cell(
            gesture=_known(frame.query("gesture", ANY), table.labels),
            prediction=_known(frame.query("prediction", ANY), table.labels),
            source=_known(frame.query("source", ANY), table.sources),
            subject=_known(frame.query("subject", ANY), table.subjects),
            only_errors=frame.query("only_errors") == "1",
        )

    async def show(self) -> None:
        """Build the content."""
        self._filters()
        ui.label(HOW_TO_READ).classes("text-caption max-w-prose")
        with ui.row().classes("w-full gap-6 items-start"):
            self.matrix = Matrix(self.open_place)
            with ui.column().classes("gap-1").style("min-width: min(300px, 100%); flex: 1") as self.worst:
                ui.spinner()
        with ui.column().classes("w-full gap-2").style("scroll-margin: 80px 0 120px") as self.samples:
            self.heading = frame.heading()
            self.chips = ui.row().classes("gap-2")
            self.pattern = ui.label().classes("max-w-prose")
            facts = SampleFacts(self.review, self.choice.workspace, self.choice.checkpoint)
            decisions = self.review.decisions()
            self.view = SamplesView(decisions, facts)
        self.refresh()
        await self._worst()

    # ---- filters ------------------------------------------------------------------------------------------------

    def _filters(self) -> None:
        with ui.row().classes("items-end gap-4"):
            there = {each.name: each.title for each in choices(self.review)} | {self.choice.name: self.choice.title}
            self._select("Predictions", there, self.choice.name, self._change_predictions)
            if not frame.query("run"):
                self._select("Split", {VAL: VAL, TRAIN: TRAIN}, self.split, self._change_split)
            self.source = self._select("Source", _named("source", self.table), ANY, self._change_source)
            self.subject = self._select("Person", self._subjects(), ANY, self._change_subject)
            self.subject.props("use-input")
            self.errors = ui.switch("Only errors")
            self.errors.on_value_change(lambda event: self.change(replace(self.cell, only_errors=bool(event.value))))
            kind = ui.toggle({False: "Counts", True: "Rates"}, value=False).props(
                'no-caps aria-label="Counts or rates"'
            )
            kind.on_value_change(lambda event: self._show_rates(bool(event.value)))

    def _select(self, label: str, options: dict[str, str], value: str, do: Any) -> ui.select:
        made = ui.select(options, value=value, label=label, on_change=lambda event: do(event.value))
        return made.classes("w-48").props(f'dense aria-label="{label}"')

    def _subjects(self) -> dict[str, str]:
        parts = self.table.errors_by("subject", self.cell)
        chosen = self.cell.subject
        own = {} if chosen is None else {chosen or "unknown": _short(chosen)}
        return (
            {ANY: "all"}
            | own
            | {
                name or "unknown": f"{_short(name)} ({errors:,} of {samples:,} wrong)"
                for name, errors, samples in islice(parts, MOST_SUBJECTS)
            }
        )

    def _subject_name(self) -> str:
        return ANY if self.cell.subject is None else self.cell.subject or "unknown"

    def _change_predictions(self, name: str) -> None:
        ui.navigate.to(f"/confusions?{urlencode({'predictions': name})}")

    def _change_split(self, split: str) -> None:
        ui.navigate.to(f"/confusions?{urlencode({'predictions': self.choice.name, 'split': split})}")

    def _change_source(self, name: str) -> None:
        self.change(replace(self.cell, source=None if name == ANY else name))

    def _change_subject(self, name: str) -> None:
        subject = None if name == ANY else "" if name == "unknown" else name
        self.change(replace(self.cell, subject=subject))

    def _show_rates(self, rates: bool) -> None:
        self.rates = rates
        self.refresh_matrix()

    # ---- what is open -------------------------------------------------------------------------------------------

    def open_place(self, row: int, column: int) -> None:
        """Open a cell, a row or a column of the matrix."""
        labels = self.table.labels
        if row >= len(labels) or column >= len(labels):
            return
        gesture = None if row == ALL else labels[row]
        prediction = None if column == ALL else labels[column]
        self.change(replace(self.cell, gesture=gesture, prediction=prediction))
        self._to_pictures()

    def _to_pictures(self) -> None:
        ui.run_javascript(f"getHtmlElement({self.samples.id}).scrollIntoView({{block: 'nearest', behavior: 'smooth'}})")

    def change(self, cell: Cell) -> None:
        """Show other samples."""
        if cell == self.cell:
            return
        self.cell = cell
        ui.navigate.history.replace(f"/confusions?{urlencode(self._address())}")
        self.refresh()

    def _address(self) -> dict[str, str]:
        parts = {name: getattr(self.cell, name) for name in ("gesture", "prediction", "source", "subject")}
        own = {name: frame.query(name) for name in ("run", "epoch", "split") if frame.query(name)}
        chosen = own if "run" in own else {"predictions": self.choice.name, **own}
        only = {"only_errors": "1"} if self.cell.only_errors else {}
        return {**chosen, **{name: value for name, value in parts.items() if value is not None}, **only}

    def refresh(self) -> None:
        """Show filters, matrix, chips and pictures as they are chosen."""
        self.source.value, self.errors.value = self.cell.source or ANY, self.cell.only_errors
        self.subject.set_options(self._subjects(), value=self._subject_name())
        self.refresh_matrix()
        rows = self.table.rows(self.cell)
        self.heading.text = f"{self.cell.title[:1].upper()}{self.cell.title[1:]}: {len(rows):,}"
        self._chips()
        self.view.show(PredictedList(self.table, rows))
        self.pattern.text = ""
        if self._is_pair():
            self.pattern.text = "Looking for what these samples have in common ..."
            with self.samples:  # what was pressed may be gone by now, as a chip is
                ui.timer(LOOKED_AT, lambda cell=self.cell: self._pattern(cell), once=True)

    def refresh_matrix(self) -> None:
        """Draw the matrix."""
        labels, cell = self.table.labels, self.cell
        chosen = tuple(ALL if name is None else labels.index(name) for name in (cell.gesture, cell.prediction))
        self.matrix.show(self.table.counts(cell), labels, self.rates, chosen)  # type: ignore[arg-type]

    def _is_pair(self) -> bool:
        gesture, prediction = self.cell.gesture, self.cell.prediction
        return gesture is not None and prediction is not None and gesture != prediction

    def _chips(self) -> None:
        cell = self.cell
        chips = {
            "gesture": cell.gesture and f"shows {cell.gesture}",
            "prediction": None if cell.prediction is None else f"predicted {cell.prediction or 'no hand'}",
            "source": cell.source and f"source {cell.source}",
            "subject": None if cell.subject is None else f"person {_short(cell.subject)}",
        }
        self.chips.clear()
        with self.chips:
            for name, text in chips.items():
                if text is not None:
                    self._chip(text, without(cell, name))
            if cell.only_errors:
                self._chip("only errors", replace(cell, only_errors=False))

    def _chip(self, text: str, rest: Cell) -> None:
        made = ui.chip(text, removable=True, text_color="white", on_click=lambda: self.change(rest))
        made.props(f'aria-label="Remove: {text}"').on("remove", lambda: self.change(rest))

    async def _pattern(self, cell: Cell) -> None:
        if cell is not self.cell or cell.gesture is None or cell.prediction is None:
            return
        text = await frame.in_thread(pattern_of, self.review, self.choice, self.table, cell.gesture, cell.prediction)
        if cell is self.cell:
            self.pattern.text = text

    async def _worst(self) -> None:
        pairs = await frame.in_thread(error_pairs, self.review, self.choice, self.table)
        self.worst.clear()
        with self.worst:
            ui.label("Worst pairs" if pairs else "Nothing is confused").classes("text-h6")
            if pairs:
                ui.label(STAKE).classes("text-caption max-w-prose")
            for pair in pairs[:WORST]:
                self._pair(pair)

    def _pair(self, pair: ErrorPair) -> None:
        def open_pair() -> None:
            self.change(replace(self.cell, gesture=pair.gesture, prediction=pair.prediction))
            self._to_pictures()

        button = ui.button(color=None, on_click=open_pair).props("flat no-caps align=left").classes("w-full")
        with button, ui.column().classes("gap-0 items-start text-left"):
            ui.label(f"{pair.title}: {pair.count:,} of {pair.support:,}")
            ui.label(_rate_in_words(pair)).classes("text-caption")


def without(cell: Cell, filter_name: str) -> Cell:
    """A cell without one of its filters."""
    rest: Cell = replace(cell, **{filter_name: None})  # type: ignore[arg-type]
    return rest


def _known(name: str, names: tuple[str, ...]) -> str | None:
    """A name that a browser sent, if there is one like it."""
    return name if name != ANY and name in names else None


def _named(column: str, table: PredictedSamples) -> dict[str, str]:
    parts = table.errors_by(column, Cell())
    return {ANY: "all"} | {name: f"{name} ({errors:,} of {samples:,} wrong)" for name, errors, samples in parts}


def _short(subject: str) -> str:
    source, slash, _ = subject.partition("/")
    return short_subject_name(source, subject) if slash else subject[:12] or "unknown"


def _rate_in_words(pair: ErrorPair) -> str:
    interval = pair.interval
    ends = "" if interval.low != interval.low else f" ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"
    found = "" if pair.prediction != NO_PREDICTION else ", no hand found"
    return f"{pair.rate:.1%}{ends}{found}, F1 {pair.f1_at_stake:+.4f} at stake, {pair.whereabouts}"
