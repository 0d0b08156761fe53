"""The outcome of a quick retrain: the confusion matrix on val, times, the verdict and next steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.table import Column
from rich.text import Text
from typing_extensions import TypedDict

from static_gesture_classification.active_learning.comparison.before_after import Comparison
from static_gesture_classification.active_learning.comparison.report import WrittenVerdict
from static_gesture_classification.active_learning.retraining.frozen_split import VAL, FrozenSplit
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.evaluation.figures import confusion_matrix, write_figure
from static_gesture_classification.evaluation.metrics import confusion_counts, json_ready, outcomes_of
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.evaluation.promote import PromotionDecision
from static_gesture_classification.file_data import read_json
from static_gesture_classification.terminal import Table, next_steps, say, show_heading, show_table
from static_gesture_classification.training.scores import weighted_f1
from static_gesture_classification.workspace import Workspace

SUMMARY, MATRIX = "retrain.json", "confusion_matrix.png"


class WrittenOutcome(TypedDict):
    """What retrain.json says; `verdict` is None where there was nothing to compare with."""

    method: str
    samples: int
    new_samples: int
    seconds: dict[str, float]
    weighted_f1: dict[str, float]
    verdict: WrittenVerdict | None


def read_outcome(workspace: Workspace) -> WrittenOutcome | None:
    """The last outcome; None before the first.

    Raises:
        DataError: the file is damaged.
    """
    path = workspace.reports / SUMMARY
    return read_json(path, WrittenOutcome, "retrain again") if path.is_file() else None


@dataclass(frozen=True)
class RetrainOutcome:
    """The outcome of a quick retrain.

    Args:
        method: how it trained.
        frozen: the split.
        predictions: of val; None if val is empty.
        comparison: None where there was nothing to compare with.
        decision: whether the trained checkpoint was promoted.
        seconds: of each stage, in the order they ran.
    """

    method: str
    frozen: FrozenSplit
    predictions: Predictions | None
    comparison: Comparison | None
    decision: PromotionDecision
    seconds: dict[str, float]

    def counts(self) -> tuple[np.ndarray, tuple[str, ...]] | None:
        """The confusion matrix of val, rows are the ground truth, and its labels."""
        if self.predictions is None:
            return None
        outcomes = outcomes_of(self.predictions)
        return confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels)), outcomes.labels


def write_outcome(outcome: RetrainOutcome, workspace: Workspace) -> None:
    """Write retrain.json and the confusion matrix into the workspace's reports."""
    matrix, decision = outcome.counts(), outcome.decision
    score = None if matrix is None else weighted_f1(matrix[0])
    if matrix is not None:
        figure = confusion_matrix(*matrix, f"{VAL}: weighted F1 {score:.3f}")
        write_figure(figure, workspace.reports / MATRIX)
    judged = outcome.comparison is not None or decision.undecided
    content = {
        "method": outcome.method,
        "samples": len(outcome.frozen.samples),
        "new_samples": int(outcome.frozen.new.sum()),
        "seconds": {stage: round(seconds, 2) for stage, seconds in outcome.seconds.items()},
        "weighted_f1": {} if score is None else {VAL: score},
        "verdict": asdict(replace(decision, change=None)) if judged else None,
    }
    write_json(workspace.reports / SUMMARY, json_ready(content))


def show_outcome(outcome: RetrainOutcome, workspace: Workspace) -> None:
    """Print the confusion matrix on val, how long it took, where everything is and what to do next."""
    show_heading("result")
    matrix, promoted = outcome.counts(), outcome.decision.promote
    if matrix is not None:
        say(f"{VAL}: weighted F1 {weighted_f1(matrix[0]):.3f}")
        show_table(matrix_table(*matrix))
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in outcome.seconds.items())
    say(f"{sum(outcome.seconds.values()):.1f} s: {spent}")
    best, predictions = workspace.best, workspace.predictions(VAL)
    stays = f"{best} stays as it was" if best.is_file() else f"there is no {best} yet"
    steps = {
        "checkpoint": f"{workspace.trained}   ({f'it is now {best}' if promoted else stays})",
        "matrix": str(workspace.reports / MATRIX),
        "pairs": f"gestures confusions confusions.predictions={predictions}",
        "plan": f"gestures plan plan.predictions={predictions}",
        "full": "make repro",
    }
    if not promoted:
        steps["take it"] = "repeat the command with force=true   (whatever the comparison says)"
    next_steps(steps)


def matrix_table(counts: np.ndarray, labels: tuple[str, ...]) -> Table:
    """A confusion matrix for a terminal: rows are the ground truth, columns (by number) the prediction."""
    numbers = [Column(str(number), justify="right", no_wrap=True) for number in range(len(labels))]
    table = Table(Column("val", no_wrap=True), *numbers, "recall")
    for number, (label, row) in enumerate(zip(labels, counts, strict=True)):
        if not row.sum():
            continue
        cells = [_cell(int(count), number == column) for column, count in enumerate(row)]
        table.add_row(f"{number} {label}", *cells, f"{row[number] / row.sum():.1%}")
    absent = [f"{number} {label}" for number, label in enumerate(labels) if not counts[number].sum()]
    if absent:
        table.caption, table.caption_justify = f"no samples: {', '.join(absent)}", "left"
    return table


def _cell(count: int, right: bool) -> Text:
    return Text(f"{count:,}" if count else "", style="bold" if right else "red")
