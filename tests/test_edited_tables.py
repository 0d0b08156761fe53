"""One reader for every table that people edit: what spreadsheets and labelling tools make of a CSV."""

from pathlib import Path

import pytest

from static_gesture_classification.edited_tables import Columns, TableRow, decimal, read_table
from static_gesture_classification.errors import DataError

COLUMNS = Columns(("image", "x1", "y1"), ("label",), {"file name": "image", "class": "label", "x min": "x1"})
PLAIN = "image,x1,y1,label\na.jpg,1,2,fist\nb.jpg,3,4,\n"
EXPECTED = [
    TableRow(2, {"image": "a.jpg", "x1": "1", "y1": "2", "label": "fist"}),
    TableRow(3, {"image": "b.jpg", "x1": "3", "y1": "4", "label": ""}),
]


def rows(path: Path, content: str | bytes) -> list[TableRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, COLUMNS, "boxes.csv").rows


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " | "),
        PLAIN.replace(",", ", "),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.replace("image,x1,y1,label", "IMAGE,X_1, Y 1 ,Label"),
        PLAIN.replace("image,x1,y1,label", "File_Name,xmin,y1,Class"),
        PLAIN.replace("image,x1,y1,label", '"image","x1","y1","label"'),
        PLAIN + ",,,\n\n",
        PLAIN.replace("image,x1,y1,label", "image,x1,y1,label,,").replace("fist", "fist,,"),
        "x1,notes,label,image,y1\n1,good,fist,a.jpg,2\n3,,,b.jpg,4\n",
    ],
)
def test_table_is_read_however_it_was_saved(content: str | bytes, tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", content) == EXPECTED


def test_line_that_names_the_separator_is_followed_and_counted(tmp_path: Path) -> None:
    for first in ("sep=;", '"sep=;"', "SEP=;"):
        read = rows(tmp_path / "t.csv", f"\ufeff{first}\r\nimage;x1;y1\r\na,b.jpg;0,5;2\r\n")
        assert read == [TableRow(3, {"image": "a,b.jpg", "x1": "0,5", "y1": "2", "label": ""})]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    read = rows(tmp_path / "t.csv", 'image,x1,y1,label\n\n"a\nb.jpg",1,2,\n\nc.jpg,1,2,\n')
    assert [(row["image"], row.line) for row in read] == [("a\nb.jpg", 4), ("c.jpg", 6)]


def test_letters_of_windows_are_read(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "t.csv", "image;x1;y1\nfähre/pâté.jpg;1;2\n".encode("cp1252"))
    assert row["image"] == "fähre/pâté.jpg"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\x00", r"boxes\.csv is a spreadsheet \(\.xlsx or \.ods\), .* save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"boxes\.csv is a spreadsheet \(\.xls\)"),
        ("<!DOCTYPE html>\n<table>", "is HTML or XML"),
        ('[\n {"image": 1}]', "is JSON"),
        ("кулак;1;2\n".encode("cp1251"), r"is not a readable CSV file .*UTF-8"),
        (b"\xff\xfe\x00", r"is not a readable CSV file"),
        ("", r"line 1 lacks the columns image, x1, y1; it is empty"),
        ("a.jpg,1,2,fist\n", r"line 1 lacks the columns image, x1, y1; it has no line of column names"),
        ('"image,x1,y1"\n"a.jpg,1,2"\n', "in quotation marks as a whole"),
        ("image,left,top\n", r"line 1 lacks the columns x1, y1; its first line must name them, it is 'image,left,top'"),
        ("image,x1,X 1,y1\n", r"line 1: there are two columns x1"),
        ("image,x1,y1\na.jpg,0,36,0,16\n", r"line 2: 5 values for 3 columns: .*; put numbers with a decimal comma"),
        ("image,x1,y1\na.jpg\n", r"line 2: 1 values for 3 columns, none for x1, y1"),
        ('image,x1,y1\n"a.jpg,1,2\n', r"not a readable CSV file: line 2: .*quotation mark"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        rows(tmp_path / "t.csv", content)


def test_own_column_names_go_before_other_ones(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "t.csv", "file name,image,x1,y1\nother.jpg,a.jpg,1,2\n")
    assert row["image"] == "a.jpg"


def test_decimal_commas_are_numbers() -> None:
    assert [decimal(text) for text in ("0,3631", " 12 ", "0.5", "-1,5e2")] == [0.3631, 12, 0.5, -150]
    for text in ("1,234,5", "1.234,5", "", "a"):
        with pytest.raises(ValueError, match="could not convert"):
            decimal(text)


def test_columns_that_say_the_same_in_two_ways_stand_for_each_other(tmp_path: Path) -> None:
    columns = Columns(("image",), one_of=(("x1", "x2"), ("x1", "width")))
    (tmp_path / "t.csv").write_text("image,x1,width\na.jpg,1,2\n")
    assert read_table(tmp_path / "t.csv", columns).columns == {"image", "x1", "width"}
    (tmp_path / "t.csv").write_text("image,width\na.jpg,1\n")
    with pytest.raises(DataError, match="lacks the columns x1, x2"):
        read_table(tmp_path / "t.csv", columns)
