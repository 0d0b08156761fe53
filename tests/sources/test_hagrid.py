import os
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


LEFT, RIGHT = [0.1, 0.1, 0.2, 0.4], [0.6, 0.1, 0.3, 0.4]  # x, y, width, height


def hand_in(box: list[float], turned: bool = False) -> list[list[float]]:
    """21 points from one corner of a box to the other."""
    x, y, width, height = box
    steps = np.linspace(0, 1, 21)
    return np.stack([x + width * steps, y + height * (1 - steps if turned else steps)], axis=1).tolist()


FITTING, OTHER = hand_in(LEFT), hand_in(RIGHT)


@pytest.mark.parametrize(
    ("boxes", "sets", "expected"),
    [
        ([LEFT, RIGHT], [FITTING, OTHER], [FITTING, OTHER]),
        ([LEFT, RIGHT], [OTHER], [None, OTHER]),
        ([LEFT, RIGHT], [OTHER, []], [None, OTHER]),
        ([LEFT, RIGHT], [[], FITTING], [FITTING, None]),
        ([LEFT, RIGHT], [OTHER, FITTING], [FITTING, OTHER]),
        ([LEFT], [OTHER, FITTING], [FITTING]),
        ([LEFT], [OTHER], [None]),
        ([LEFT, RIGHT], [FITTING[:20], OTHER], [None, OTHER]),
        ([LEFT, RIGHT], [OTHER[:20], FITTING], [FITTING, None]),
        ([LEFT, RIGHT], [FITTING, hand_in(LEFT, turned=True)], [FITTING, None]),
        ([LEFT, LEFT], [[], FITTING], [None, FITTING]),
        ([LEFT, [0.05, 0.05, 0.9, 0.9]], [hand_in([0.05, 0.05, 0.9, 0.9]), FITTING], [FITTING, "large"]),
        ([LEFT, ["wide", 0, 1, 1]], [FITTING, OTHER], [FITTING, "rejected"]),
    ],
)
def test_set_of_landmarks_goes_to_the_box_that_its_points_lie_in_or_to_none(
    boxes: Any, sets: Any, expected: Any, tmp_path: Path, save_hagrid: Save, read: Read
) -> None:
    entry = {"bboxes": boxes, "labels": ["like"] * len(boxes), "user_id": "a", "hand_landmarks": sets}
    whole = {"bboxes": [LEFT], "labels": ["fist"], "user_id": "b", "hand_landmarks": [FITTING]}
    save_hagrid(tmp_path, "like", {"one": entry, "two": whole})
    rows, _ = read(tmp_path)
    for row, points in zip(rows, [*(points for points in expected if points != "rejected"), FITTING], strict=True):
        points = hand_in([0.05, 0.05, 0.9, 0.9]) if points == "large" else points
        assert row["landmarks"] == (points if points is None else pytest.approx(np.ravel(points).tolist()))


def test_sets_of_landmarks_that_fit_no_box_are_counted(
    tmp_path: Path, save_hagrid: Save, vocabulary: Vocabulary, labels: Labels
) -> None:
    entry = {"bboxes": [LEFT], "labels": ["like"], "user_id": "a", "hand_landmarks": [OTHER, FITTING]}
    save_hagrid(tmp_path, "like", {"one": entry, "two": entry})
    (batch,) = Hagrid(name="hagrid", root=str(tmp_path), labels=labels("hagrid")).read(vocabulary)
    assert batch.notes == [
        "annotations/train/like.json: 2 sets of landmarks lie in none of their image's boxes and are left out"
    ]


def test_landmarks_of_the_published_kind_of_gap_are_at_their_boxes(cases: Path, read: Read) -> None:
    rows, _ = read(cases / "hagrid_landmarks")
    assert [row["landmarks"] is not None for row in rows] == [False, True] * 4
    for row in rows[1::2]:
        x, y = np.reshape(row["landmarks"], (21, 2)).T
        assert row["x1"] <= x.min() <= x.max() <= row["x2"]
        assert row["y1"] <= y.min() <= y.max() <= row["y2"]


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


def test_files_beside_the_images_are_counted_and_named(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, vocabulary: Vocabulary
) -> None:
    save_hagrid(tmp_path, "FIST", {"one": hagrid_entry("FIST")})
    (tmp_path / "FIST/one.psd").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/FIST/caf\xe9.jpg")).touch()
    batches = list(Hagrid(name="hagrid", root=str(tmp_path)).read(vocabulary))
    assert sum(len(batch.table) for batch in batches) == 1
    assert [name for batch in batches for name in batch.not_images] == ["FIST/one.psd"]
    assert [row.file for batch in batches for row in batch.passed_over] == [r"FIST/caf\xe9.jpg"]


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


def test_unknown_labels_of_all_files_are_named_at_once_with_their_hands(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read
) -> None:
    save_hagrid(tmp_path, "like", {"one": hagrid_entry("like", "shrug"), "two": hagrid_entry("shrug")})
    save_hagrid(tmp_path, "fist", {"three": hagrid_entry("wave"), "four": hagrid_entry("shrug")})
    with pytest.raises(DataError) as error:
        read(tmp_path)
    file = "annotations/train/fist.json"
    assert f"unknown labels 'shrug' (3 hands in {file}), 'wave' (1 hand in {file})" in str(error.value)
    with pytest.raises(DataError, match=r"unknown labels 'shrug' \(3 hands"):
        read(tmp_path, max_per_gesture=1)


@pytest.mark.concurrent
def test_two_processes_read_the_same_as_one(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gesture in ("like", "dislike", "fist"):
        for split in ("train", "test"):
            entries = {f"{split}{i}": hagrid_entry(gesture, user=f"{split}{i % 2}") for i in range(4)}
            save_hagrid(tmp_path, gesture, entries, folder=f"annotations/{split}")
    alone, _ = read(tmp_path)
    monkeypatch.setattr(hagrid, "BYTES_IN_PARALLEL", 0)
    assert read(tmp_path)[0] == alone
    assert len(alone) == 24


def test_real_photographs_are_all_read(photographs: Path, read: Read) -> None:
    rows, rejected = read(photographs / "hagrid_mini")
    assert len(rows) == 2270
    assert not rejected
    assert len({row["image"] for row in rows}) == 2219
    assert len({row["subject"] for row in rows}) == 163
