"""COCO as its own page, Roboflow and CVAT write it (structure: cocodataset.org/#format-data; Roboflow's
_annotations.coco.json, whose category 0 is a supercategory; CVAT's instances_default.json with `attributes`)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.coco import Coco
from tests.support.annotation_formats import nobody

Save = Callable[..., Path]
Read = Callable[..., Any]
POINTS = [value for number in range(21) for value in (20.0 + number, 40.0 + number, 2)]
ROBOFLOW = [
    {"id": 0, "name": "hands", "supercategory": "none"},
    {"id": 1, "name": "like", "supercategory": "hands"},
    {"id": 2, "name": "fist", "supercategory": "hands"},
]


def save(path: Path, images: list[Any], annotations: list[Any], categories: list[Any] = ROBOFLOW, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content | more), encoding="utf-8")


def image(number: int, name: str, width: int = 200, height: int = 100) -> dict[str, Any]:
    return {"id": number, "license": 1, "file_name": name, "height": height, "width": width}


def hand(number: int, picture: int = 1, category: int = 1, box: Any = (20, 10, 100, 50), **more: Any) -> dict[str, Any]:
    shape = {"bbox": list(box) if isinstance(box, tuple) else box, "area": 5000, "segmentation": [], "iscrowd": 0}
    return {"id": number, "image_id": picture, "category_id": category} | shape | more


def test_boxes_are_pixels_from_a_corner_with_a_size(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "train/a_jpg.rf.0f.jpg", 200, 100)
    save(tmp_path / "train/_annotations.coco.json", [image(1, "a_jpg.rf.0f.jpg")], [hand(1), hand(2, category=2)])
    found = outcome(Coco, tmp_path)
    assert found.boxes() == [(0.1, 0.1, 0.6, 0.6)] * 2
    assert found.told("image", "gesture", "source_label", "split") == [
        ("train/a_jpg.rf.0f.jpg", "THUMBS_UP", "like", "train"),
        ("train/a_jpg.rf.0f.jpg", "FIST", "fist", "train"),
    ]
    assert len({row["sample_id"] for row in found.rows}) == 2


def test_split_and_picture_folder_are_those_that_the_file_names(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for split in ("train", "val"):
        save_image(tmp_path / f"{split}2017/000000000001.jpg", 200, 100)
        save(tmp_path / f"annotations/instances_{split}2017.json", [image(1, "000000000001.jpg")], [hand(1)])
    assert outcome(Coco, tmp_path).told("image", "split") == [
        ("train2017/000000000001.jpg", "train"),
        ("val2017/000000000001.jpg", "val"),
    ]
    named = outcome(Coco, tmp_path, annotations={"annotations/instances_val2017.json": "test"})
    assert named.told("image", "split") == [("val2017/000000000001.jpg", "test")]
    with pytest.raises(DataError, match=r"gone\.json is not there; mend sources\.coco\.annotations"):
        outcome(Coco, tmp_path, annotations={"gone.json": "test"})


def test_picture_in_two_splits_is_rejected_in_the_second(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "images/a.jpg", 200, 100)
    for split in ("train", "val"):
        save(tmp_path / f"annotations/{split}.json", [image(1, "a.jpg")], [hand(1)])
    found = outcome(Coco, tmp_path)
    assert found.told("split") == [("train",)]
    assert list(found.reasons.values()) == ["it is in train (annotations/train.json) and in val (annotations/val.json)"]


def test_attributes_tell_who_and_which_hand(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "images/default/a.jpg", 200, 100)
    told = {"subject": "anna", "session": "monday", "hand": "Left", "occluded": False}
    hands = [hand(1, attributes=told), hand(2, attributes={"subject": "recorded/bo"}), hand(3)]
    save(tmp_path / "annotations/instances_default.json", [image(1, "a.jpg")], hands)
    assert outcome(Coco, tmp_path).told("subject", "session", "hand") == [
        ("coco/anna", "coco/monday", "left"),
        ("recorded/bo", "recorded/bo", ""),
        (*nobody(Coco, "images/default/a.jpg"), ""),
    ]
    by_path = outcome(Coco, tmp_path, subject_pattern=r"(?P<session>images)/([^/]+)/").told("subject", "session")
    assert by_path[2] == ("coco/images", "coco/images")


def test_21_keypoints_are_landmarks_where_all_are_marked(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    hands = [
        hand(1, keypoints=POINTS, num_keypoints=21),
        hand(2, keypoints=[*POINTS[:-3], 0, 0, 0]),
        hand(3, keypoints=POINTS[:51]),
    ]
    save(tmp_path / "hands.json", [image(1, "a.jpg")], hands)
    first, second, third = outcome(Coco, tmp_path).rows
    assert first["landmarks"][:4] == pytest.approx([0.1, 0.4, 0.105, 0.41])
    assert second["landmarks"] is None
    assert third["landmarks"] is None


def test_bad_entries_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    (tmp_path / "empty.jpg").touch()
    images = [image(1, "a.jpg"), image(2, "gone.jpg"), image(3, "empty.jpg"), image(1, "other.jpg"), {"id": 9}]
    hands = [
        hand(1),
        hand(2, category=77),
        hand(3, picture=66),
        hand(4, picture=2),
        hand(5, box=(20, 10, 0, 50)),
        hand(6, box=["20", "ten", 5, 5]),
        hand(7, box=[]),
        hand(8, picture=3),
        hand(9, box=(150, 10, 100, 50)),
        "no object",
    ]
    save(tmp_path / "hands.json", images, hands)
    found = outcome(Coco, tmp_path)
    assert len(found.rows) == 1
    reasons = {item.removesuffix(" hand 0").partition(" hand ")[0]: reason for item, reason in found.reasons.items()}
    assert reasons["annotation 2 of a.jpg"] == "category_id 77 is in no entry of categories"
    assert reasons["annotation 3"] == "image_id 66 is in no entry of images"
    assert reasons["annotation 4 of gone.jpg"] == "image not found"
    assert "box has no area" in reasons["annotation 5 of a.jpg"]
    assert "box is not four numbers: ['20', 'ten', 5, 5]" in reasons["annotation 6 of a.jpg"]
    assert reasons["annotation 7 of a.jpg"] == "box is not four numbers: []"
    assert reasons["annotation 8 of empty.jpg"] == "cannot read the image: file is empty"
    assert "box outside the image" in reasons["annotation 9 of a.jpg"]
    assert reasons["image 1 (other.jpg)"] == "its id is 'a.jpg''s too; the first is kept"
    assert reasons["image 4"] == "the entry lacks id or file_name"
    assert reasons["'no object'"] == "the annotation is not an object"


def test_picture_of_another_shape_than_stated_is_rejected(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "turned.jpg", 100, 200)
    save_image(tmp_path / "smaller.jpg", 100, 50)
    save(
        tmp_path / "hands.json",
        [image(1, "turned.jpg"), image(2, "smaller.jpg")],
        [hand(1), hand(2, picture=2), hand(3, picture=2, box=(0, 0, 200, 100))],
    )
    found = outcome(Coco, tmp_path)
    assert found.boxes() == [(0.1, 0.1, 0.6, 0.6), (0, 0, 1, 1)]
    assert list(found.reasons.values()) == [
        "it was marked as a picture of 200 x 100 pixels, but is 100 x 200 (turned, cut or another picture)"
    ]


def test_boxes_are_of_the_upright_picture(photographs: Path, tmp_path: Path, save_image: Save, outcome: Read) -> None:
    """A photograph that a phone stored lying, with a box in the pixels that every labelling tool shows."""
    cases = photographs.parent / "cases/exif_boxes"
    for case in ("phone", "upright"):
        with Image.open(cases / case / "like/IMG_0001.jpg") as stored:
            width, height = ImageOps.exif_transpose(stored).size
        (tmp_path / case).mkdir()
        (tmp_path / case / "IMG_0001.jpg").symlink_to(cases / case / "like/IMG_0001.jpg")
        entry = image(1, "IMG_0001.jpg", width, height)
        save(tmp_path / case / "hands.json", [entry], [hand(1, box=(252, 222, 228, 279))])
    assert outcome(Coco, tmp_path / "phone").boxes(2) == [(0.33, 0.22, 0.63, 0.5)]
    assert outcome(Coco, tmp_path / "phone").boxes() == outcome(Coco, tmp_path / "upright").boxes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_measured_upright(orientation: int, tmp_path: Path, outcome: Read) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (100, 200) if orientation >= 5 else (200, 100)).save(tmp_path / "a.jpg", exif=exif)
    without_size = {"id": 1, "file_name": "a.jpg"}
    for entry in (image(1, "a.jpg"), without_size):
        save(tmp_path / "hands.json", [entry], [hand(1)])
        assert outcome(Coco, tmp_path).boxes() == [(0.1, 0.1, 0.6, 0.6)]


def test_names_of_another_machine_and_ambiguous_ones(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for name in ("like/anna/1.jpg", "bo/2.jpg", "cy/2.jpg", "cafe\u0301.jpg"):
        save_image(tmp_path / name, 200, 100)
    names = ["C:\\data\\hands\\like\\anna\\1.jpg", "2.jpg", "caf\u00e9.jpg", "dora/1.jpg"]
    images = [image(number, name) for number, name in enumerate(names)]
    save(tmp_path / "hands.json", images, [hand(number, picture=number) for number in range(4)])
    found = outcome(Coco, tmp_path)
    assert found.told("image") == [("like/anna/1.jpg",), ("cafe\u0301.jpg",)]
    assert list(found.reasons.values()) == ["2 files have this name: bo/2.jpg, cy/2.jpg", "image not found"]


def test_pictures_without_annotation_and_other_json_are_said(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    save(tmp_path / "hands.json", [image(1, "a.jpg"), image(2, "b.jpg")], [hand(1)])
    (tmp_path / "captions.json").write_text(json.dumps({"images": [], "annotations": []}))
    (tmp_path / "package.json").write_text("{}")
    assert sorted(outcome(Coco, tmp_path).notes) == [
        "captions.json is not COCO detection (it lacks images, annotations or categories) and is left out",
        "hands.json: 1 of 2 images have no annotation",
    ]


def test_broken_json_is_an_error_that_names_the_file(tmp_path: Path, outcome: Read) -> None:
    (tmp_path / "hands.json").write_text('{"images": [], "annotations": [{"id": 1')
    with pytest.raises(DataError, match=r"hands\.json is not whole JSON .* export it again or delete it"):
        outcome(Coco, tmp_path)


def test_archive_instead_of_its_content_is_an_error_that_says_unpack(tmp_path: Path, outcome: Read) -> None:
    archive = tmp_path / "hands.zip"
    archive.touch()
    with pytest.raises(DataError, match=r"no COCO annotations .*; unpack .*/hands\.zip there"):
        outcome(Coco, tmp_path)
    with pytest.raises(DataError, match=r"hands\.zip is an archive; unpack it and name its folder"):
        Coco(name="coco", root=str(archive)).present()
