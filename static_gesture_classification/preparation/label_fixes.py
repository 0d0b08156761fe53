"""Label fixes: corrections and exclusions on top of published data, a small text file that is kept in Git.

`data/label_fixes.csv` has one line per sample: `sample` (its id), `from` (the gesture that its source gives it), `to`
(a gesture, or `drop` to leave it out), `who`, `when` (YYYY-MM-DD), `why`. A line whose `to` is its `from` confirms the
label. The index stage applies the fixes and leaves the data unchanged, so removing a line restores the published label.
A line that no longer fits its sample is reported and not applied.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.edited_tables import Columns, TableRow, read_table
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.process_lock import change_alone
from static_gesture_classification.samples import with_texts

FIX_COLUMNS = ("sample", "from", "to", "who", "when", "why")
DROP = "drop"


@dataclass(frozen=True)
class LabelFix:
    """A decision about a sample's label.

    Args:
        sample: its id.
        published: the gesture that its source gives it (column `from`).
        to: the right gesture, or "drop".
        who, when, why: for later readers.
        line: in the file; 0 for a new fix.
    """

    sample: str
    published: str
    to: str
    who: str
    when: str
    why: str
    line: int = 0

    @property
    def confirms(self) -> bool:
        """Whether it confirms the label."""
        return self.to == self.published


@dataclass(frozen=True)
class Misfit:
    """A fix that was not applied, and why: no source has its sample (`gone`), or the label has changed."""

    fix: LabelFix
    reason: str
    gone: bool = False


@dataclass
class LabelFixes:
    """The fixes of a file, and what `apply` did with them."""

    path: Path
    fixes: tuple[LabelFix, ...] = ()
    corrected: int = 0
    dropped: int = 0
    changed: list[Misfit] = field(default_factory=list)
    _met: set[str] = field(default_factory=set)

    @classmethod
    def none(cls) -> LabelFixes:
        """No fixes at all."""
        return cls(Path())

    def apply(self, table: pa.Table) -> pa.Table:
        """A piece of the sample table with corrected labels and without dropped samples."""
        if not self.fixes or not len(table):
            return table
        wanted = pa.array([fix.sample for fix in self.fixes], pa.string())
        positions = pc.index_in(table.column("sample_id"), wanted).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(~np.isnan(positions.astype(np.float64)))
        if not len(rows):
            return table
        gestures = table.column("gesture").to_pylist()
        kept = np.ones(len(table), bool)
        for row in rows.tolist():
            kept[row] = self._decide(self.fixes[int(positions[row])], gestures, row)
        return with_texts(table, "gesture", gestures).filter(pa.array(kept))

    def _decide(self, fix: LabelFix, gestures: list[str], row: int) -> bool:
        """Apply a fix to a row's gesture; returns whether the row is kept."""
        self._met.add(fix.sample)
        if gestures[row] != fix.published:
            already = "which is what the fix makes of it: remove the line" if gestures[row] == fix.to else "look again"
            self.changed.append(
                Misfit(fix, f"its source labels it {gestures[row]} by now, not {fix.published}; {already}")
            )
            return True
        if fix.to == DROP:
            self.dropped += 1
            return False
        self.corrected += not fix.confirms
        gestures[row] = fix.to
        return True

    @property
    def misfits(self) -> list[Misfit]:
        """Fixes that were not applied, in the order of the file; complete after the last `apply`."""
        gone = [
            Misfit(fix, "no selected source has it", gone=True) for fix in self.fixes if fix.sample not in self._met
        ]
        return sorted([*self.changed, *gone], key=lambda misfit: misfit.fix.line)

    def as_json(self) -> dict[str, Any]:
        """Counts, and the fixes that were not applied."""
        misfits = [{"line": each.fix.line, "sample": each.fix.sample, "reason": each.reason} for each in self.misfits]
        return {"corrected": self.corrected, "dropped": self.dropped, "not_applied": misfits}

    def remarks(self) -> Iterator[str]:
        """Sentences about the applied fixes and the others."""
        if self.corrected or self.dropped:
            yield f"{self.path}: {self.corrected:,} labels corrected, {self.dropped:,} samples dropped"
        for misfit in self.misfits:
            if not misfit.gone:
                yield f"{self.path}, line {misfit.fix.line}: not applied to {misfit.fix.sample}: {misfit.reason}"
        gone = [misfit.fix for misfit in self.misfits if misfit.gone]
        if gone:
            yield (
                f"{self.path}: {len(gone):,} lines not applied, because no selected source has their samples; the "
                f"first is line {gone[0].line}, {gone[0].sample}"
            )


def read_label_fixes(path: Path, vocabulary: Vocabulary) -> LabelFixes:
    """Read the file; there are no fixes where it is absent.

    Raises:
        DataError: names the file and the line: wrong columns, an unknown gesture, two lines about one sample.
    """
    if not path.is_file():
        return LabelFixes(path)
    fixes = [_fix(row, path, vocabulary) for row in read_table(path, Columns(FIX_COLUMNS)).rows]
    _check_conflicts(fixes, path)
    return LabelFixes(path, tuple(fixes))


def write_label_fixes(fixes: Sequence[LabelFix], path: Path) -> None:
    """Write fixes in the order given."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIX_COLUMNS)
    writer.writerows([fix.sample, fix.published, fix.to, fix.who, fix.when, fix.why] for fix in fixes)
    write_text(path, text.getvalue())


def change_label_fixes(
    path: Path, vocabulary: Vocabulary, change: Callable[[list[LabelFix]], Sequence[LabelFix]]
) -> tuple[list[LabelFix], list[LabelFix]]:
    """Write what `change` makes of the fixes, while no other process changes them; returns them before and after.

    Raises:
        DataError: the file cannot be read (see `read_label_fixes`).
        UserError: what `change` raises; nothing is written then.
        OutputError: the file cannot be written.
    """
    with change_alone(path):
        before = list(read_label_fixes(path, vocabulary).fixes)
        after = list(change(list(before)))
        if after != before:
            write_label_fixes(after, path)
        return before, after


def _fix(row: TableRow, path: Path, vocabulary: Vocabulary) -> LabelFix:
    sample, published, to, who, when, why = (row[name] for name in FIX_COLUMNS)
    if not sample:
        raise DataError(f"{path}, line {row.line}: no sample is named")
    for column, gesture in (("from", published), ("to", to)):
        if gesture not in vocabulary and (column, gesture) != ("to", DROP):
            ways = f" or {DROP}" if column == "to" else ""
            raise DataError(
                f"{path}, line {row.line}: {column} is {gesture!r}, which is no gesture; it is one of "
                f"{', '.join(vocabulary)}{ways}"
            )
    return LabelFix(sample, published, to, who, when, why, row.line)


def _check_conflicts(fixes: Sequence[LabelFix], path: Path) -> None:
    first: dict[str, LabelFix] = {}
    for fix in fixes:
        earlier = first.setdefault(fix.sample, fix)
        if earlier is not fix:
            raise DataError(
                f"{path}: lines {earlier.line} and {fix.line} both decide on sample {fix.sample} ({earlier.to} and "
                f"{fix.to}); keep one of them"
            )
