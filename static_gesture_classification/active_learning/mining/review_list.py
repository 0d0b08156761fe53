"""The list of mined hands, which a reviewer edits. This module owns its files.

    list.csv             one line a hand; to be edited: `keep` (yes, no, or empty: undecided, not admitted), `gesture`,
                         `subject`; everything else is for reading
    candidates.parquet   the sample table of these hands, with what the CSV leaves out (landmarks)
    mining.json          version, pool, checkpoint and its digest

The lines of the CSV may be sorted, and deleted; `edited_tables` reads it however it is saved.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.edited_tables import Columns, read_table
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import path_inside, plain_name, read_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import read_samples, write_samples

REVIEW_LIST_VERSION = 1
LIST, CANDIDATES, ORIGIN, PREVIOUS_LIST = "list.csv", "candidates.parquet", "mining.json", "list.previous.csv"
# number: its tile on the contact sheet; line: of the plan; gesture: what it shows, or might; label: the dataset's;
# prediction, score, margin, outcome: the model's, and the admission rule's if `gesture` is right; similarity: to the
# errors (`similarity.likeness`), empty without errors
LIST_COLUMNS = (
    "line",
    "number",
    "keep",
    "gesture",
    "prediction",
    "score",
    "margin",
    "outcome",
    "similarity",
    "label",
    "subject",
    "image",
    "mistaken_for",
    "sample_id",
)
EDITED_COLUMNS = ("keep", "gesture", "subject")
KEEP_WORDS, DROP_WORDS = ("yes", "y", "true", "1", "x"), ("no", "n", "false", "0", "", "-")


@dataclass(frozen=True)
class MiningOrigin:
    """Where a list comes from: the pool, and the checkpoint that was searched with (its path and digest)."""

    pool: str
    checkpoint: str
    digest: str


@dataclass(frozen=True)
class MinedList:
    """A list in memory.

    Args:
        table: the columns `LIST_COLUMNS`, as text.
        samples: sample table with a row for each hand of `table`.
        origin: where it comes from.
    """

    table: pd.DataFrame
    samples: pd.DataFrame
    origin: MiningOrigin


def write_list(mined: MinedList, folder: Path) -> list[str]:
    """Write a list. A reviewer's edits of an earlier list in the folder are taken over; that list is kept beside it.

    Returns:
        Notes on what was taken over.

    Raises:
        OutputError: the folder cannot be written.
    """
    table, notes = mined.table, []
    earlier = _read_earlier(folder / LIST)
    if earlier is not None:
        table, taken = _carry_edits_over(table, earlier)
        if taken:
            notes.append(f"{taken:,} decisions of the earlier list are taken over")
        if not earlier.equals(table):
            write_text(folder / PREVIOUS_LIST, earlier.to_csv(index=False))
            notes.append(f"the earlier list is kept as {PREVIOUS_LIST}")
    write_samples(mined.samples, folder / CANDIDATES)
    write_json(folder / ORIGIN, {"version": REVIEW_LIST_VERSION} | asdict(mined.origin))
    write_text(folder / LIST, table.to_csv(index=False))
    return notes


def read_list(path: Path, vocabulary: Vocabulary) -> MinedList:
    """Read a reviewed list: the hands to keep, each once, with the reviewer's gestures and subjects.

    Args:
        path: list.csv, or its folder.
        vocabulary: what a hand may show.

    Raises:
        DataError: a file is missing or damaged, or a line cannot be understood; names the line.
    """
    path = path / LIST if path.is_dir() else path
    table = _read_csv(path)
    samples = _read_candidates(path.parent / CANDIDATES)
    kept = _select_kept(table, path)
    _check_gestures(kept, vocabulary, path)
    kept = _drop_repeated(kept, path)
    unknown = kept.index[~kept["sample_id"].isin(samples["sample_id"])]
    if len(unknown):
        raise DataError(f"{path}, line {unknown[0]}: no such hand in {CANDIDATES}; mine again")
    rows = pd.Index(samples["sample_id"]).get_indexer(kept["sample_id"])
    samples = samples.iloc[rows].reset_index(drop=True)
    samples = samples.assign(gesture=kept["gesture"].to_numpy(object), subject=kept["subject"].to_numpy(object))
    return MinedList(kept.reset_index(drop=True), samples, _read_origin(path.parent / ORIGIN))


def _read_candidates(path: Path) -> pd.DataFrame:
    """Read the candidates; ids must be plain file names, and pictures lie inside the pool."""
    samples = read_samples(path)
    for column, check in (("sample_id", plain_name), ("image", path_inside)):
        for value in samples[column]:
            try:
                check(value)
            except ValueError as error:
                raise DataError(f"{path}: {column} is {value!r}, which {error}; mine again") from error
    return samples


def _read_csv(path: Path) -> pd.DataFrame:
    """A list's rows as text, stripped; the index is the line in the file. See `read_list`."""
    if not path.is_file():
        raise DataError(f"no list of mined hands at {path}; make one with gestures mine mining.pool=...")
    rows = read_table(path, Columns(LIST_COLUMNS)).rows
    lines = [row.line for row in rows]
    return pd.DataFrame([row.cells for row in rows], index=lines, columns=list(LIST_COLUMNS), dtype=object)


def _select_kept(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    decisions = table["keep"].str.lower()
    odd = table.index[~decisions.isin([*KEEP_WORDS, *DROP_WORDS])]
    if len(odd):
        value = table["keep"][odd[0]]
        raise DataError(f"{path}, line {odd[0]}: keep is {value!r}; write yes or no, or leave it empty")
    return table[decisions.isin(KEEP_WORDS)]


def _check_gestures(kept: pd.DataFrame, vocabulary: Vocabulary, path: Path) -> None:
    for row, gesture in kept["gesture"].items():
        if gesture not in vocabulary:
            raise DataError(
                f"{path}, line {row}: {gesture!r} is not in the vocabulary ({', '.join(vocabulary)}); "
                "say what the hand shows, or do not keep it"
            )


def _drop_repeated(kept: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Without repetitions of a hand. Raises `DataError` where one is kept with two gestures."""
    for sample, gestures in kept.groupby("sample_id")["gesture"]:
        if gestures.nunique() > 1:
            raise DataError(
                f"{path}, line {gestures.index[1]}: hand {sample} is kept as {gestures.iloc[0]} and as "
                f"{gestures.iloc[1]}; keep it once"
            )
    return kept.drop_duplicates("sample_id")


def _read_origin(path: Path) -> MiningOrigin:
    return read_json(path, MiningOrigin, "it belongs to the list: mine again", ("version", REVIEW_LIST_VERSION))


def _read_earlier(path: Path) -> pd.DataFrame | None:
    """The list that is there already; None where it is absent or unreadable."""
    try:
        return _read_csv(path).reset_index(drop=True)
    except DataError:
        return None


def _carry_edits_over(table: pd.DataFrame, earlier: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The new list with the earlier one's decisions on the same hands of the same lines, and how many differ."""
    keys = pd.MultiIndex.from_frame(earlier[["line", "sample_id"]])
    rows = keys.drop_duplicates().get_indexer(pd.MultiIndex.from_frame(table[["line", "sample_id"]]))
    old = earlier[~keys.duplicated()].reset_index(drop=True)
    result = table.copy()
    changed = pd.Series(False, index=table.index)
    for name in EDITED_COLUMNS:
        values = [table[name].iloc[at] if row < 0 else old[name].iloc[row] for at, row in enumerate(rows)]
        changed |= result[name].to_numpy(object) != pd.Series(values, index=table.index, dtype=object)
        result[name] = values
    return result, int(changed.sum())
