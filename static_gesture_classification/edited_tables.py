"""Tables that people edit: CSV as spreadsheets, labelling tools and text editors save it.

It reads commas, semicolons, tabs or bars; a first line `sep=;`; UTF-8 with or without a byte-order mark, UTF-16 and
Windows-1252; decimal commas; any line end; blank lines and columns. Capitals, spaces, hyphens and underscores in column
names do not matter, and the caller may give synonyms. An error names the file, the line and the problem.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from static_gesture_classification.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
BYTE_ORDER_MARKS = (  # UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_KINDS = (
    (rb"PK\x03\x04", "a spreadsheet (.xlsx or .ods)"),
    (rb"\xd0\xcf\x11\xe0", "a spreadsheet (.xls)"),
    (rb"%PDF", "a PDF"),
    (rb"PAR1", "a Parquet file"),
    (rb"\x1f\x8b", "compressed (gzip)"),
    (rb"\{\\rtf", "a text document (RTF)"),
    (rb"<(?i:!doctype|html|table|\?xml)", "HTML or XML"),
    (rb"\{|\[\s*\{", "JSON"),
)
UNMARKED = rb"[ \r\n\t\xef\xbb\xbf]*"  # what may stand before
NOT_WESTERN = re.compile(rb"[\x80-\xff]{3}")  # three such letters in a row: no language that Windows-1252 is for
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
SHOWN_CHARACTERS = 60  # characters of a line in a message


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Args:
        required: a table must have all of these.
        one_of: groups of columns; a table must have all columns of one group. With an empty group among them it may
            have none of them at all.
        optional: a table may have these; other columns are ignored.
        synonyms: other name -> name of a column.
    """

    required: Sequence[str]
    optional: Sequence[str] = ()
    synonyms: Mapping[str, str] | None = None
    one_of: Sequence[Sequence[str]] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(
            dict.fromkeys([*self.required, *(name for group in self.one_of for name in group), *self.optional])
        )

    def needs(self, names: Sequence[str]) -> tuple[str, ...]:
        """The columns that a table must have; of `one_of` the first group that it has whole, else the first."""
        begun = any(name in names for group in self.one_of for name in group)
        whole = [group for group in self.one_of if set(group) <= set(names) and (group or not begun)] or self.one_of
        return (*self.required, *(whole[0] if whole else ()))

    def recognise(self, header: Sequence[str]) -> list[str]:
        """The known name of each column of a header, "" for an unknown one. Own names go before synonyms."""
        own = {plain(name): name for name in self.known}
        other = {plain(name): meant for name, meant in (self.synonyms or {}).items()}
        names = [own.get(plain(name), "") for name in header]
        meant = [other.get(plain(name), "") for name in header]
        return [name or (second if second not in names else "") for name, second in zip(names, meant, strict=True)]


@dataclass(frozen=True)
class TableRow:
    """One line: `cells` has each known column's text, stripped, empty where the table lacks it."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells[name]


@dataclass(frozen=True)
class EditedTable:
    """The rows of a table that are not blank, and its known columns."""

    columns: frozenset[str]
    rows: list[TableRow]


def read_table(path: Path, columns: Columns, shown: str | None = None) -> EditedTable:
    """Read a table.

    Args:
        path: the file.
        columns: its columns.
        shown: the name of the file in messages; None for its path.

    Raises:
        DataError: it is no text, a column is missing or there twice, or a line has too many values; names the line.
    """
    name = shown or str(path)
    lines = _lines(_text(path, name), name, columns)
    number, header = next(lines, (1, []))
    names = columns.recognise(header)
    _check_header(names, header, columns, f"{name}, line {number}")
    rows = [TableRow(line, _cells(names, cells, f"{name}, line {line}", columns)) for line, cells in lines]
    return EditedTable(frozenset(filter(None, names)), rows)


def decimal(text: str) -> float:
    """A number with a point or a comma before its decimals. Raises `ValueError` for anything else.

    >>> decimal("0,3631")
    0.3631
    """
    text = text.strip()
    return float(text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text)


def plain(name: str) -> str:
    """A column's name without what people vary: capitals, spaces, hyphens, underscores, dots."""
    return re.sub(r"[\s_.\-\ufeff]+", "", name).casefold()


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
    kind = next((kind for start, kind in OTHER_KINDS if re.match(UNMARKED + rb"(?:" + start + rb")", data)), None)
    if kind:
        raise DataError(f"{name} is {kind}, whatever its name says; save it as CSV (UTF-8), comma separated")
    try:
        return data.decode(_encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not a readable CSV file ({error}); save it as CSV in UTF-8") from error


def _encoding(data: bytes) -> str:
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if marked:
        return marked
    if b"\0" in data:  # UTF-16 without a mark: the zeros are the upper halves of Latin letters
        return "utf-16-be" if data.startswith(b"\0") else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if NOT_WESTERN.search(data) else "cp1252"  # what Windows calls CSV in western Europe
    return "utf-8"


def _lines(text: str, name: str, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not blank, the header first."""
    separator, skipped = _separator(text, columns)
    body = io.StringIO(text, newline="")
    for _ in range(skipped):
        body.readline()
    reader = csv.reader(body, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + skipped, cells
    except csv.Error as error:
        raise DataError(
            f"{name} is not a readable CSV file: line {reader.line_num + skipped}: {error}; a quotation mark that is "
            "opened must be closed"
        ) from error


def _separator(text: str, columns: Columns) -> tuple[str, int]:
    """The character between the cells, and how many lines stand before the header to say so."""
    beginning = text[:100_000].splitlines()
    first = next((line for line in beginning if line.strip()), "")
    stated = re.fullmatch(r'"?sep=(.)"?[,;\t]*', first, re.IGNORECASE)
    if stated:
        return stated.group(1), beginning.index(first) + 1

    def fit(separator: str) -> tuple[int, int]:
        cells = [cell.strip(' "') for cell in first.split(separator)]
        return sum(map(bool, columns.recognise(cells))), len(cells)

    return max(SEPARATORS, key=fit), 0


def _check_header(names: Sequence[str], header: Sequence[str], columns: Columns, where: str) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"{where}: there are two columns {', '.join(twice)}; keep one of each")
    missing = [name for name in columns.needs(names) if name not in names]
    if missing:
        raise DataError(f"{where} lacks the columns {', '.join(missing)}; {_what_it_is(header, columns)}")


def _what_it_is(header: Sequence[str], columns: Columns) -> str:
    """Why a first line does not name the columns, and the way out."""
    wanted = ",".join(columns.needs(header))
    if not header:
        return f"it is empty; its first line must be {wanted}"
    if len(header) == 1 and any(separator in header[0] for separator in SEPARATORS):
        return f"each of its lines is in quotation marks as a whole; save it as CSV without them: {wanted}"
    if sum(_is_number(cell) for cell in header) >= min(2, len(header)):
        return f"it has no line of column names, this is a line of data; put one above it, such as {wanted}"
    return f"its first line must name them, it is {_shorten(','.join(header))!r}"


def _cells(names: Sequence[str], cells: list[str], where: str, columns: Columns) -> dict[str, str]:
    cut_off = [name for name in names[len(cells) :] if name in columns.needs(names)]
    if cut_off:
        raise DataError(f"{where}: {len(cells)} values for {len(names)} columns, none for {', '.join(cut_off)}")
    if any(cells[len(names) :]):
        commas = sum(bool(re.fullmatch(r"\d+", cell)) for cell in cells) > len(names) // 2
        hint = "; put numbers with a decimal comma in quotation marks, or part the columns by ;" if commas else ""
        raise DataError(f"{where}: {len(cells)} values for {len(names)} columns: {_shorten(','.join(cells))!r}{hint}")
    found = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    return {name: found.get(name, "") for name in columns.known}


def _is_number(text: str) -> bool:
    try:
        decimal(text)
    except ValueError:
        return False
    return True


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
