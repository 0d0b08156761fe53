from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected
from static_gesture_classification.sources.folder import Folder

Save = Callable[..., Path]
Read = Callable[..., tuple[list[dict[str, Any]], list[Rejected]]]


@pytest.fixture
def read(vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]) -> Read:
    def rows_and_rejected(root: Path, **options: Any) -> tuple[list[dict[str, Any]], list[Rejected]]:
        batches = list(Folder(name="folder", root=str(root), labels=labels("folder"), **options).read(vocabulary))
        rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
        return rows, [entry for batch in batches for entry in batch.rejected]

    return rows_and_rejected


def box(row: dict[str, Any]) -> list[float]:
    return [round(row[name], 5) for name in ("x1", "y1", "x2", "y2")]


def test_the_whole_image_is_the_box(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/b.jpg", "like/a.png", "THUMBS_UP/c.jpg"):
        save_image(tmp_path / name)
    (tmp_path / "like/notes.txt").write_text("not an image")
    rows, rejected = read(tmp_path)
    assert [(row["image"], row["gesture"], box(row)) for row in rows] == [
        ("THUMBS_UP/c.jpg", "THUMBS_UP", [0, 0, 1, 1]),
        ("like/a.png", "THUMBS_UP", [0, 0, 1, 1]),
        ("like/b.jpg", "THUMBS_UP", [0, 0, 1, 1]),
    ]
    assert not rejected


def test_subject_is_the_folder_below_the_label(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/anna/1.jpg", "like/anna/evening/2.jpg", "fist/anna/3.jpg", "like/4.jpg"):
        save_image(tmp_path / name)
    told = {row["image"]: (row["subject"], row["session"]) for row in read(tmp_path)[0]}
    assert told == {
        "fist/anna/3.jpg": ("folder/anna", "folder/anna"),
        "like/anna/1.jpg": ("folder/anna", "folder/anna"),
        "like/anna/evening/2.jpg": ("folder/anna", "folder/anna/evening"),
        "like/4.jpg": ("", "folder/like/4.jpg"),  # nobody knows
    }


def test_subject_pattern_finds_the_person_in_the_name(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/anna_01.jpg", "like/anna_02.jpg", "like/bo_01.jpg"):
        save_image(tmp_path / name)
    rows, _ = read(tmp_path, subject_pattern=r"([^/]+)_\d+\.jpg$")
    assert [row["subject"] for row in rows] == ["folder/anna", "folder/anna", "folder/bo"]
    with pytest.raises(UserError, match="subject_pattern needs a group"):
        read(tmp_path, subject_pattern="anna")
    with pytest.raises(UserError, match="subject_pattern is not a regular expression"):
        read(tmp_path, subject_pattern="(")


def test_boxes_of_the_csv_replace_the_whole_image(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/one.jpg", "like/two.jpg"):
        save_image(tmp_path / name, width=200, height=100)
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\nlike/one.jpg,20,10,120,60\nlike/one.jpg,100,50,200,100\n")
    rows, _ = read(tmp_path)
    assert [(row["image"], box(row)) for row in rows] == [
        ("like/one.jpg", [0.1, 0.1, 0.6, 0.6]),
        ("like/one.jpg", [0.5, 0.5, 1, 1]),
        ("like/two.jpg", [0, 0, 1, 1]),
    ]
    assert len({row["sample_id"] for row in rows}) == 3


def test_csv_may_name_label_subject_session_hand_and_split(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "всё вместе/рука 1.jpg")
    line = "всё вместе\\рука 1.jpg,0.1,0.1,0.6,0.6,fist,anna,monday,left,test"
    header = "image,x1,y1,x2,y2,label,subject,session,hand,split"
    (tmp_path / "boxes.csv").write_text(f"{header}\n{line}\n", encoding="utf-8")
    ((row,), rejected) = read(tmp_path)
    assert not rejected
    assert (row["image"], box(row)) == ("всё вместе/рука 1.jpg", [0.1, 0.1, 0.6, 0.6])
    told = [row[name] for name in ("gesture", "subject", "session", "hand", "split")]
    assert told == ["FIST", "folder/anna", "folder/monday", "left", "test"]


def test_bad_lines_and_images_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/one.jpg", "like/two.jpg", "like/good.jpg"):
        save_image(tmp_path / name)
    (tmp_path / "like/empty.jpg").touch()
    (tmp_path / "like/nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    lines = ["like/one.jpg,nan,0,1,1", "like/two.jpg,left,0,1,1", "like/absent.jpg,0,0,1,1"]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,x1,y1,x2,y2", *lines]))
    rows, rejected = read(tmp_path)
    assert [row["image"] for row in rows] == ["like/good.jpg"]
    reasons = {entry.item.removesuffix(" hand 0"): entry.reason for entry in rejected}
    assert "not made of numbers" in reasons["like/one.jpg"]
    assert "not four numbers" in reasons["like/two.jpg"]
    assert reasons["like/absent.jpg"] == "image not found"
    assert reasons["like/empty.jpg"] == "cannot read the image: file is empty"
    assert "cannot read the image" in reasons["like/nowhere.jpg"]


def test_csv_without_its_columns_is_an_error_that_names_them(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "like/one.jpg")
    (tmp_path / "boxes.csv").write_text("image,left,top\n")
    with pytest.raises(DataError, match=r"boxes\.csv lacks the columns x1, y1, x2, y2"):
        read(tmp_path)


def test_unknown_label_is_an_error_that_names_its_folder(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "shrug/one.jpg")
    with pytest.raises(DataError, match=r"/shrug: unknown label 'shrug'; map each to a gesture"):
        read(tmp_path)


def test_root_without_images_is_an_error(tmp_path: Path, read: Read) -> None:
    (tmp_path / "like").mkdir()
    with pytest.raises(DataError, match=r"no <label>/<image> in .*; set sources\.folder\.root"):
        read(tmp_path)


def test_real_photographs_are_all_read(photographs: Path, read: Read) -> None:
    rows, rejected = read(photographs / "hagrid_people")
    assert len(rows) == 95
    assert not rejected
