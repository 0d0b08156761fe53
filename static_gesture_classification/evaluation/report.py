"""An evaluation's report: files (numbers, tables, figures, predictions), and tables in the terminal.

metrics.json                          weighted_f1 and per_gesture of the main split, then every split in full
predictions/<split>.parquet, .embeddings.npy
tables/<split>_<table>.csv            the data of `dvc plots`, and further tables
figures/<split>/<figure>.png, figures/<split>/errors/<gesture>_taken_for_<prediction>.png, <gesture>_no_hand_found.png
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.evaluation import figures, metrics
from static_gesture_classification.evaluation.evaluation_set import ASSIGNED, OFFICIAL
from static_gesture_classification.evaluation.predictions import embeddings_path, write_predictions
from static_gesture_classification.evaluation.resampling_units import SAMPLE, describe_units, unknown_subjects_note
from static_gesture_classification.evaluation.sample_pictures import error_grids
from static_gesture_classification.evaluation.scored_set import ScoredSet
from static_gesture_classification.terminal import Table, note, number_columns, say, show_table
from static_gesture_classification.training.scores import weighted_f1

METRICS, PREDICTIONS, TABLES, FIGURES = "metrics.json", "predictions", "tables", "figures"
REPORTED_PAIRS = 5  # of the commonest errors that are shown
SPLIT_BY = {OFFICIAL: "as published", ASSIGNED: "assigned by the rules and seed of the split stage"}


# ---- files -----------------------------------------------------------------------------------------------------------


def main_split(scored: Sequence[ScoredSet]) -> ScoredSet:
    """The set whose scores stand at the top of metrics.json: test where it was evaluated, else the first."""
    return next((each for each in scored if each.name == "test"), scored[0])


def write_report(scored: Sequence[ScoredSet], output: Path) -> None:
    """Write everything about the sets; metrics.json last.

    Raises:
        OutputError: read-only folder, full disk; existing files stay whole.
    """
    for each in scored:
        write_predictions(each.predictions, output / PREDICTIONS / f"{each.name}.parquet")
        write_tables(each, output / TABLES)
        write_figures(each, output / FIGURES / each.name)
    write_json(output / METRICS, all_numbers(scored))


def all_numbers(scored: Sequence[ScoredSet]) -> dict[str, Any]:
    """The content of metrics.json."""
    splits = {each.name: each.numbers() for each in scored}
    top = splits[main_split(scored).name]
    return {
        "weighted_f1": top["weighted_f1"],
        "per_gesture": {
            gesture: {name: values[name] for name in ("precision", "recall", "f1", "support")}
            for gesture, values in top["per_gesture"].items()
        },
        "split": main_split(scored).name,
        **splits,
    }


def write_tables(scored: ScoredSet, folder: Path) -> None:
    """Write a set's tables as CSV files."""
    labels = np.asarray(scored.outcomes.labels, dtype=object)
    outcomes = {"gesture": labels[scored.outcomes.truths], "prediction": labels[scored.outcomes.predictions]}
    counts = pd.DataFrame(scored.counts, index=pd.Index(labels, name="gesture"), columns=labels)
    tables = {
        "outcomes": pd.DataFrame(outcomes),
        "confusion": counts.reset_index(),
        "per_gesture": scored.scores.reset_index(),
        "precision_recall": scored.curves[0],
        "calibration": scored.bins[scored.bins["samples"] > 0],
        "per_source": scored.sources,
        "per_subject": scored.subjects,
        "error_pairs": scored.pairs,
    }
    for name, table in tables.items():
        write_text(folder / f"{scored.name}_{name}.csv", table.to_csv(index=False, float_format="%.6g"))


def write_figures(scored: ScoredSet, folder: Path) -> None:
    """Draw a set's figures and its grids of errors; grids of pairs that no longer occur are removed."""
    name = f"{scored.name}: weighted F1 {weighted_f1(scored.counts):.3f}"
    error = metrics.expected_calibration_error(scored.bins)
    drawn: dict[str, Any] = {
        "confusion_matrix": figures.confusion_matrix(scored.counts, scored.outcomes.labels, name),
        "per_gesture": figures.gesture_bars(scored.scores, name),
        "precision_recall": figures.precision_recall(*scored.curves, name),
        "reliability": figures.reliability(scored.bins, error, scored.name),
    }
    for title, figure in drawn.items():
        figures.write_figure(figure, folder / f"{title}.png")
    written = set()
    for title, grid in error_grids(scored.predictions, scored.data.pictures):
        figures.write_figure(grid, folder / "errors" / f"{title}.png")
        written.add(f"{title}.png")
    for path in (folder / "errors").glob("*.png"):
        if path.name not in written:
            path.unlink()


def remove_other_splits(scored: Sequence[ScoredSet], output: Path, splits: Sequence[str]) -> None:
    """Remove an earlier evaluation's files of splits that are empty now."""
    for split in set(splits) - {each.name for each in scored}:
        table = output / PREDICTIONS / f"{split}.parquet"
        gone = [table, embeddings_path(table), *(output / TABLES).glob(f"{split}_*.csv")]
        gone += (output / FIGURES / split).rglob("*.png")
        for path in gone:
            path.unlink(missing_ok=True)


# ---- terminal --------------------------------------------------------------------------------------------------------


def show_scores(scored: ScoredSet) -> None:
    """Print a set's scores."""
    numbers = scored.numbers()
    say(f"\n{scored.name}: {describe_scores(numbers)}")
    for source, split_by in scored.data.split_by.items():
        if split_by in SPLIT_BY:
            say(f"the split of {source} is {SPLIT_BY[split_by]}")
    show_table(gesture_table(numbers))
    if len(scored.sources) > 1:
        show_table(source_table(scored))
    if len(scored.pairs):
        show_table(pair_table(scored))
    else:
        say("no errors")
    for line in list_remarks(scored):
        note(line)


def describe_scores(numbers: Mapping[str, Any]) -> str:
    """One line: weighted F1 with its interval, and the other scores."""
    found = ""
    if "missed" in numbers:
        found = f"; on found hands {digits(numbers['weighted_f1_of_found_hands'])}, {numbers['missed']:,} not found"
    interval = describe_score_interval(numbers["weighted_f1_interval"])
    return (
        f"weighted F1 {digits(numbers['weighted_f1'])} {interval}, macro F1 {digits(numbers['macro_f1'])}, accuracy "
        f"{digits(numbers['accuracy'])}, calibration error {digits(numbers['calibration_error'])}; "
        f"{numbers['samples']:,} samples of {of_whom(numbers)}{found}"
    )


def of_whom(numbers: Mapping[str, Any]) -> str:
    """How many subjects the samples show: "12 people", "unknown people"."""
    unknown, known = numbers.get("people_unknown", 0), f"{numbers['people']:,} people"
    if not unknown:
        return known
    if unknown == numbers["samples"]:
        return "unknown people"
    return f"{known} and {unknown:,} samples of unknown people"


def describe_score_interval(value: Mapping[str, Any]) -> str:
    """A confidence interval in words, with what was resampled."""
    return f"({value['level']:.0%} interval {digits(value['low'])} to {digits(value['high'])}, {describe_units(value)})"


def gesture_table(numbers: Mapping[str, Any]) -> Table:
    """Scores per gesture."""
    table = Table("gesture", *number_columns("precision", "recall", "F1", "average precision", "support"))
    columns = ("precision", "recall", "f1", "average_precision")
    for gesture, values in numbers["per_gesture"].items():
        table.add_row(gesture, *(digits(values[name]) for name in columns), f"{values['support']:,}")
    return table


def source_table(scored: ScoredSet) -> Table:
    """Scores per source, worst first."""
    names = ("samples", "accuracy", "weighted F1", "commonest error")
    table = Table("source", *number_columns(*names))
    for row in scored.sources.to_dict("records"):
        scores = (digits(row["accuracy"]), digits(row["weighted_f1"]))
        table.add_row(str(row["source"]), f"{row['samples']:,}", *scores, str(row["commonest_error"]))
    return table


def pair_table(scored: ScoredSet) -> Table:
    """The commonest errors."""
    table = Table("worst pairs", "taken for", *number_columns("samples", "of the gesture's"))
    for row in scored.pairs.head(REPORTED_PAIRS).to_dict("records"):
        table.add_row(str(row["gesture"]), str(row["prediction"]), f"{row['count']:,}", f"{row['rate']:.1%}")
    return table


def list_remarks(scored: ScoredSet) -> list[str]:
    """Notes on the numbers."""
    lines = []
    for gesture, count in scored.unknown.items():
        lines.append(f"the checkpoint does not know {gesture}: its {count:,} samples count as errors")
    if scored.without_samples:
        names = ", ".join(scored.without_samples)
        lines.append(f"no sample shows {names}; the averages are over the other gestures")
    if scored.interval.unknown:
        lines.append(unknown_subjects_note(scored.interval.unknown, len(scored.predictions)))
    elif scored.interval.unit == SAMPLE and len(scored.predictions):
        lines.append("all samples show one person, so the interval says nothing about other people")
    return lines


def digits(value: float | None) -> str:
    """A score with three digits; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"
