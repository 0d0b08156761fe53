from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected
from static_gesture_classification.sources import hagrid
from static_gesture_classification.sources.hagrid import Hagrid

Save = Callable[..., Path]
Entry = Callable[..., dict[str, Any]]
Labels = Callable[[str], dict[str, str]]


@pytest.fixture
def read(vocabulary: Vocabulary, labels: Labels) -> Callable[..., tuple[list[dict[str, Any]], list[Rejected]]]:
    def rows_and_rejected(root: Path, **options: Any) -> tuple[list[dict[str, Any]], list[Rejected]]:
        batches = list(Hagrid(name="hagrid", root=str(root), labels=labels("hagrid"), **options).read(vocabulary))
        rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
        return rows, [entry for batch in batches for entry in batch.rejected]

    return rows_and_rejected


Read = Callable[..., tuple[list[dict[str, Any]], list[Rejected]]]


def test_every_hand_of_an_image_becomes_a_row(tmp_path: Path, save_hagrid: Save, read: Read) -> None:
    entry = {"bboxes": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.25, 0.5]], "labels": ["like", "no_gesture"], "user_id": "ab"}
    save_hagrid(tmp_path, "like", {"one": entry}, folder="annotations/val")
    (first, second), rejected = read(tmp_path)
    assert not rejected
    assert [first[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0.1, 0.2, 0.4, 0.6])
    assert [second[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0.5, 0.5, 0.75, 1.0])
    assert (first["gesture"], second["gesture"]) == ("THUMBS_UP", "BACKGROUND")
    assert (first["source_label"], second["source_label"]) == ("like", "no_gesture")
    assert first["sample_id"] != second["sample_id"]
    for row in (first, second):
        assert (row["image"], row["root"], row["source"]) == ("like/one.jpg", str(tmp_path), "hagrid")
        assert (row["subject"], row["session"], row["split"], row["hand"]) == ("ab", "ab", "val", "")
        assert row["landmarks"] is None


def test_landmarks_of_version_2_are_kept_per_hand(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    points = np.linspace(0, 1, 42).reshape(21, 2)
    entry = hagrid_entry("like", "no_gesture", hand_landmarks=[[], points.tolist()])
    save_hagrid(tmp_path, "like", {"one": entry, "two": hagrid_entry("like", hand_landmarks=None)})
    (first, second, third), _ = read(tmp_path)
    assert first["landmarks"] is None
    assert third["landmarks"] is None
    assert second["landmarks"] == pytest.approx(points.ravel().tolist())


def test_unusable_landmarks_do_not_cost_the_hand(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    points = np.full((21, 2), 0.5).tolist()
    marks = [points, points[:20], [["left", 0.5]] * 21, points]
    entries = {f"image{i}": hagrid_entry("like", hand_landmarks=[mark]) for i, mark in enumerate(marks)}
    save_hagrid(tmp_path, "like", entries)
    rows, rejected = read(tmp_path)
    assert [row["landmarks"] is None for row in rows] == [False, True, True, False]
    assert not rejected


def test_version_1_is_read_as_its_archives_unpack(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    points = np.full((21, 2), 0.5).tolist()
    old = hagrid_entry("no_gesture", "one", leading_hand="left", leading_conf=1.0, landmarks=[[], points])
    save_hagrid(tmp_path, "one", {"first": old}, folder="ann_train_val", images="train_val_one")
    save_hagrid(tmp_path, "one", {"second": old}, folder="ann_test", images="test/one")
    rows, rejected = read(tmp_path)
    assert not rejected
    assert [(row["image"], row["split"], row["hand"]) for row in rows] == [
        ("train_val_one/first.jpg", "train", "right"),
        ("train_val_one/first.jpg", "train", "left"),
        ("test/one/second.jpg", "test", "right"),
        ("test/one/second.jpg", "test", "left"),
    ]
    assert [row["landmarks"] is None for row in rows] == [True, False, True, False]


def test_gesture_without_image_folder_is_left_out_with_one_note(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, vocabulary: Vocabulary, labels: Labels
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like")})
    save_hagrid(tmp_path, "fist", {f"absent{i}": hagrid_entry("fist") for i in range(50)}, images="../elsewhere")
    batches = list(Hagrid(name="hagrid", root=str(tmp_path), labels=labels("hagrid")).read(vocabulary))
    assert sum(len(batch.table) for batch in batches) == 1
    assert sum(len(batch.rejected) for batch in batches) == 0
    notes = [note for batch in batches for note in batch.notes]
    assert notes == ["fist: no folder of images, its annotations are left out"]


def test_missing_image_in_a_folder_that_is_there_is_rejected(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"here": hagrid_entry("like"), "gone": hagrid_entry("like")})
    (tmp_path / "like/gone.jpg").unlink()
    rows, rejected = read(tmp_path)
    assert [row["image"] for row in rows] == ["like/here.jpg"]
    assert rejected == [Rejected("hagrid", "annotations/train/like.json", "gone hand 0", "image not found")]


def test_annotations_alone_are_enough_where_images_are_not_required(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like")}, images="../elsewhere")
    rows, rejected = read(tmp_path, require_images=False)
    assert [row["image"] for row in rows] == ["like/one.jpg"]
    assert not rejected


def test_names_with_spaces_and_other_letters_are_found(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path / "моя папка", "like", {"две руки 手": hagrid_entry("like")})
    rows, _ = read(tmp_path / "моя папка")
    assert [row["image"] for row in rows] == ["like/две руки 手.jpg"]


@pytest.mark.parametrize("suffix", [".jpeg", ".png", ".JPG"])
def test_any_image_suffix_is_found(
    suffix: str, tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like")})
    (tmp_path / "like/one.jpg").rename(tmp_path / f"like/one{suffix}")
    assert [row["image"] for row in read(tmp_path)[0]] == [f"like/one{suffix}"]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([0.1, 0.1, float("nan"), 0.2], "not made of numbers"),
        ([0.1, 0.1, "wide", 0.2], "not made of four numbers"),
        ([0.1, 0.1, 0.2], "not made of four numbers"),
        (None, "not made of four numbers"),
        ([0.1, 0.1, 0.0, 0.2], "has no area"),
        ([0.1, 0.1, -0.2, 0.2], "has no area"),
        ([1.2, 0.1, 0.2, 0.2], "outside the image"),
        ([-0.3, 0.1, 0.5, 0.2], "outside the image"),
        ([0.5, 0.5, 0.8, 0.2], "outside the image"),
    ],
)
def test_bad_box_is_rejected_alone(
    box: Any, reason: str, tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    bad = hagrid_entry("like", "like")
    bad["bboxes"][1] = box
    save_hagrid(tmp_path, "like", {"bad": bad, "good": hagrid_entry("like")})
    rows, (rejected,) = read(tmp_path)
    assert [row["image"] for row in rows] == ["like/bad.jpg", "like/good.jpg"]
    assert (rejected.file, rejected.item) == ("like/bad.jpg", "bad hand 1")
    assert reason in rejected.reason


def test_box_a_little_beyond_the_image_is_clipped_and_counted(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, vocabulary: Vocabulary, labels: Labels
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like", box=(-0.01, 0.5, 0.4, 0.515))})
    (batch,) = Hagrid(name="hagrid", root=str(tmp_path), labels=labels("hagrid")).read(vocabulary)
    (row,) = batch.table.to_pylist()
    assert [row[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx([0, 0.5, 0.39, 1.0])
    assert batch.clipped == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (["like"], "entry is not an object"),
        ({"labels": ["like"]}, "lacks bboxes or labels"),
        ({"bboxes": [[0, 0, 1, 1]], "labels": ["like", "like"]}, "1 boxes but 2 labels"),
        ({"bboxes": [[0, 0, 1, 1]], "labels": [7]}, "a label is not text"),
    ],
)
def test_malformed_entry_is_rejected_alone(
    entry: Any, reason: str, tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"bad": entry, "good": hagrid_entry("like")})
    rows, (rejected,) = read(tmp_path)
    assert [row["image"] for row in rows] == ["like/good.jpg"]
    assert (rejected.file, rejected.item) == ("annotations/train/like.json", "bad")
    assert reason in rejected.reason


def test_of_a_hand_without_a_user_nobody_knows_who_it_is(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {name: hagrid_entry("like", user="") for name in ("one", "two")})
    rows, _ = read(tmp_path)
    assert [(row["subject"], row["session"]) for row in rows] == [("", "hagrid/one"), ("", "hagrid/two")]


@pytest.mark.parametrize("content", ['{"one": {"bboxes": [[0.1, 0.2', "", "[1, 2]"])
def test_broken_annotation_file_is_an_error_that_names_it(
    content: str, tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like")}).write_text(content)
    with pytest.raises(DataError, match=r"annotations/train/like\.json .*fetch it again .* or delete it"):
        read(tmp_path)


def test_missing_annotations_are_an_error_that_says_where_they_were_looked_for(
    tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "like/one.jpg")
    with pytest.raises(DataError, match=r"no HaGRID annotations in .*annotations/.* set sources\.hagrid\.root"):
        read(tmp_path)


def test_unknown_label_is_an_error_that_names_it_its_file_and_the_way_out(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like", "shrug")})
    with pytest.raises(DataError, match=r"annotations/train/like\.json: unknown label 'shrug'.*labels\.shrug=ignore"):
        read(tmp_path)


def test_two_processes_read_the_same_as_one(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gesture in ("like", "dislike", "fist"):
        for split in ("train", "test"):
            entries = {f"{split}{i}": hagrid_entry(gesture, user=f"{split}{i % 2}") for i in range(4)}
            save_hagrid(tmp_path, gesture, entries, folder=f"annotations/{split}")
    alone, _ = read(tmp_path)
    monkeypatch.setattr(hagrid, "PARALLEL_FROM", 0)
    assert read(tmp_path)[0] == alone
    assert len(alone) == 24


def test_real_photographs_are_all_read(photographs: Path, read: Read) -> None:
    rows, rejected = read(photographs / "hagrid_mini")
    assert len(rows) == 2270
    assert not rejected
    assert len({row["image"] for row in rows}) == 2219
    assert len({row["subject"] for row in rows}) == 163
