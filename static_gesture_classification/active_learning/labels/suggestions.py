"""The table of suggested label fixes that a person fills in. This module owns its columns.

A CSV file, most doubtful label first: `decision` (empty; to be filled in: yes, drop, keep, or a gesture), `sample`,
`from` (its label), `to` (what it looks like), `quality` (0..1, low is doubtful), `likely` (whether it is probably
wrong), `evidence`, and where to find it: `split`, `source`, `subject`, `image`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.edited_tables import Columns, TableRow, decimal, read_table
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import DROP

YES, KEEP = "yes", "keep"
CROSS_VALIDATION, VALIDATION, DUPLICATE = "cross-validation", "validation", "near-duplicate"  # how evidence begins
SHORT = 10  # digits of a sample's id that tables show; `gestures fix-labels` takes them too
SUGGESTION_COLUMNS = (
    "decision", "sample", "from", "to", "quality", "likely", "evidence", "split", "source", "subject", "image",
)  # fmt: skip


@dataclass(frozen=True)
class Suggestion:
    """A label in doubt.

    Args:
        sample: its id.
        published: its label.
        to: what it looks like.
        quality: 0..1, low is doubtful.
        likely: whether it is probably wrong.
        evidence: where the doubt comes from.
        split, source, subject, image: where it is.
        decision: "", "yes", "drop", "keep", or a gesture.
        line: in the file; 0 where it is not from one.
    """

    sample: str
    published: str
    to: str
    quality: float
    likely: bool
    evidence: str
    split: str
    source: str
    subject: str
    image: str
    decision: str = ""
    line: int = 0

    @property
    def why(self) -> str:
        """The evidence in words.

        >>> where = ("val", "hands", "ann", "1.jpg")
        >>> Suggestion("s", "ONE", "TWO", 0.1, True, "validation 0.90; near-duplicate 0.98 of b02 (TWO)", *where).why
        'the model, which did not learn from this picture, says TWO (0.90); nearly the same picture has another label: \
0.98 of b02 (TWO)'
        """
        return "; ".join(self._in_words(part) for part in self.evidence.split("; "))

    def _in_words(self, evidence: str) -> str:
        kind, _, about = evidence.partition(" ")
        if kind == CROSS_VALIDATION:
            return f"a quick classifier that never saw this person says {self.to} ({about})"
        if kind == VALIDATION:
            return f"the model, which did not learn from this picture, says {self.to} ({about})"
        return f"nearly the same picture has another label: {about}" if kind == DUPLICATE else evidence

    @property
    def verdict(self) -> str | None:
        """The gesture that is right, or "drop"; None where nothing is decided."""
        return {"": None, YES: self.to, KEEP: self.published}.get(self.decision, self.decision)


def write_suggestions(suggestions: Sequence[Suggestion], path: Path) -> None:
    """Write the table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SUGGESTION_COLUMNS)
    for each in suggestions:
        likely = YES if each.likely else "no"
        about = (f"{each.quality:.4f}", likely, each.evidence, each.split, each.source, each.subject, each.image)
        writer.writerow((each.decision, each.sample, each.published, each.to, *about))
    write_text(path, text.getvalue())


def read_suggestions(path: Path) -> list[Suggestion]:
    """Read the table; other columns than decision, sample, from and to may be missing or in another order.

    Raises:
        DataError: the file is missing, is no such table, or a line has no sample.
    """
    if not path.is_file():
        raise DataError(f"no suggestions at {path}; make them with gestures label-issues, or name another file")
    return [
        _suggestion(row, path) for row in read_table(path, Columns(SUGGESTION_COLUMNS[:4], SUGGESTION_COLUMNS[4:])).rows
    ]


def check_decisions(suggestions: Sequence[Suggestion], vocabulary: Vocabulary, path: Path) -> None:
    """Raise `DataError`, naming file and line, where a decision is none of yes, drop, keep or a gesture."""
    for each in suggestions:
        if each.verdict is not None and each.verdict not in vocabulary and each.verdict != DROP:
            raise DataError(
                f"{path}, line {each.line}: the decision {each.verdict!r} is none of {YES}, {DROP}, {KEEP}, or a "
                f"gesture ({', '.join(vocabulary)})"
            )


def keep_decisions(suggestions: Sequence[Suggestion], path: Path) -> list[Suggestion]:
    """New suggestions with the decisions of the table at `path` on the same samples and labels."""
    try:
        earlier = {(each.sample, each.published): each.decision for each in read_suggestions(path)}
    except DataError:  # there is none, or it is none of ours: it is about to be written anew
        return list(suggestions)
    return [replace(each, decision=earlier.get((each.sample, each.published), "")) for each in suggestions]


def _suggestion(row: TableRow, path: Path) -> Suggestion:
    cells = row.cells
    if not cells["sample"]:
        raise DataError(f"{path}, line {row.line}: no sample is named")
    decision = cells["decision"]
    known = {word: word for word in (YES, KEEP, DROP)}
    return Suggestion(
        sample=cells["sample"],
        published=cells["from"],
        to=cells["to"],
        quality=_number(cells["quality"]),
        likely=cells["likely"] == YES,
        evidence=cells["evidence"],
        split=cells["split"],
        source=cells["source"],
        subject=cells["subject"],
        image=cells["image"],
        decision=known.get(decision.lower(), decision),
        line=row.line,
    )


def _number(text: str) -> float:
    try:
        return decimal(text)
    except ValueError:  # a spreadsheet may have written it in another way; it is for reading only
        return float("nan")
