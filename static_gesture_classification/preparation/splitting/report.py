"""The report of a split: its counts, the proof that no group is in two splits, and a table in the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from static_gesture_classification.preparation.splitting.near_duplicates import Links
from static_gesture_classification.samples import SPLITS, group_of, subject_of
from static_gesture_classification.terminal import Table, note, say, show_table, warn

PAIRS = "near_duplicates.csv"
UNUSED = -1
SPLIT_NAMES = np.array([*SPLITS, ""], object)  # by number; UNUSED is the last


@dataclass
class SplitReport:
    """The counts of a split, and the proof that it has no leaks.

    Attributes:
        counts: {gesture: {split: samples}}; `sources` has the same for each source.
        people, sessions: number of subjects and of sessions in each split.
        links: near-duplicate pairs of different groups, with sample ids.
        unknown: source -> samples without a subject, which the proof does not cover.
        proof: subjects, sessions and near-duplicates in two splits; all zero.
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
        """The content of report.json: all fields, but only the number of pairs."""
        simple = {key: value for key, value in vars(self).items() if key != "links"}
        return simple | {"near_duplicate_pairs": len(self.links)}


def prove(samples: pd.DataFrame, links: Links, group: str) -> dict[str, int]:
    """Count subjects, sessions and near-duplicate pairs that are in two splits of the result.

    Unknown subjects cannot be counted: see `SplitReport.unknown`.

    Raises:
        AssertionError: there are any; the stage never writes such a split.
    """
    splits = split_numbers(samples)
    used = splits != UNUSED
    proof = {}
    keys = {"people": "subject", "sessions": "session"} if group == "subject" else {"sessions": "session"}
    has_subject = (subject_of(samples) != "").to_numpy()
    for what, key in keys.items():
        known = used & has_subject if key == "subject" else used
        frame = pd.DataFrame({"key": identity(samples, key)[known], "split": splits[known]})
        proof[what] = int((frame.groupby("key")["split"].nunique() > 1).sum())
    crossing = (splits[links.first] != splits[links.second]) & used[links.first] & used[links.second]
    proof["near-duplicates"] = int(crossing.sum())
    if any(proof.values()):
        raise AssertionError(f"the split has leaks: {proof}")
    return proof


def print_split_report(report: SplitReport) -> None:
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
    show_table(table)
    say(f"In two splits: {', '.join(f'{number} {what}' for what, number in report.proof.items())}.")
    for source, unknown in report.unknown.items():
        note(
            f"who is in {unknown:,} samples of {source} is not known: one person may be in two splits "
            "(sessions and near-duplicates are not)"
        )
    say(f"{len(report.links):,} near-duplicate pairs between people were found; see {PAIRS}.")
    for title, reasons in (("moved", report.moved), ("left out", report.left_out)):
        for reason, samples in reasons.items():
            note(f"{samples:,} samples {title}: {reason}")
    for warning in report.warnings:
        warn(warning)


def split_numbers(samples: pd.DataFrame) -> np.ndarray:
    """The split of each row as its number in `SPLITS`, `UNUSED` where it has none: int (n,)."""
    return samples["split"].map({name: number for number, name in enumerate(SPLITS)}).fillna(UNUSED).to_numpy(int)


def identity(samples: pd.DataFrame, key: str) -> np.ndarray:
    """The number of each row's subject (`key` "subject", see `group_of`) or session ("session"): int (n,).

    An unknown subject is replaced by the session, an unknown session by the image.
    """
    if key == "subject":
        return codes(group_of(samples))
    return codes(samples["source"], samples["session"].where(samples["session"] != "", samples["image"]))


def subjects_per_split(samples: pd.DataFrame, splits: np.ndarray) -> dict[str, int]:
    """Number of known subjects in each split and in "unused"."""
    known = (subject_of(samples) != "").to_numpy()
    return count_distinct(identity(samples[known], "subject"), splits[known])


def unknown_by_source(samples: pd.DataFrame) -> dict[str, int]:
    """Number of samples without a known subject, by source, without zeros."""
    counts = samples.loc[subject_of(samples) == "", "source"].value_counts().sort_index()
    return {str(source): int(count) for source, count in counts.items()}


def codes(*columns: pd.Series) -> np.ndarray:
    """A number for each distinct combination of values: int (n,)."""
    combined = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        numbers, values = pd.factorize(column)
        combined = pd.factorize(combined * (len(values) + 1) + numbers)[0].astype(np.int64)
    return combined


def counts_by(values: pd.Categorical, splits: np.ndarray) -> dict[str, dict[str, int]]:
    """Number of rows per category and split, with "unused"."""
    table = np.zeros((len(values.categories), 4), np.int64)
    np.add.at(table, (values.codes, splits), 1)  # UNUSED, which is -1, is the last column
    return {
        str(name): dict(zip([*SPLITS, "unused"], row.tolist(), strict=True))
        for name, row in zip(values.categories, table, strict=True)
    }


def count_distinct(numbers: np.ndarray, splits: np.ndarray) -> dict[str, int]:
    """Number of different `numbers` in each split and in "unused"."""
    return {name: len(np.unique(numbers[splits == split])) for split, name in [*enumerate(SPLITS), (UNUSED, "unused")]}


def list_pairs(samples: pd.DataFrame, links: Links, splits: np.ndarray) -> pd.DataFrame:
    """Near-duplicate pairs as a table: sample_id, source, image, subject, split of both, and their similarity."""
    columns: dict[str, np.ndarray] = {}
    for end, rows in (("first", links.first), ("second", links.second)):
        for key in ("sample_id", "source", "image", "subject"):
            columns[f"{end}_{key}"] = samples[key].to_numpy(object)[rows]
        columns[f"{end}_split"] = SPLIT_NAMES[splits[rows]]
    return pd.DataFrame(columns | {"similarity": links.similarity})
