"""The confusion matrix and the scores of one epoch of a run on val, with a slider over its epochs."""

from __future__ import annotations

from html import escape

import pandas as pd
from nicegui import ui
from nicegui.events import GenericEventArguments

from static_gesture_classification.evaluation.epochs import epoch_interval, epoch_matrix, predicted_epochs
from static_gesture_classification.evaluation.metrics import gesture_scores
from static_gesture_classification.evaluation.paired_comparison import ChangeSettings
from static_gesture_classification.evaluation.resampling_units import describe_units
from static_gesture_classification.review import frame, known_runs
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.matrix import matrix_html
from static_gesture_classification.review.review import Review
from static_gesture_classification.training.scores import weighted_f1

SCORES = ("precision", "recall", "f1", "support")
COUNTS, RATES = "counts", "% of the gesture's samples"


class EpochScores:
    """The epoch that the slider is at; it follows a run that trains, until somebody moves it."""

    def __init__(self, review: Review, known: KnownRun) -> None:
        self.known = known
        self.resampling = ChangeSettings.from_config(review.config)
        self.epochs: list[int] = []
        self.position, self.follows = 0, True

    async def build(self) -> None:
        """Show slider and matrix; a sentence where the run keeps no predictions."""
        self.epochs = await frame.in_thread(predicted_epochs, self.known.folder)
        if not self.epochs:
            ui.label(
                "This run has kept no predictions of val yet, so there is no matrix to show. Runs keep them from "
                "the end of their first epoch on."
            ).classes("max-w-prose")
            return
        with ui.row().classes("w-full items-center gap-4"):
            ui.label("Epoch")
            # The browser's own: unlike Quasar's, it is one thing to the keyboard and to a screen reader.
            self.slider = (
                ui.element("input").props('type=range min=0 step=1 aria-label="Epoch"').classes("grow max-w-md")
            )
            self.slider.on("input", self._moved, js_handler="event => emit(Number(event.target.value))", throttle=0.1)
            self._place(self._start())
            self.number = ui.label().classes("text-weight-bold").style("min-width: 3ch")
            self.unit = ui.toggle([COUNTS, RATES], value=COUNTS, on_change=self.show)
            self.unit.props('no-caps dense padding="4px 10px" aria-label="Counts or shares"')
        self.words = ui.label().props('role="status"')
        ui.label("Rows: what hands show; columns: what the model takes them for. A cell opens its samples.")
        with ui.row().classes("w-full gap-x-8 gap-y-4 items-start"):
            self.matrix = ui.html().classes("max-w-full overflow-x-auto").props('tabindex="0" aria-label="Matrix"')
            self.table = ui.html().classes("max-w-full overflow-x-auto").props('tabindex="0" aria-label="Scores"')
        await self.show()

    async def follow(self) -> None:
        """Take up new epochs."""
        epochs = await frame.in_thread(predicted_epochs, self.known.folder)
        if epochs == self.epochs or not self.epochs:
            return
        self.epochs = epochs
        self._place(self._start() if self.follows else self.position)
        await self.show()

    async def show(self) -> None:
        """Show the epoch of the slider."""
        epoch = self.epochs[self.position]
        counts, labels = await frame.in_thread(epoch_matrix, self.known.folder, epoch)
        if epoch != self.epochs[self.position]:  # moved on meanwhile
            return
        self.number.text = str(epoch)
        self.slider.props(f'aria-valuetext="epoch {epoch}"')
        self.matrix.content = matrix_html(
            counts,
            labels,
            self.unit.value == RATES,
            lambda gesture, prediction: known_runs.confusions_address(self.known.name, epoch, gesture, prediction),
            f"Confusion matrix of val, epoch {epoch}",
        )
        self.table.content = scores_html(gesture_scores(counts, labels), f"Scores on val, epoch {epoch}")
        interval = await frame.in_thread(
            epoch_interval, self.known.folder, epoch, self.resampling.resamples, self.resampling.seed
        )
        if epoch != self.epochs[self.position]:
            return
        self.words.text = (
            f"Epoch {epoch}: weighted F1 {weighted_f1(counts):.4f}, {interval.level:.0%} interval {interval.low:.4f} "
            f"to {interval.high:.4f} ({describe_units({'unit': interval.unit, 'unknown': interval.unknown})}); "
            f"{int(counts.sum()):,} samples of val"
        )

    async def _moved(self, event: GenericEventArguments) -> None:
        if event.args in range(len(self.epochs)):
            self.follows, self.position = False, int(event.args)
            await self.show()

    def _place(self, position: int) -> None:
        self.position = position
        self.slider.props(f"max={len(self.epochs) - 1} value={position}")

    def _start(self) -> int:
        """Where the slider begins: at the best epoch; at the last one while it trains."""
        best = self.known.folder.best
        if self.known.folder.status != "running" and best is not None and best[0] in self.epochs:
            return self.epochs.index(best[0])
        return len(self.epochs) - 1


def scores_html(scores: pd.DataFrame, caption: str = "") -> str:
    """Precision, recall, F1 and support of each gesture, the columns of `SCORES`, as a table."""
    head = "".join(f'<th scope="col">{"F1" if name == "f1" else name}</th>' for name in SCORES)
    rows = "".join(
        f'<tr><th scope="row">{escape(str(gesture))}</th>{"".join(_cell(name, row[name]) for name in SCORES)}</tr>'
        for gesture, row in scores.iterrows()
    )
    return (
        f'<table class="fields numbers"><caption>{escape(caption)}</caption>'
        f'<thead><tr><th scope="col">gesture</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _cell(name: str, value: float) -> str:
    if pd.isna(value):
        return "<td>-</td>"
    return f"<td>{int(value):,}</td>" if name == "support" else f"<td>{value:.3f}</td>"
