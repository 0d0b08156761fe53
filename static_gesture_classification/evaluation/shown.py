"""An evaluation in the terminal: scores with their interval, gestures, sources, the worst pairs and people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Column

from static_gesture_classification.evaluation.data import ASSIGNED, OFFICIAL
from static_gesture_classification.evaluation.report import Scored
from static_gesture_classification.evaluation.units import SAMPLE, in_words, unknown_people
from static_gesture_classification.terminal import Table, console

PAIRS = 5
SPLIT_BY = {OFFICIAL: "as published", ASSIGNED: "assigned by the rules and seed of the split stage"}


def show(scored: Scored) -> None:
    """Print a set's scores."""
    numbers = scored.numbers()
    console.print(f"\n[bold]{escape(scored.name)}[/]: {headline(numbers)}", highlight=False, soft_wrap=True)
    for source, split_by in scored.data.split_by.items():
        if split_by in SPLIT_BY:
            console.print(
                f"the split of {source} is {SPLIT_BY[split_by]}", highlight=False, soft_wrap=True, markup=False
            )
    console.print(gesture_table(numbers))
    if len(scored.sources) > 1:
        console.print(source_table(scored))
    console.print(pair_table(scored) if len(scored.pairs) else "no errors")
    for line in remarks(scored):
        console.print(f"[yellow]note:[/] {escape(line)}", highlight=False, soft_wrap=True)


def headline(numbers: Mapping[str, Any]) -> str:
    """One line: weighted F1 with its interval, and what stands beside it."""
    found = ""
    if "missed" in numbers:
        found = f"; on found hands {shown(numbers['weighted_f1_of_found_hands'])}, {numbers['missed']:,} not found"
    return (
        f"weighted F1 [bold]{shown(numbers['weighted_f1'])}[/] {interval(numbers['weighted_f1_interval'])}, macro F1 "
        f"{shown(numbers['macro_f1'])}, accuracy {shown(numbers['accuracy'])}, calibration error "
        f"{shown(numbers['calibration_error'])}; {numbers['samples']:,} samples of {of_whom(numbers)}{found}"
    )


def of_whom(numbers: Mapping[str, Any]) -> str:
    """Whom the samples show: "12 people", or that nobody knows of some, or of any."""
    unknown, people = numbers.get("people_unknown", 0), f"{numbers['people']:,} people"
    if not unknown:
        return people
    if unknown == numbers["samples"]:
        return "people whom nobody knows"
    return f"{people} and, {unknown:,} of them, of people whom nobody knows"


def interval(value: Mapping[str, Any]) -> str:
    """A confidence interval in words, with what was resampled."""
    return f"({value['level']:.0%} interval {shown(value['low'])} to {shown(value['high'])}, {in_words(value)})"


def gesture_table(numbers: Mapping[str, Any]) -> Table:
    """Scores per gesture."""
    table = Table("gesture", *(_right(name) for name in ("precision", "recall", "F1", "average precision", "support")))
    columns = ("precision", "recall", "f1", "average_precision")
    for gesture, values in numbers["per_gesture"].items():
        table.add_row(gesture, *(shown(values[name]) for name in columns), f"{values['support']:,}")
    return table


def source_table(scored: Scored) -> Table:
    """Scores per source, worst first."""
    names = ("samples", "accuracy", "weighted F1", "commonest error")
    table = Table("source", *(_right(name) for name in names))
    for row in scored.sources.to_dict("records"):
        scores = (shown(row["accuracy"]), shown(row["weighted_f1"]))
        table.add_row(str(row["source"]), f"{row['samples']:,}", *scores, str(row["commonest_error"]))
    return table


def pair_table(scored: Scored) -> Table:
    """The commonest errors."""
    table = Table("worst pairs", "taken for", *(_right(name) for name in ("samples", "of the gesture's")))
    for row in scored.pairs.head(PAIRS).to_dict("records"):
        table.add_row(str(row["gesture"]), str(row["prediction"]), f"{row['count']:,}", f"{row['rate']:.1%}")
    return table


def remarks(scored: Scored) -> list[str]:
    """What a reader should know to read the numbers right."""
    lines = []
    for gesture, count in scored.unknown.items():
        lines.append(f"the checkpoint does not know {gesture}: its {count:,} samples count as errors")
    if scored.without_samples:
        names = ", ".join(scored.without_samples)
        lines.append(f"no sample shows {names}; the averages are over the other gestures")
    if scored.interval.unknown:
        lines.append(unknown_people(scored.interval.unknown, len(scored.predictions)))
    elif scored.interval.unit == SAMPLE and len(scored.predictions):
        lines.append("all samples show one person, so the interval says nothing about other people")
    return lines


def shown(value: float | None) -> str:
    """A score with three digits; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def _right(name: str) -> Column:
    return Column(name, justify="right")
