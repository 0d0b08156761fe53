"""YOLO's layouts: Ultralytics (docs.ultralytics.com/datasets/detect, ultralytics/data/utils.py: check_det_dataset,
img2label_paths, verify_image_label), Roboflow's export, Label Studio's classes.txt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.yolo import Yolo
from tests.support.annotation_formats import nobody

Save = Callable[..., Path]
Read = Callable[..., Any]
BOX = "0 0.35 0.35 0.5 0.5"
ULTRALYTICS = "path: ../datasets/hands\ntrain: images/train\nval: images/val\ntest:\nnames:\n  0: like\n  1: fist\n"


@pytest.fixture
def save(tmp_path: Path, save_image: Save) -> Callable[..., None]:
    """Write a picture and its label file; None writes none."""

    def written(image: str, labels: str | None, path: str = "") -> None:
        save_image(tmp_path / image, 200, 100)
        if labels is not None:
            target = tmp_path / (path or image.replace("images", "labels").replace(".jpg", ".txt"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(labels)

    return written


def describe(root: Path, text: str) -> None:
    (root / "data.yaml").write_text(text, encoding="utf-8")


def test_layout_of_ultralytics(tmp_path: Path, save: Save, outcome: Read) -> None:
    save("images/train/anna/a.jpg", f"{BOX}\n\n1 0.5 0.5 1 1\n")
    save("images/val/b.jpg", "1 0.5 0.5 0.2 0.2")
    save("images/val/empty.jpg", None)
    describe(tmp_path, ULTRALYTICS)
    found = outcome(Yolo, tmp_path, subject_pattern="train/([^/]+)/")
    assert found.boxes() == [(0.1, 0.1, 0.6, 0.6), (0, 0, 1, 1), (0.4, 0.4, 0.6, 0.6)]
    assert found.told("image", "gesture", "split", "subject") == [
        ("images/train/anna/a.jpg", "THUMBS_UP", "train", "yolo/anna"),
        ("images/train/anna/a.jpg", "FIST", "train", "yolo/anna"),
        ("images/val/b.jpg", "FIST", "val", nobody(Yolo, "images/val/b.jpg")[0]),
    ]
    assert found.notes == ["1 of 2 images have no label file: no hands in them"]


def test_layout_of_roboflow(tmp_path: Path, save: Save, outcome: Read) -> None:
    for folder in ("train", "valid"):
        save(f"{folder}/images/a_jpg.rf.0{folder}.jpg", BOX)
    describe(
        tmp_path,
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['like', 'fist']\n\n"
        "roboflow:\n  workspace: w\n  project: hands\n  version: 1\n",
    )
    found = outcome(Yolo, tmp_path)
    assert found.told("split") == [("train",), ("val",)]
    assert found.notes == ["data.yaml: test: ../test/images is not there and is left out"]


def test_lists_of_pictures_and_paths_of_another_machine(tmp_path: Path, save: Save, outcome: Read) -> None:
    for name in ("a", "b", "c"):
        save(f"images/{name}.jpg", BOX)
    (tmp_path / "train.txt").write_text("./images/a.jpg\n./images/gone.jpg\n")
    (tmp_path / "val.txt").write_text("/content/hands/images/b.jpg\n")
    describe(tmp_path, "train: train.txt\nval: [/content/hands/val.txt]\nnames: [like]\n")
    found = outcome(Yolo, tmp_path)
    assert found.told("image", "split") == [("images/a.jpg", "train"), ("images/b.jpg", "val")]
    assert found.reasons["images/gone.jpg"] == "image not found"


def test_layout_of_label_studio_has_classes_and_no_splits(tmp_path: Path, save: Save, outcome: Read) -> None:
    save("images/0a1b2c3d-a.jpg", BOX)
    (tmp_path / "classes.txt").write_text("like\nfist\n")
    assert outcome(Yolo, tmp_path).told("gesture", "split") == [("THUMBS_UP", "")]


def test_layout_of_darknet(tmp_path: Path, save: Save, outcome: Read) -> None:
    """CVAT's "YOLO 1.1" export: labels beside pictures, lists whose paths begin with data/."""
    for split in ("train", "valid"):
        save(f"obj_{split}_data/a.jpg", BOX, f"obj_{split}_data/a.txt")
        (tmp_path / f"{split}.txt").write_text(f"data/obj_{split}_data/a.jpg\n")
    (tmp_path / "obj.names").write_text("like\nfist\n")
    lines = ["classes = 2", "train = data/train.txt", "valid = data/valid.txt", "names = data/obj.names", "backup = b/"]
    (tmp_path / "obj.data").write_text("\n".join(lines))
    assert outcome(Yolo, tmp_path).told("image", "gesture", "split") == [
        ("obj_train_data/a.jpg", "THUMBS_UP", "train"),
        ("obj_valid_data/a.jpg", "THUMBS_UP", "val"),
    ]


def test_polygon_becomes_the_box_around_it(tmp_path: Path, save: Save, outcome: Read) -> None:
    save("images/train/a.jpg", "0 0.1 0.2 0.5 0.3 0.4 0.8\n0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2")
    describe(tmp_path, ULTRALYTICS)
    assert outcome(Yolo, tmp_path).boxes() == [(0.1, 0.2, 0.5, 0.8), (0.1, 0.1, 0.3, 0.2)]


@pytest.mark.parametrize("each", [2, 3])
def test_21_points_are_landmarks_where_all_are_marked(each: int, tmp_path: Path, save: Save, outcome: Read) -> None:
    points = [f"{0.2 + number / 100:.2f} 0.3{' 2' if each == 3 else ''}" for number in range(21)]
    missing = [*points[:-1], "0 0 0" if each == 3 else "0 0"]
    save("images/train/a.jpg", "\n".join(f"{BOX} {' '.join(told)}" for told in (points, missing)))
    describe(tmp_path, f"{ULTRALYTICS}kpt_shape: [21, {each}]\n")
    first, second = outcome(Yolo, tmp_path).rows
    assert first["landmarks"][:4] == pytest.approx([0.2, 0.3, 0.21, 0.3])
    assert second["landmarks"] is None
    assert first["x1"] == second["x1"] == pytest.approx(0.1)


def test_bad_lines_are_rejected_with_the_reason(tmp_path: Path, save: Save, outcome: Read) -> None:
    lines = [
        "7 0.5 0.5 0.1 0.1",
        "like 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1 0.1 0.93",
        "0.5 0.5 0.5 0.1 0.1",
        "0 320 240 100 80",
        "0 0.5 0.5 0 0.1",
        BOX,
    ]
    save("images/train/a.jpg", "\n".join(lines))
    (tmp_path / "labels/train/gone.txt").write_text(BOX)
    describe(tmp_path, ULTRALYTICS)
    found = outcome(Yolo, tmp_path)
    assert len(found.rows) == 1
    reasons = list(found.reasons.values())
    assert found.reasons["line 1"] == "class 7 is not in names (0 to 1)"
    assert "it is not made of numbers: 'like" in found.reasons["line 2"]
    assert "it has 6 numbers; a box has 5" in found.reasons["line 3"]
    assert "its class is '0.5'" in found.reasons["line 4"]
    assert any("box outside the image" in reason for reason in reasons)
    assert any("box has no area" in reason for reason in reasons)
    assert found.reasons["the whole file"] == "image not found"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images\nnames: [like, no]\n", r"the name of class 1 reads as False; put it in quotes"),
        ("train: images\nnames: like\n", r"names is neither a list nor number: name"),
        ("train: images\n", r"has no names of classes; add them"),
        ("train: [images\n", r"data\.yaml is not readable YAML"),
        ("train: elsewhere\nnames: [like]\n", r"no pictures where it says they are \(train: elsewhere\)"),
        ("train: images\nnames: [like]\nkpt_shape: [21]\n", r"kpt_shape is \[21\]; it must be"),
        ("train: ..\nnames: [like]\n", r"\.\. leads out of .*; set sources\.yolo\.root to a folder that holds both"),
    ],
)
def test_bad_description_is_an_error_with_the_way_out(
    text: str, message: str, tmp_path: Path, save: Save, outcome: Read
) -> None:
    save("images/a.jpg", BOX)
    describe(tmp_path, text)
    with pytest.raises(DataError, match=message):
        outcome(Yolo, tmp_path)


def test_several_descriptions_ask_which(tmp_path: Path, save: Save, outcome: Read) -> None:
    save("images/train/a.jpg", BOX)
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(ULTRALYTICS)
    with pytest.raises(DataError, match=r"has one\.yaml, two\.yaml; say which with sources\.yolo\.data"):
        outcome(Yolo, tmp_path)
    assert len(outcome(Yolo, tmp_path, data="two.yaml").rows) == 1
