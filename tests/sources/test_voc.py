"""Pascal VOC: the devkit's layout and example (VOC2007/Annotations/000001.xml), labelImg's XML beside the picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.sources.voc import Voc

Save = Callable[..., Path]
Read = Callable[..., Any]
PERSON = "<attributes><attribute><name>subject</name><value>anna</value></attribute></attributes>"


def thing(box: str = "<xmin>21</xmin><ymin>11</ymin><xmax>120</xmax><ymax>60</ymax>", name: str = "like") -> str:
    """An object as the devkit writes it, with a part whose own box is none of ours."""
    part = "<part><name>thumb</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    return (
        f"<object><name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
        f"<bndbox>{box}</bndbox>{part}{PERSON}</object>"
    )


def save(path: Path, *objects: str, filename: str = "gone.jpg", width: int = 200, height: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    head = f"<folder>VOC2007</folder><filename>{filename}</filename><source><database>x</database></source>{size}"
    path.write_text(f"<annotation>{head}<segmented>0</segmented>{''.join(objects)}</annotation>", encoding="utf-8")


def test_pixels_are_counted_from_one_unless_told(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "JPEGImages/000001.jpg", 200, 100)
    whole = "<xmin>1</xmin><ymin>1</ymin><xmax>200</xmax><ymax>100</ymax>"
    save(tmp_path / "Annotations/000001.xml", thing(), thing(whole))
    found = outcome(Voc, tmp_path)
    assert found.boxes() == [(0.1, 0.1, 0.6, 0.6), (0, 0, 1, 1)]
    assert found.told("image", "gesture", "subject", "hand")[0] == (
        "JPEGImages/000001.jpg",
        "THUMBS_UP",
        "voc/anna",
        "",
    )
    assert outcome(Voc, tmp_path, first_pixel=0).boxes()[0] == (0.105, 0.11, 0.6, 0.6)
    with pytest.raises(UserError, match="first_pixel is 2"):
        outcome(Voc, tmp_path, first_pixel=2)


def test_lists_name_the_split_and_train_and_val_overrule_trainval(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for number in range(4):
        save_image(tmp_path / f"VOC2007/JPEGImages/{number}.jpg", 200, 100)
        save(tmp_path / f"VOC2007/Annotations/{number}.xml", thing())
    lists = tmp_path / "VOC2007/ImageSets/Main"
    lists.mkdir(parents=True)
    for name, lines in {"trainval": "0\n1\n2\n", "val": "1\n", "test": "3\n", "like_train": "3  1\n"}.items():
        (lists / f"{name}.txt").write_text(lines)
    assert sorted(outcome(Voc, tmp_path).told("image", "split")) == [
        ("VOC2007/JPEGImages/0.jpg", "train"),
        ("VOC2007/JPEGImages/1.jpg", "val"),
        ("VOC2007/JPEGImages/2.jpg", "train"),
        ("VOC2007/JPEGImages/3.jpg", "test"),
    ]


def test_lists_name_pictures_in_folders_as_datumaro_writes_them(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for folder in ("anna", "bo"):
        save_image(tmp_path / f"JPEGImages/{folder}/1.jpg", 200, 100)
        save(tmp_path / f"Annotations/{folder}/1.xml", thing(), filename=f"{folder}/1.jpg")
    lists = tmp_path / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "test.txt").write_text("bo/1\n")
    assert sorted(outcome(Voc, tmp_path).told("image", "split")) == [
        ("JPEGImages/anna/1.jpg", ""),
        ("JPEGImages/bo/1.jpg", "test"),
    ]


def test_xml_beside_its_picture_wins_over_the_name_in_it(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for name in ("valid/renamed.jpg", "valid/old.jpg"):
        save_image(tmp_path / name, 200, 100)
    save(tmp_path / "valid/renamed.xml", thing(), filename="old.jpg")
    save(tmp_path / "valid/other.xml", thing(), filename="old.jpg")
    assert sorted(outcome(Voc, tmp_path).told("image", "split")) == [
        ("valid/old.jpg", "val"),
        ("valid/renamed.jpg", "val"),
    ]


def test_bad_files_and_objects_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for name in "abcdef":
        save_image(tmp_path / f"{name}.jpg", 200, 100)
    save(tmp_path / "a.xml", thing("<xmin>one</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"), thing())
    save(tmp_path / "b.xml", thing("<xmin>9</xmin><ymin>1</ymin><xmax>5</xmax><ymax>9</ymax>"))
    save(tmp_path / "c.xml", "<object><name>like</name><robndbox><cx>5</cx></robndbox></object>")
    (tmp_path / "d.xml").write_text("<annotation><object>")
    (tmp_path / "e.xml").write_text("<annotations><version>1.1</version></annotations>")
    save(tmp_path / "gone.xml", thing())
    save(tmp_path / "f.xml", thing(), width=100, height=200)
    found = outcome(Voc, tmp_path)
    assert len(found.rows) == 1
    reasons = {item.removesuffix(" hand 0"): reason for item, reason in found.reasons.items()}
    assert "its bndbox is not four numbers: xmin 'one'" in reasons["a.xml object 0"]
    assert "box has no area" in reasons["b.xml object 0"]
    assert "its bndbox is not four numbers: xmin None" in reasons["c.xml object 0"]
    assert reasons["gone.xml object 0"] == "image not found"
    assert "marked as a picture of 100 x 200 pixels, but is 200 x 100" in reasons["f.xml object 0"]
    assert "its root is <annotations>, no annotation" in reasons["the whole file"]


def test_entities_are_refused_and_read_nothing(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    (tmp_path / "secret.txt").write_text("like")
    doctype = f'<!DOCTYPE annotation [<!ENTITY name SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]>'
    save(tmp_path / "a.xml", thing(name="&name;"))
    (tmp_path / "a.xml").write_text(doctype + (tmp_path / "a.xml").read_text())
    found = outcome(Voc, tmp_path)
    assert not found.rows
    assert "entities" in found.reasons["the whole file"]
