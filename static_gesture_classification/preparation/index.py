"""Index: all sources to one sample table, with a report of what is in it and what was left out.

    gestures index [overrides]

writes, in `paths.index`: `samples.parquet` (the table), `report.json` (counts), `counts.csv` (rows per source, gesture,
official split, subject) and `rejected.csv` (every entry that could not become a sample, and why). Rows are in the order
of the sources, within one in the order of its files, so that the same data give the same bytes. Labels are corrected
as `label_issues.fixes` says (see `label_fixes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from rich.markup import escape
from rich.progress import Progress, TaskID

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.image_files import said_of_animated, said_of_others, some_of
from static_gesture_classification.preparation.label_fixes import LabelFixes, read_label_fixes
from static_gesture_classification.samples import (
    SPLITS,
    Rejected,
    rejected_table,
    sample_writer,
    to_frame,
    validate,
)
from static_gesture_classification.sources.repeated_images import REPEATED, RepeatedImages
from static_gesture_classification.sources.source import Batch, Source, sources_from_config
from static_gesture_classification.terminal import Table, console, progress_bar

VERSION = 1
KEYS = ["source", "gesture", "split", "subject"]
SHOWN = 10  # rejected entries in a message


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
    passed_over: list[Rejected] = field(default_factory=list)
    not_images: list[str] = field(default_factory=list)
    animated: list[str] = field(default_factory=list)

    def said(self) -> list[str]:
        """What a reader should know of the files that gave no sample, or less than is in them."""
        passed = [f"{row.file}: {row.reason}" for row in self.passed_over]
        lines = [f"{len(passed):,} files or folders are passed over: {some_of(passed, '; ')}"] if passed else []
        return [*self.notes, *lines, *said_of_others(self.not_images), *said_of_animated(self.animated)]


@dataclass
class IndexReport:
    """What became of each source's hands; `counts` has columns source, gesture, split, subject, rows."""

    vocabulary: Vocabulary
    fixes: LabelFixes
    sources: list[SourceReport] = field(default_factory=list)
    counts: pd.DataFrame = field(default_factory=lambda: summed([]))
    rejected: list[Rejected] = field(default_factory=list)

    def listed(self) -> pd.DataFrame:
        """The content of rejected.csv: what was rejected, then what was passed over, which does not count as bad."""
        return rejected_table([*self.rejected, *(row for source in self.sources for row in source.passed_over)])

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
            "label_fixes": self.fixes.as_json(),
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
            "subjects": people_in(own),
            "samples_of_unknown_people": unknown_in(own),
            "gestures": {name: int(gestures[name]) for name in self.vocabulary if name in gestures.index},
            "official_splits": {name: int(splits[name]) for name in SPLITS if name in splits.index},
            "passed_over": len(source.passed_over),
            "not_images": len(source.not_images),
            "animated": len(source.animated),
            "notes": source.said(),
        }


def index_sources(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    output: Path,
    max_rejected_share: float,
    fixes: LabelFixes | None = None,
) -> IndexReport:
    """Write all sources' samples, their labels corrected by `fixes`, and the reports to the folder `output`.

    Raises:
        DataError: no sample at all, or more than `max_rejected_share` of the entries are bad (earlier results stay).
        OutputError: `output` cannot be written.
    """
    report = IndexReport(vocabulary, fixes or LabelFixes.none())
    with sample_writer(output / "samples.parquet") as writer:
        for table in indexed(sources, report):
            writer.write_table(table)
        check_share(report, max_rejected_share)
    write_json(output / "report.json", report.as_json())
    write_text(output / "counts.csv", report.counts.to_csv(index=False))
    write_text(output / "rejected.csv", report.listed().to_csv(index=False))
    return report


def read_sources(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    max_rejected_share: float = 1.0,
    fixes: LabelFixes | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All sources' samples and rejected entries in memory, as frames; the same rows that `index_sources` writes.

    Raises:
        DataError: no sample at all, or more than `max_rejected_share` of the entries are bad.
    """
    report = IndexReport(vocabulary, fixes or LabelFixes.none())
    tables = list(indexed(sources, report))
    check_share(report, max_rejected_share)
    return to_frame(pa.concat_tables(tables)), report.listed()


def indexed(sources: Sequence[Source], report: IndexReport) -> Iterator[pa.Table]:
    """Pieces of the sample table, each image once; `report` is filled on the way."""
    repeated_images = RepeatedImages(by_content=len(sources) > 1)
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
            task = bar.add_task(f"reading {source.name}", total=1, unit="files")
            for batch in source.read(report.vocabulary, partial(show_pieces, bar, task)):
                table, repeated = repeated_images.split(batch)
                table = report.fixes.applied(table)
                add_to(entry, batch, table, repeated)
                report.rejected += batch.rejected + repeated
                if len(table):
                    validate(table, Path(source.root))
                    counts.append(table.group_by(KEYS).aggregate([([], "count_all")]))
                    yield table
    report.counts = summed(counts)


def show_pieces(bar: Progress, task: TaskID, done: int, total: int) -> None:
    """Show how many of a source's pieces are read."""
    bar.update(task, completed=done, total=total)


def add_to(entry: SourceReport, batch: Batch, table: pa.Table, repeated: list[Rejected]) -> None:
    """Count a batch in its source's report."""
    entry.rows += len(table)
    entry.rejected += len(batch.rejected)
    entry.repeated += len(repeated)
    entry.clipped += batch.clipped
    entry.ignored += batch.ignored
    entry.notes += batch.notes
    entry.passed_over += batch.passed_over
    entry.not_images += batch.not_images
    entry.animated += batch.animated


def summed(counts: Sequence[pa.Table]) -> pd.DataFrame:
    """Rows per source, gesture, split and subject, sorted, from the counts of the pieces."""
    if not counts:
        return pd.DataFrame(columns=[*KEYS, "rows"])
    total = pa.concat_tables(counts).group_by(KEYS).aggregate([("count_all", "sum")])
    frame = total.rename_columns([*KEYS, "rows"]).to_pandas()
    return frame.sort_values(KEYS, kind="stable", ignore_index=True)


def people_in(counts: pd.DataFrame) -> int:
    """How many people who are known a part of the counts has."""
    return int(counts.loc[counts["subject"] != "", "subject"].nunique())


def unknown_in(counts: pd.DataFrame) -> int:
    """Samples of a part of the counts of which nobody knows who is in them."""
    return int(counts.loc[counts["subject"] == "", "rows"].sum())


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
    own = {source.name: report.counts[report.counts["source"] == source.name] for source in present}
    table = Table(title=f"{report.rows:,} samples", title_justify="left")
    table.add_column("gesture")
    for name in (*rows.columns, "all"):
        table.add_column(name, justify="right")
    for gesture, cells in rows.iterrows():
        table.add_row(str(gesture), *(f"{count:,}" for count in cells), f"{cells.sum():,}")
    table.add_section()
    summary = {
        "samples": [source.rows for source in present],
        "subjects": [people_in(own[source.name]) for source in present],
        "rejected": [source.rejected for source in present],
    }
    for heading, counts in summary.items():
        table.add_row(heading, *(f"{count:,}" for count in counts), f"{sum(counts):,}")
    console.print(table)
    for line in remarks(report):
        console.print(line, highlight=False, soft_wrap=True)


def remarks(report: IndexReport) -> list[str]:
    """What a reader of the table should know besides, with rich's markup."""
    lines = []
    for source in report.sources:
        if source.left_out:
            lines.append(f"{escape(source.name)} left out: {escape(source.left_out)}")
        if source.repeated:
            lines.append(
                f"{source.name}: {source.repeated:,} hands were there before and are left out, see rejected.csv"
            )
        if source.clipped:
            lines.append(f"{source.name}: {source.clipped:,} boxes reached a little beyond the image and were clipped")
        unknown = unknown_in(report.counts[report.counts["source"] == source.name])
        if unknown:
            lines.append(
                f"[yellow]note:[/] {unknown:,} samples of {escape(source.name)}: who is in the picture is not known; "
                "people cannot be held apart, so scores on them say little of new people"
            )
        lines += [f"{escape(source.name)}: {escape(note)}" for note in source.said()]
    lines += [f"[yellow]note:[/] {escape(line)}" for line in report.fixes.remarks()]
    if report.gestures_without_samples:
        names = escape(", ".join(report.gestures_without_samples))
        lines.append(f"[bold yellow]warning:[/] no sample shows {names}; add some, or shorten gestures.names")
    return lines


@entry_point
def main(config: DictConfig) -> None:
    """Index the configured sources."""
    sources = sources_from_config(config.get("sources"), config.seed)
    vocabulary = Vocabulary.from_config(config.gestures)
    fixes = read_label_fixes(Path(config.label_issues.fixes), vocabulary)
    report = index_sources(sources, vocabulary, Path(config.paths.index), config.index.max_rejected_share, fixes)
    print_report(report)


if __name__ == "__main__":
    main()
