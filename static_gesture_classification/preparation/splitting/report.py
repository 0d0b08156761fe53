"""What a split is, the proof that it keeps apart what must be, and both as a table in the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from rich.markup import escape

from static_gesture_classification.preparation.splitting.near_duplicates import Links
from static_gesture_classification.samples import SPLITS, held_together, person_of
from static_gesture_classification.terminal import Table, console

PAIRS = "near_duplicates.csv"
UNUSED = -1


@dataclass
class SplitReport:
    """What the split is, and why it is honest.

    Attributes:
        counts: samples per split: {gesture: {split: n}}; and per source likewise in `sources`.
        people, sessions: how many there are in each split.
        links: near-duplicate pairs across people, with sample ids.
        unknown: source -> samples of which nobody knows who is in them; of their people the proof says nothing.
        proof: people, sessions, near-duplicates on two sides; all zero.
        moved, left_out: reason -> samples.
        warnings: sentences.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    groups: int = 0
    links: pd.DataFrame = field(default_factory=pd.DataFrame)
    unknown: dict[str, int] = field(default_factory=dict)
    proof: dict[str, int] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it but the pairs, of which there is the number."""
        simple = {key: value for key, value in vars(self).items() if key != "links"}
        return simple | {"near_duplicate_pairs": len(self.links)}


def prove(samples: pd.DataFrame, links: Links, group: str) -> dict[str, int]:
    """How many people, sessions and near-duplicate pairs are on two sides of the split, counted anew from the result.

    People whom nobody knows cannot be counted: see `SplitReport.unknown`.

    Raises:
        AssertionError: any but none; the stage never writes such a split.
    """
    side = samples["split"].map({name: split for split, name in enumerate(SPLITS)}).fillna(UNUSED).to_numpy(int)
    used = side != UNUSED
    proof = {}
    keys = {"people": "subject", "sessions": "session"} if group == "subject" else {"sessions": "session"}
    people = (person_of(samples) != "").to_numpy()
    for what, key in keys.items():
        told = used & people if key == "subject" else used
        frame = pd.DataFrame({"key": identity(samples, key)[told], "side": side[told]})
        proof[what] = int((frame.groupby("key")["side"].nunique() > 1).sum())
    crossing = (side[links.first] != side[links.second]) & used[links.first] & used[links.second]
    proof["near-duplicates"] = int(crossing.sum())
    if any(proof.values()):
        raise AssertionError(f"the split has leaks: {proof}")
    return proof


def print_report(report: SplitReport) -> None:
    """Print the split and its proof as a table."""
    table = Table(title="samples per gesture")
    columns = [*SPLITS, "unused"]
    table.add_column("gesture")
    for name in columns:
        table.add_column(name, justify="right")
    for gesture, count in report.counts.items():
        table.add_row(gesture, *(f"{count[name]:,}" for name in columns))
    table.add_section()
    table.add_row("all", *(f"{sum(count[name] for count in report.counts.values()):,}" for name in columns))
    table.add_row("people", *(f"{report.people[name]:,}" for name in columns))
    table.add_row("sessions", *(f"{report.sessions[name]:,}" for name in columns))
    console.print(table)
    crossing = ", ".join(f"{number} {what}" for what, number in report.proof.items())
    console.print(f"On two sides: {crossing}.", soft_wrap=True, markup=False)
    for source, unknown in report.unknown.items():
        console.print(
            f"[yellow]note:[/] of people this says nothing about {unknown:,} samples of {escape(source)}: who is in "
            "them is not known, so one person may be on two sides (sessions and near-duplicates are not)",
            soft_wrap=True,
        )
    console.print(f"{len(report.links):,} near-duplicate pairs between people were found; see {PAIRS}.", soft_wrap=True)
    for title, reasons in (("moved", report.moved), ("left out", report.left_out)):
        for reason, samples in reasons.items():
            console.print(f"[yellow]{samples:,} samples {escape(title)}:[/] {escape(reason)}", soft_wrap=True)
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)


def identity(samples: pd.DataFrame, key: str) -> np.ndarray:
    """A number for each person (`key` "subject", see `held_together`) or session of a source ("session"): int (n,).

    Where one is not known, the next narrower thing that is takes its place: the session, then the image.
    """
    if key == "subject":
        return codes(held_together(samples))
    return codes(samples["source"], samples["session"].where(samples["session"] != "", samples["image"]))


def people_in(samples: pd.DataFrame, side: np.ndarray) -> dict[str, int]:
    """How many people who are known occur in each split, "unused" among them."""
    known = (person_of(samples) != "").to_numpy()
    return distinct(identity(samples[known], "subject"), side[known])


def unknown_by_source(samples: pd.DataFrame) -> dict[str, int]:
    """Samples of which nobody knows who is in them, by source; sources without any are left out."""
    counts = samples.loc[person_of(samples) == "", "source"].value_counts().sort_index()
    return {str(source): int(count) for source, count in counts.items()}


def codes(*columns: pd.Series) -> np.ndarray:
    """A number for each distinct combination of values: int (n,)."""
    combined = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        numbers, values = pd.factorize(column)
        combined = pd.factorize(combined * (len(values) + 1) + numbers)[0].astype(np.int64)
    return combined


def counts_by(values: pd.Categorical, side: np.ndarray) -> dict[str, dict[str, int]]:
    """Rows per category and split, "unused" among them."""
    table = np.zeros((len(values.categories), 4), np.int64)
    np.add.at(table, (values.codes, side), 1)  # side -1, unused, is the last column
    return {
        str(name): dict(zip([*SPLITS, "unused"], row.tolist(), strict=True))
        for name, row in zip(values.categories, table, strict=True)
    }


def distinct(numbers: np.ndarray, side: np.ndarray) -> dict[str, int]:
    """How many different `numbers` occur in each split, "unused" among them."""
    return {name: len(np.unique(numbers[side == split])) for split, name in [*enumerate(SPLITS), (UNUSED, "unused")]}


def linked_pairs(samples: pd.DataFrame, links: Links, side: np.ndarray) -> pd.DataFrame:
    """Near-duplicate pairs as a table: sample_id, source, image, subject, split of both, and their similarity."""
    columns: dict[str, np.ndarray] = {}
    names = np.array([*SPLITS, ""], object)
    for end, rows in (("first", links.first), ("second", links.second)):
        for key in ("sample_id", "source", "image", "subject"):
            columns[f"{end}_{key}"] = samples[key].to_numpy(object)[rows]
        columns[f"{end}_split"] = names[side[rows]]
    return pd.DataFrame(columns | {"similarity": links.similarity})
