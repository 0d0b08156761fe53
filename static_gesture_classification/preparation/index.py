"""The index stage: all sources to one sample table, with a report.

    gestures index [overrides]

Writes to `paths.index`: `samples.parquet` (the table), `report.json` (counts), `counts.csv` (rows per source, gesture,
official split, subject) and `rejected.csv` (every entry that is no sample, and why). Rows keep the order of the sources
and of their files, so that the same data give the same bytes. `label_issues.fixes` corrects labels (`label_fixes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from pydantic import Field
from rich.progress import Progress, TaskID

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.image_files import describe_animated, describe_others, some_of
from static_gesture_classification.parallel.engine import Engine, EngineSettings
from static_gesture_classification.preparation.label_fixes import LabelFixes, read_label_fixes
from static_gesture_classification.samples import (
    SPLITS,
    Rejected,
    decode_texts,
    make_rejected_table,
    sample_writer,
    to_frame,
    validate,
)
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.sources.repeated_images import REPEATED, RepeatedImages
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.source import SampleBatch, Source
from static_gesture_classification.terminal import Table, note, progress_bar, show_table, warn
from static_gesture_classification.workspace import Workspace

INDEX_VERSION = 1
COUNT_KEYS = ["source", "gesture", "split", "subject"]
SHOWN_REJECTED = 10  # rejected entries in a message


class IndexSettings(Settings, key="index"):
    """The selected sources, the gestures, and how to index them.

    Args:
        sources: see `Sources`.
        vocabulary: the gestures.
        fixes: the file of label fixes; it may be absent.
        max_rejected_share: the stage fails when a larger share of the entries is bad.
        engine: where annotation files are read.
    """

    sources: Sources
    vocabulary: Vocabulary
    fixes: Annotated[Path, At("label_issues.fixes")]
    max_rejected_share: float = Field(ge=0, le=1)
    engine: EngineSettings = EngineSettings()

    def label_fixes(self) -> LabelFixes:
        """The label fixes of the file; raises as `read_label_fixes`."""
        return read_label_fixes(self.fixes, self.vocabulary)


@dataclass
class SourceReport:
    """What was read from one source, and what was left out."""

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

    def remarks(self) -> list[str]:
        """Notes about files that gave no sample, or only a part of their content."""
        passed = [f"{row.file}: {row.reason}" for row in self.passed_over]
        lines = [f"{len(passed):,} files or folders are passed over: {some_of(passed, '; ')}"] if passed else []
        return [*self.notes, *lines, *describe_others(self.not_images), *describe_animated(self.animated)]

    def add(self, batch: SampleBatch, rows: int, repeated: int) -> None:
        """Count a batch with its numbers of kept and repeated rows."""
        self.rows += rows
        self.repeated += repeated
        self.rejected += len(batch.rejected)
        self.clipped += batch.clipped
        self.ignored += batch.ignored
        self.notes += batch.notes
        self.passed_over += batch.passed_over
        self.not_images += batch.not_images
        self.animated += batch.animated


@dataclass
class IndexReport:
    """What was read from all sources; `counts` has columns source, gesture, split, subject, rows."""

    vocabulary: Vocabulary
    fixes: LabelFixes
    sources: list[SourceReport] = field(default_factory=list)
    counts: pd.DataFrame = field(default_factory=lambda: sum_counts([]))
    rejected: list[Rejected] = field(default_factory=list)

    def make_rejected(self) -> pd.DataFrame:
        """The content of rejected.csv: rejected entries, then ignored files, which do not count as bad."""
        return make_rejected_table([*self.rejected, *(row for source in self.sources for row in source.passed_over)])

    @property
    def rows(self) -> int:
        """Samples in the table."""
        return sum(source.rows for source in self.sources)

    @property
    def bad(self) -> int:
        """Number of rejected entries without images that another source has too."""
        return sum(source.rejected for source in self.sources)

    @property
    def gestures_without_samples(self) -> list[str]:
        """Gestures of the vocabulary that no sample shows."""
        return [name for name in self.vocabulary if name not in set(self.counts["gesture"])]

    def as_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "version": INDEX_VERSION,
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
            "subjects": count_subjects(own),
            "samples_of_unknown_people": count_unknown(own),
            "gestures": {name: int(gestures[name]) for name in self.vocabulary if name in gestures.index},
            "official_splits": {name: int(splits[name]) for name in SPLITS if name in splits.index},
            "passed_over": len(source.passed_over),
            "not_images": len(source.not_images),
            "animated": len(source.animated),
            "notes": source.remarks(),
        }


def index_sources(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    output: Path,
    max_rejected_share: float,
    fixes: LabelFixes | None = None,
    engine: Engine | None = None,
) -> IndexReport:
    """Write the samples of all sources, with labels corrected by `fixes`, and the reports to `output`.

    Annotation files are read by `engine`, else on this machine.

    Raises:
        DataError: no samples, or more than `max_rejected_share` of the entries are bad (earlier results stay).
        OutputError: `output` cannot be written.
    """
    report = IndexReport(vocabulary, fixes or LabelFixes.none())
    with sample_writer(output / "samples.parquet") as writer:
        for table in _tables(sources, report, engine):
            writer.write_table(table)
        check_share(report, max_rejected_share)
    write_json(output / "report.json", report.as_json())
    write_text(output / "counts.csv", report.counts.to_csv(index=False))
    write_text(output / "rejected.csv", report.make_rejected().to_csv(index=False))
    return report


def read_sources(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    max_rejected_share: float = 1.0,
    fixes: LabelFixes | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samples and rejected entries that `index_sources` writes, as frames.

    Raises:
        DataError: no samples, or more than `max_rejected_share` of the entries are bad.
    """
    report = IndexReport(vocabulary, fixes or LabelFixes.none())
    tables = list(_tables(sources, report))
    check_share(report, max_rejected_share)
    return to_frame(pa.concat_tables(tables)), report.make_rejected()


def _tables(sources: Sequence[Source], report: IndexReport, engine: Engine | None = None) -> Iterator[pa.Table]:
    """The sample table in pieces, each image once; fills `report`."""
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
            for batch in source.read(report.vocabulary, partial(_advance, bar, task), engine):
                table, repeated = repeated_images.split(batch)
                table = report.fixes.apply(table)
                entry.add(batch, len(table), len(repeated))
                report.rejected += batch.rejected + repeated
                if len(table):
                    validate(table, Path(source.root))
                    counts.append(
                        decode_texts(table.select(COUNT_KEYS)).group_by(COUNT_KEYS).aggregate([([], "count_all")])
                    )
                    yield table
    report.counts = sum_counts(counts)


def _advance(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def sum_counts(counts: Sequence[pa.Table]) -> pd.DataFrame:
    """Rows per source, gesture, split and subject, sorted, from the counts of pieces of the table."""
    if not counts:
        return pd.DataFrame(columns=[*COUNT_KEYS, "rows"])
    total = pa.concat_tables(counts).group_by(COUNT_KEYS).aggregate([("count_all", "sum")])
    frame = total.rename_columns([*COUNT_KEYS, "rows"]).to_pandas()
    return frame.sort_values(COUNT_KEYS, kind="stable", ignore_index=True)


def count_subjects(counts: pd.DataFrame) -> int:
    """Number of known subjects in some of the counts."""
    return int(counts.loc[counts["subject"] != "", "subject"].nunique())


def count_unknown(counts: pd.DataFrame) -> int:
    """Number of samples without a subject in some of the counts."""
    return int(counts.loc[counts["subject"] == "", "rows"].sum())


def check_share(report: IndexReport, max_rejected_share: float) -> None:
    """Raise `DataError` for no samples (names the absent sources) or too many bad entries (names the first)."""
    if report.bad > max_rejected_share * (report.rows + report.bad):
        bad = [row for row in report.rejected if not row.reason.startswith(REPEATED)][:SHOWN_REJECTED]
        listed = "\n".join(f"  {row.source}: {row.file}, {row.item}: {row.reason}" for row in bad)
        raise DataError(
            f"{report.bad:,} of {report.rows + report.bad:,} entries are bad, more than index.max_rejected_share "
            f"({max_rejected_share:.1%}) allows; the first:\n{listed}\nmend them, or raise index.max_rejected_share"
        )
    if not report.rows:
        left_out = "".join(f"\n  {source.name}: {source.left_out}" for source in report.sources if source.left_out)
        raise DataError(f"no source has any sample{left_out or '; select some with sources=[...]'}")


def print_index_report(report: IndexReport) -> None:
    """Print rows per gesture and source, and what was left out."""
    present = [source for source in report.sources if source.left_out is None]
    rows = report.counts.pivot_table(index="gesture", columns="source", values="rows", aggfunc="sum", fill_value=0)
    rows = rows.reindex(index=report.vocabulary.names, columns=[source.name for source in present], fill_value=0)
    own = {source.name: report.counts[report.counts["source"] == source.name] for source in present}
    table = Table(title=f"{report.rows:,} samples")
    table.add_column("gesture")
    for name in (*rows.columns, "all"):
        table.add_column(name, justify="right")
    for gesture, cells in rows.iterrows():
        table.add_row(str(gesture), *(f"{count:,}" for count in cells), f"{cells.sum():,}")
    table.add_section()
    summary = {
        "samples": [source.rows for source in present],
        "subjects": [count_subjects(own[source.name]) for source in present],
        "rejected": [source.rejected for source in present],
    }
    for heading, counts in summary.items():
        table.add_row(heading, *(f"{count:,}" for count in counts), f"{sum(counts):,}")
    show_table(table)
    for remark in remarks(report):
        note(remark)
    if report.gestures_without_samples:
        warn(f"no sample shows {', '.join(report.gestures_without_samples)}; add some, or shorten gestures.names")


def remarks(report: IndexReport) -> list[str]:
    """Remarks about left-out sources, repeated hands, clipped boxes, unknown subjects and label fixes."""
    lines = []
    for source in report.sources:
        about = []
        if source.left_out:
            about.append(f"left out: {source.left_out}")
        if source.repeated:
            about.append(f"{source.repeated:,} repeated hands are left out, see rejected.csv")
        if source.clipped:
            about.append(f"{source.clipped:,} boxes reached a little beyond the image and were clipped")
        unknown = count_unknown(report.counts[report.counts["source"] == source.name])
        if unknown:
            about.append(
                f"who is in {unknown:,} of the samples is not known; these people cannot be kept apart, so scores on "
                "them say little about new people"
            )
        lines += [f"{source.name}: {line}" for line in (*about, *source.remarks())]
    return [*lines, *report.fixes.remarks()]


@entry_point
def main(config: DictConfig) -> None:
    """Index the selected sources."""
    chosen, output = IndexSettings.from_config(config), Workspace.from_config(config).index
    most, fixes, engine = chosen.max_rejected_share, chosen.label_fixes(), chosen.engine.build()
    report = index_sources(chosen.sources, chosen.vocabulary, output, most, fixes, engine)
    print_index_report(report)


if __name__ == "__main__":
    main()
