"""A comparison of two classifiers to read: tables in the terminal, files, and a figure."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.text import Text
from typing_extensions import TypedDict

from static_gesture_classification.active_learning.comparison.before_after import (
    COMPARISON_VERSION,
    DECIDES,
    Comparison,
    ComparisonScores,
)
from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.evaluation.figures import BLUE, DPI, GREEN, INK, ORANGE, PALE, SKY, write_figure
from static_gesture_classification.evaluation.metrics import Interval
from static_gesture_classification.evaluation.paired_comparison import Change, unit_noun
from static_gesture_classification.evaluation.resampling_units import PICTURE, SESSION, describe_units
from static_gesture_classification.file_data import read_json
from static_gesture_classification.terminal import (
    Table,
    note,
    number_columns,
    say,
    show_heading,
    show_table,
    text_columns,
)

JSON, FIGURE = "comparison.json", "comparison.png"
CHANGED = "changed.csv"
ANYTHING = "anything else"


class WrittenContender(TypedDict):
    """One of the two in comparison.json."""

    name: str
    sha256: str | None


class WrittenVerdict(TypedDict):
    """The verdict in comparison.json and retrain.json."""

    promote: bool
    reason: str
    undecided: bool


class WrittenInterval(TypedDict):
    """The interval of a difference in comparison.json."""

    low: float
    high: float
    level: float
    unit: str
    units: int
    unknown: int


class WrittenPair(TypedDict):
    """A pair in comparison.json; `mistaken_for` is None for anything else."""

    gesture: str
    mistaken_for: str | None
    support: int
    errors_before: int
    errors_after: int
    fixed: int
    made: int


class WrittenChange(TypedDict):
    """The scores of a split in comparison.json."""

    weighted_f1_before: float
    weighted_f1_after: float
    difference: float
    interval: WrittenInterval
    samples: int
    people: int
    pairs: list[WrittenPair]


class WrittenComparison(TypedDict):
    """What comparison.json says, as far as it is read again."""

    before: WrittenContender
    after: WrittenContender
    verdict: WrittenVerdict
    planned: bool
    notes: list[str]
    splits: dict[str, WrittenChange]


def read_comparison(output: Path) -> WrittenComparison | None:
    """The comparison that was written last; None before the first.

    Raises:
        DataError: the file is damaged.
    """
    path = output / JSON
    if not path.is_file():
        return None
    return read_json(path, WrittenComparison, "compare again", ("version", COMPARISON_VERSION))


def write_comparison(result: Comparison, output: Path) -> None:
    """Write comparison.json, the tables, the samples that changed and the figure."""
    scores = result.scores
    tables = {"gestures": scores.change.gestures.reset_index(), "pairs": scores.pairs, "sources": scores.sources}
    for name, table in tables.items():
        table = table.copy()
        table.insert(0, "split", DECIDES)
        write_text(output / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(output / CHANGED, list_changes(scores).to_csv(index=False, float_format="%.6g"))
    write_figure(figure(result), output / FIGURE)
    write_json(output / JSON, result.as_json())


def list_changes(scores: ComparisonScores) -> pd.DataFrame:
    """The samples whose prediction changed, newly wrong ones first; column `change`: lost, gained, other."""
    rows = scores.samples[scores.samples["before"] != scores.samples["after"]]
    lost, gained = rows["before"] == rows["gesture"], rows["after"] == rows["gesture"]
    rows = rows.assign(change=np.select([lost, gained], ["lost", "gained"], "other"))
    order = rows["change"].map({"lost": 0, "gained": 1, "other": 2})
    return rows.iloc[np.lexsort((rows["gesture"], order))]


def show_comparison(result: Comparison) -> None:
    """Print the comparison, the verdict last."""
    show_heading("Before and after")
    for role, contender in (("before", result.before), ("after", result.after)):
        say(f"{role:6}  {contender.name}")
    scores = result.scores
    say(f"\n{DECIDES}: {describe_change(scores.change)}")
    show_table(gesture_change_table(scores.change))
    if len(scores.pairs):
        show_table(pair_change_table(scores, result.by_plan))
    if len(scores.sources) > 1:
        show_table(source_change_table(scores))
    for text in list_comparison_remarks(result):
        note(text)
    say(f"\nverdict: {advice(result)}: {result.verdict.reason}")


def advice(result: Comparison) -> str:
    """The verdict in up to three words."""
    if result.verdict.undecided:
        return "decide yourself"
    return "promote" if result.verdict.promote else "do not promote"


def describe_change(changed: Change) -> str:
    """One line: weighted F1 of both, and the difference with its interval."""
    return (
        f"weighted F1 {changed.before:.4f} -> {changed.after:.4f}, {changed.difference:+.4f} "
        f"({describe_change_interval(changed.interval)}); {changed.samples:,} samples of {changed.subjects:,} "
        f"{units(changed.interval)}"
    )


def units(value: Interval) -> str:
    """The plural of an interval's units."""
    return {SESSION: "sessions", PICTURE: "people, recordings and pictures"}.get(value.unit, "people")


def describe_change_interval(value: Interval) -> str:
    """The interval of a difference, with what was resampled."""
    return f"{value.level:.0%} interval {value.low:+.4f} to {value.high:+.4f}, {describe_units(asdict(value))}"


def heading(value: Interval) -> str:
    """The heading of a column of such intervals."""
    return "95% interval (too narrow)" if value.unknown else "95% interval"


def gesture_change_table(changed: Change) -> Table:
    """F1 of each gesture before and after, worst change first; "few": too few subjects to tell a loss from chance."""
    noun = unit_noun(changed.interval.unit)
    alone = noun == "samples"
    samples = "samples" if alone else f"samples\nof {noun}"
    columns = number_columns(samples, "before", "after", "change", heading(changed.interval), "lost,\ngained")
    shown = Table(*text_columns("gesture"), *columns, *text_columns(""))
    rows = changed.gestures[changed.gestures["support"] > 0].sort_values("difference", kind="stable")
    for gesture, row in rows.iterrows():
        count = f"{row['support']:,}" + ("" if alone else f" of {row['people']:,}")
        ends = "-" if np.isnan(row["low"]) else f"{row['low']:+.2f} to {row['high']:+.2f}"
        scores = (f"{row['before']:.3f}", f"{row['after']:.3f}", f"{row['difference']:+.3f}", ends)
        word = Text("worse", style="bold red") if row["harmed"] else "few" if row["few"] else ""
        shown.add_row(str(gesture), count, *scores, f"{row['lost']:,}, {row['gained']:,}", word)
    return shown


def pair_change_table(scores: ComparisonScores, by_plan: bool) -> Table:
    """The pairs before and after."""
    title = "errors of the planned pairs" if by_plan else "commonest errors of before (there is no plan)"
    columns = (*text_columns("gesture", "taken for"), *number_columns("samples", "before", "after", "fixed", "new"))
    shown = Table(*columns, title=title)
    for row in scores.pairs.to_dict("records"):
        errors = [f"{row[f'errors_{when}']:,} ({row[f'rate_{when}']:.1%})" for when in ("before", "after")]
        if not row["support"]:
            errors = ["-", "-"]
        shown.add_row(
            str(row["gesture"]),
            _other(row["mistaken_for"]),
            f"{row['support']:,}",
            *errors,
            f"{row['fixed']:,}",
            f"{row['made']:,}",
        )
    return shown


def source_change_table(scores: ComparisonScores) -> Table:
    """Weighted F1 of each source before and after."""
    columns = number_columns("samples", "before", "after", "change", heading(scores.change.interval))
    shown = Table(*text_columns("source"), *columns)
    for row in scores.sources.to_dict("records"):
        numbers = (f"{row['before']:.3f}", f"{row['after']:.3f}", f"{row['difference']:+.3f}")
        shown.add_row(str(row["source"]), f"{row['samples']:,}", *numbers, f"{row['low']:+.3f} to {row['high']:+.3f}")
    return shown


def list_comparison_remarks(result: Comparison) -> list[str]:
    """What was left out, and the comparison's own notes."""
    lines = []
    if result.left_out:
        reasons = ", ".join(f"{count:,} samples {reason}" for reason, count in result.left_out.items())
        people = f" ({result.known_subjects:,} people)" if result.known_subjects else ""
        lines.append(f"left out: {reasons}{people}")
    return lines + result.notes


def figure(result: Comparison) -> Figure:
    """Val: F1 of each gesture before and after with the interval of the difference; errors of each pair beside it."""
    scores = result.scores
    gestures = scores.change.gestures[scores.change.gestures["support"] > 0].sort_values("difference", kind="stable")
    height = 2.0 + 0.36 * max(len(gestures), len(scores.pairs))
    drawn = Figure((12.5, height), dpi=DPI, layout="constrained", facecolor="white")
    drawn.suptitle(_title(result), fontsize=11, color=INK, x=0.01, ha="left")
    left, right = drawn.subplots(1, 2, width_ratios=(1.2, 1))
    _draw_gestures(left, gestures, heading(scores.change.interval))
    _draw_pairs(right, scores.pairs, result.by_plan)
    return drawn


def _title(result: Comparison) -> str:
    changed = result.scores.change
    scores = (
        f"{changed.before:.4f} -> {changed.after:.4f} ({changed.interval.low:+.4f} to {changed.interval.high:+.4f}"
        f"{', too narrow' if changed.interval.unknown else ''})"
    )
    return f"{advice(result)}: weighted F1 on {DECIDES} {scores}"


def _draw_gestures(axes: Axes, gestures: pd.DataFrame, interval: str) -> None:
    positions = np.arange(len(gestures))[::-1]
    for position, (_, row) in zip(positions, gestures.iterrows(), strict=True):
        colour = ORANGE if row["difference"] < 0 else BLUE
        ends = np.clip([row["before"] + row["low"], row["before"] + row["high"]], 0, 1)
        axes.plot(ends, [position, position], color=PALE, lw=7, solid_capstyle="butt", zorder=1)
        axes.plot([row["before"], row["after"]], [position, position], color=colour, lw=1.6, zorder=2)
        axes.plot(row["before"], position, "o", color="white", mec=INK, ms=5.5, zorder=3)
        axes.plot(row["after"], position, "o", color=colour, ms=7, zorder=4)
        text = f"{row['difference']:+.3f}" + ("  worse" if row["harmed"] else "")
        axes.annotate(text, (1.01, position), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=INK)
    axes.set_yticks(positions, [f"{name}  {row['support']:,}" for name, row in gestures.iterrows()], fontsize=8)
    axes.set_ylim(-0.7, len(gestures) - 0.3)
    axes.set_title("F1 of each gesture", fontsize=9, color=INK, loc="left")
    axes.set_xlabel(f"ring before, dot after; grey: {interval} of the change", fontsize=9, color=INK)
    _plain(axes)


def _draw_pairs(axes: Axes, pairs: pd.DataFrame, by_plan: bool) -> None:
    title = "errors of the planned pairs" if by_plan else "commonest errors of before"
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.set_xlabel("% of the gesture's samples: pale before, dark after", fontsize=9, color=INK)
    positions = np.arange(len(pairs))[::-1]
    for position, row in zip(positions, pairs.to_dict("records"), strict=True):
        rates = [np.nan_to_num(100 * row[f"rate_{when}"]) for when in ("before", "after")]
        axes.barh(position + 0.19, rates[0], 0.36, color=SKY)
        axes.barh(position - 0.19, rates[1], 0.36, color=GREEN if rates[1] <= rates[0] else ORANGE)
        text = f"{row['errors_before']} -> {row['errors_after']} of {row['support']:,}"
        axes.annotate(
            text, (max(rates), position), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK
        )
    names = [f"{row['gesture']} for {_other(row['mistaken_for'])}" for row in pairs.to_dict("records")]
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_ylim(-0.7, max(len(pairs), 1) - 0.3)
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8, length=0)


def _other(mistaken_for: Any) -> str:
    return ANYTHING if pd.isna(mistaken_for) else str(mistaken_for)
