from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected
from static_gesture_classification.sources.hands import HandsDataset

Save = Callable[..., Path]
Read = Callable[[Path], tuple[list[dict[str, Any]], list[Rejected]]]
HEADER = "rgb,depth,Punch_VFR,Punch_VFL,Six_VFR,Six_VFL,Horiz_HBL,Collab"
NONE = "[0 0 0 0]"


@pytest.fixture
def read(vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]) -> Read:
    def rows_and_rejected(root: Path) -> tuple[list[dict[str, Any]], list[Rejected]]:
        batches = list(HandsDataset(name="hands", root=str(root), labels=labels("hands")).read(vocabulary))
        rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
        return rows, [entry for batch in batches for entry in batch.rejected]

    return rows_and_rejected


def save_table(root: Path, *lines: list[str], subject: str = "Subject1") -> None:
    text = [HEADER]
    for frame, cells in enumerate(lines):
        text.append(",".join([rf".\{subject}\Color\{frame}_color.png", rf".\{subject}\Depth\{frame}.png", *cells]))
    (root / subject).mkdir(parents=True, exist_ok=True)
    (root / subject / f"{subject}.txt").write_text("\r\n".join(text) + "\r\n")


def test_pixel_boxes_become_shares_of_the_real_frame(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "Subject1/Subject1/0_color.png", width=480, height=360)
    save_table(tmp_path, ["[48 36 96 72]", NONE, NONE, "[240 180 240 180]", NONE, NONE])
    (fist, three), rejected = read(tmp_path)
    assert not rejected
    assert [fist[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert [three[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0.5, 0.5, 1.0, 1.0])
    assert (fist["gesture"], fist["source_label"], fist["hand"]) == ("FIST", "Punch", "right")
    assert (three["gesture"], three["source_label"], three["hand"]) == ("THREE", "Six", "left")
    assert {fist["image"], three["image"]} == {"Subject1/Subject1/0_color.png"}
    assert {fist["subject"], fist["session"], three["subject"]} == {"hands/Subject1"}


def test_gestures_of_two_hands_are_left_out(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "Subject1/Subject1/0_color.png")
    save_table(tmp_path, [NONE, NONE, NONE, NONE, "[0 0 16 12]", "[1 1 20 20]"])
    (row,), rejected = read(tmp_path)
    assert (row["gesture"], row["source_label"], row["hand"]) == ("BACKGROUND", "Horiz", "left")
    assert not rejected


def test_images_are_also_found_where_the_table_says(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "Subject1/Color/0_color.png")
    save_table(tmp_path, ["[0 0 16 12]", NONE, NONE, NONE, NONE, NONE])
    assert [row["image"] for row in read(tmp_path)[0]] == ["Subject1/Color/0_color.png"]


def test_bad_lines_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, read: Read) -> None:
    for frame in (0, 1, 2):
        save_image(tmp_path / f"Subject1/Subject1/{frame}_color.png")
    (tmp_path / "Subject1/Subject1/1_color.png").write_bytes(b"")
    (tmp_path / "Subject1/Subject1/2_color.png").write_bytes(b"no image")
    hand = ["[0 0 16 12]", NONE, NONE, NONE, NONE, NONE]
    save_table(tmp_path, hand, hand, hand, hand, ["[0 x 16 12]", *hand[1:]], ["[nan 0 16 12]", *hand[1:]], ["[0 0"])
    for frame in (4, 5, 6):
        save_image(tmp_path / f"Subject1/Subject1/{frame}_color.png")
    rows, rejected = read(tmp_path)
    assert len(rows) == 1
    reasons = {entry.item: entry.reason for entry in rejected}
    assert reasons["1_color.png hand 0"] == "cannot read the image: file is empty"
    assert "not an image" in reasons["2_color.png hand 0"]
    assert reasons["3_color.png hand 0"] == "image not found"
    assert "box is not four numbers" in reasons["4_color.png hand 0"]
    assert "not made of numbers" in reasons["5_color.png hand 0"]
    assert "box is not four numbers" in reasons["6_color.png hand 0"]


def test_subject_without_images_is_left_out_with_a_note(
    tmp_path: Path, save_image: Save, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    save_table(tmp_path, ["[0 0 16 12]", NONE, NONE, NONE, NONE, NONE])
    (batch,) = HandsDataset(name="hands", root=str(tmp_path), labels=labels("hands")).read(vocabulary)
    assert (len(batch.table), batch.rejected) == (0, [])
    assert batch.notes == ["Subject1: no images in Subject1/Subject1, its annotations are left out"]


def test_root_without_a_table_is_an_error(tmp_path: Path, read: Read) -> None:
    with pytest.raises(DataError, match=r"no SubjectN/SubjectN\.txt in .*; set sources\.hands\.root"):
        read(tmp_path)


def test_table_without_a_header_is_an_error_that_names_it(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "Subject1/Subject1/0_color.png")
    (tmp_path / "Subject1/Subject1.txt").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"Subject1/Subject1\.txt has no header"):
        read(tmp_path)


def test_real_photographs_are_all_read(photographs: Path, read: Read) -> None:
    rows, rejected = read(photographs / "hands_mini")
    assert len(rows) == 296
    assert not rejected
    assert {row["subject"] for row in rows} == {f"hands/Subject{number}" for number in range(1, 6)}
    assert {row["hand"] for row in rows} == {"left", "right"}
