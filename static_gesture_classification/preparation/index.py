"""Index: all sources to one sample table, with a report of what is in it and what was left out.

    python -m static_gesture_classification.preparation.index [overrides]

writes, in `paths.index`: `samples.parquet` (the table), `report.json` (counts), `counts.csv` (rows per source, gesture,
official split, subject) and `rejected.csv` (every entry that could not become a sample, and why). Rows are in the order
of the sources, within one in the order of its files, so that the same data give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from rich.table import Table

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.progress import console, progress_bar
from static_gesture_classification.samples import (
    BOX,
    SPLITS,
    Rejected,
    rejected_table,
    sample_writer,
    to_frame,
    validate,
)
from static_gesture_classification.sources.source import Batch, Source, sources_from_config

VERSION = 1
KEYS = ["source", "gesture", "split", "subject"]
SHOWN = 10  # rejected entries in a message
REPEATED = "the same image is"  # how the reason begins of what is there twice


@dataclass
class SourceReport:
    """What became of one source's hands."""

    name: str
    root: str
    rows: int = 0
    rejected: int = 0
    repeated: int = 0
    clipped: int = 0
    ignored: int = 0
    left_out: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class IndexReport:
    """What became of each source's hands; `counts` has columns source, gesture, split, subject, rows."""

    sources: list[SourceReport]
    counts: pd.DataFrame
    rejected: list[Rejected]
    vocabulary: Vocabulary

    @property
    def rows(self) -> int:
        """Samples in the table."""
        return sum(source.rows for source in self.sources)

    @property
    def bad(self) -> int:
        """Rejected entries that count against the share: all but images that another source has too."""
        return sum(source.rejected for source in self.sources)

    @property
    def gestures_without_samples(self) -> list[str]:
        """Gestures of the vocabulary that no sample shows."""
        return [name for name in self.vocabulary if name not in set(self.counts["gesture"])]

    def as_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "version": VERSION,
            "rows": self.rows,
            "rejected": self.bad,
            "repeated": sum(source.repeated for source in self.sources),
            "gestures_without_samples": self.gestures_without_samples,
            "sources": {source.name: self._source_json(source) for source in self.sources},
        }

    def _source_json(self, source: SourceReport) -> dict[str, Any]:
        own = self.counts[self.counts["source"] == source.name]
        gestures = own.groupby("gesture")["rows"].sum()
        splits = own.groupby("split")["rows"].sum()
        return {
            "root": source.root,
            "left_out": source.left_out,
            "rows": source.rows,
            "rejected": source.rejected,
            "repeated": source.repeated,
            "clipped": source.clipped,
            "ignored": source.ignored,
            "subjects": int(own["subject"].nunique()),
            "gestures": {name: int(gestures[name]) for name in self.vocabulary if name in gestures.index},
            "official_splits": {name: int(splits[name]) for name in SPLITS if name in splits.index},
            "notes": source.notes,
        }


class RepeatedImages:
    """Finds hands that were indexed before: the same box of the same image, or an image that an earlier source has.

    An image is known by its folder, resolved once, and its name: a link to a folder does not hide it, and no image
    is opened or looked up.
    """

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str], str] = {}
        self._owners: dict[int, str] = {}
        self._hands: set[int] = set()

    def split(self, batch: Batch) -> tuple[pa.Table, list[Rejected]]:
        """The batch's rows that are new, and the others with the reason."""
        if not len(batch.table):
            return batch.table, []
        source = batch.table["source"][0].as_py()
        images = self._image_keys(batch.table)
        hands = _with_boxes(images, batch.table)
        reasons: dict[int, str] = {}
        for row, (image, hand) in enumerate(zip(images.tolist(), hands.tolist(), strict=True)):
            owner = self._owners.setdefault(image, source)
            if owner != source:
                reasons[row] = f"{REPEATED} in source {owner}"
            elif hand in self._hands:
                reasons[row] = f"{REPEATED}, with the same box, before"
            self._hands.add(hand)
        if not reasons:
            return batch.table, []
        keep = np.ones(len(images), bool)
        keep[list(reasons)] = False
        paths, ids = batch.table["image"], batch.table["sample_id"]
        repeated = [Rejected(source, paths[row].as_py(), ids[row].as_py(), reason) for row, reason in reasons.items()]
        return batch.table.filter(pa.array(keep)), repeated

    def _image_keys(self, table: pa.Table) -> npt.NDArray[np.uint64]:
        root = table["root"][0].as_py()
        parts = [path.rpartition("/") for path in table["image"].to_pylist()]
        for folder in {folder for folder, _, _ in parts}:
            if (root, folder) not in self._folders:
                self._folders[root, folder] = os.path.realpath(Path(root).expanduser() / folder)
        resolved = [f"{self._folders[root, folder]}/{name}" for folder, _, name in parts]
        return pd.util.hash_array(np.array(resolved, dtype=object), categorize=False)


def _with_boxes(images: npt.NDArray[np.uint64], table: pa.Table) -> npt.NDArray[np.uint64]:
    """Hashes of image and box from hashes of images."""
    keys = images.copy()
    for name in BOX:
        keys = (keys ^ table[name].to_numpy().view(np.uint32)) * np.uint64(0x100000001B3)  # FNV-1a's prime
        keys ^= keys >> np.uint64(29)
    return keys


def index_sources(
    sources: Sequence[Source], vocabulary: Vocabulary, output: Path, max_rejected_share: float
) -> IndexReport:
    """Write all sources' samples and the reports about them to the folder `output`.

    Raises:
        DataError: no sample at all, or more than `max_rejected_share` of the entries are bad (earlier results stay).
        OutputError: `output` cannot be written.
    """
    report = IndexReport([], pd.DataFrame(columns=[*KEYS, "rows"]), [], vocabulary)
    with sample_writer(output / "samples.parquet") as writer:
        for table in indexed(sources, report):
            writer.write_table(table)
        check_share(report, max_rejected_share)
    write_json(output / "report.json", report.as_json())
    write_text(output / "counts.csv", report.counts.to_csv(index=False))
    write_text(output / "rejected.csv", rejected_table(report.rejected).to_csv(index=False))
    return report


def read_sources(
    sources: Sequence[Source], vocabulary: Vocabulary, max_rejected_share: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All sources' samples and rejected entries in memory, as frames; the same rows that `index_sources` writes.

    Raises:
        DataError: no sample at all, or more than `max_rejected_share` of the entries are bad.
    """
    report = IndexReport([], pd.DataFrame(columns=[*KEYS, "rows"]), [], vocabulary)
    tables = list(indexed(sources, report))
    check_share(report, max_rejected_share)
    return to_frame(pa.concat_tables(tables)), rejected_table(report.rejected)


def indexed(sources: Sequence[Source], report: IndexReport) -> Iterator[pa.Table]:
    """Pieces of the sample table, each image once; `report` is filled on the way."""
    repeated_images = RepeatedImages()
    counts: list[pa.Table] = []
    with progress_bar() as bar:
        for source in sources:
            entry = SourceReport(source.name, source.root)
            report.sources.append(entry)
            if not source.present():
                entry.left_out = (
                    f"nothing in {source.root}; to use it, {source.how_to_get}, or set sources.{source.name}.root"
                )
                continue
            task = bar.add_task(source.name, total=None, unit="hands")
            for batch in source.read(report.vocabulary):
                table, repeated = repeated_images.split(batch)
                add_to(entry, batch, table, repeated)
                report.rejected += batch.rejected + repeated
                if len(table):
                    validate(table, Path(source.root))
                    counts.append(table.group_by(KEYS).aggregate([([], "count_all")]))
                    yield table
                bar.update(task, completed=entry.rows)
    report.counts = summed(counts)


def add_to(entry: SourceReport, batch: Batch, table: pa.Table, repeated: list[Rejected]) -> None:
    """Count a batch in its source's report."""
    entry.rows += len(table)
    entry.rejected += len(batch.rejected)
    entry.repeated += len(repeated)
    entry.clipped += batch.clipped
    entry.ignored += batch.ignored
    entry.notes += batch.notes


def summed(counts: Sequence[pa.Table]) -> pd.DataFrame:
    """Rows per source, gesture, split and subject, sorted, from the counts of the pieces."""
    if not counts:
        return pd.DataFrame(columns=[*KEYS, "rows"])
    total = pa.concat_tables(counts).group_by(KEYS).aggregate([("count_all", "sum")])
    frame = total.rename_columns([*KEYS, "rows"]).to_pandas()
    return frame.sort_values(KEYS, kind="stable", ignore_index=True)


def check_share(report: IndexReport, max_rejected_share: float) -> None:
    """Fail where there is nothing to work with, or too much of it is bad.

    Raises:
        DataError: names the sources that were left out, or the first rejected entries.
    """
    if report.bad > max_rejected_share * (report.rows + report.bad):
        bad = [row for row in report.rejected if not row.reason.startswith(REPEATED)][:SHOWN]
        listed = "\n".join(f"  {row.source}: {row.file}, {row.item}: {row.reason}" for row in bad)
        raise DataError(
            f"{report.bad:,} of {report.rows + report.bad:,} entries are bad, more than index.max_rejected_share "
            f"({max_rejected_share:.1%}) allows; the first:\n{listed}\nmend them, or raise index.max_rejected_share"
        )
    if not report.rows:
        left_out = "".join(f"\n  {source.name}: {source.left_out}" for source in report.sources if source.left_out)
        raise DataError(f"no source has any sample{left_out or '; select some with sources=[...]'}")


def print_report(report: IndexReport) -> None:
    """Print rows per gesture and source, and what was left out."""
    present = [source for source in report.sources if source.left_out is None]
    rows = report.counts.pivot_table(index="gesture", columns="source", values="rows", aggfunc="sum", fill_value=0)
    rows = rows.reindex(index=report.vocabulary.names, columns=[source.name for source in present], fill_value=0)
    subjects = report.counts.groupby("source")["subject"].nunique()
    table = Table(title=f"{report.rows:,} samples", title_justify="left")
    table.add_column("gesture")
    for name in (*rows.columns, "all"):
        table.add_column(name, justify="right")
    for gesture, cells in rows.iterrows():
        table.add_row(str(gesture), *(f"{count:,}" for count in cells), f"{cells.sum():,}")
    table.add_section()
    summary = {
        "samples": [source.rows for source in present],
        "subjects": [int(subjects.get(source.name, 0)) for source in present],
        "rejected": [source.rejected for source in present],
    }
    for heading, counts in summary.items():
        table.add_row(heading, *(f"{count:,}" for count in counts), f"{sum(counts):,}")
    console.print(table)
    for line in remarks(report):
        console.print(line, highlight=False, soft_wrap=True)


def remarks(report: IndexReport) -> list[str]:
    """What a reader of the table should know besides."""
    lines = []
    for source in report.sources:
        if source.left_out:
            lines.append(f"{source.name} left out: {source.left_out}")
        if source.repeated:
            lines.append(
                f"{source.name}: {source.repeated:,} hands were there before and are left out, see rejected.csv"
            )
        if source.clipped:
            lines.append(f"{source.name}: {source.clipped:,} boxes reached a little beyond the image and were clipped")
        lines += [f"{source.name}: {note}" for note in source.notes]
    for gesture in report.gestures_without_samples:
        lines.append(f"[bold yellow]warning:[/] no sample shows {gesture}; add some, or take it out of gestures.names")
    return lines


@entry_point
def main(config: DictConfig) -> None:
    """Index the configured sources."""
    sources = sources_from_config(config.get("sources"), config.seed)
    vocabulary = Vocabulary.from_config(config.gestures)
    report = index_sources(sources, vocabulary, Path(config.paths.index), config.index.max_rejected_share)
    print_report(report)


if __name__ == "__main__":
    main()
