import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hydra import compose, initialize_config_dir

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected, read_samples
from static_gesture_classification.sources import unknown_labels
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


def test_table_without_boxes_tells_who_shows_what_in_whole_images(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("set a/1.jpg", "set a/2.jpg", "others/3.jpg"):
        save_image(tmp_path / name)
    (tmp_path / "list.csv").write_text("file,label,person\nset a/1.jpg,like,anna\nothers/3.jpg,fist,anna\n")
    rows, rejected = read(tmp_path, boxes="list.csv", unlisted=False)
    assert [(row["image"], row["gesture"], row["subject"], box(row)) for row in rows] == [
        ("set a/1.jpg", "THUMBS_UP", "folder/anna", [0, 0, 1, 1]),
        ("others/3.jpg", "FIST", "folder/anna", [0, 0, 1, 1]),
    ]
    assert not rejected
    with pytest.raises(DataError, match="set a"):  # which is no label
        read(tmp_path, boxes="list.csv")


def test_only_the_table_and_its_images_are_watched_where_nothing_else_is_read(tmp_path: Path, save_image: Save) -> None:
    for name in ("like/1.jpg", "like/2.jpg"):
        save_image(tmp_path / name)
    (tmp_path / "boxes.csv").write_text("image,label\nlike/1.jpg,like\n")
    watched = {Path(path) for path in Folder(name="folder", root=str(tmp_path), unlisted=False).paths_to_watch()}
    assert watched == {tmp_path / "boxes.csv", tmp_path / "like/1.jpg"}
    every = {Path(path) for path in Folder(name="folder", root=str(tmp_path)).paths_to_watch()}
    assert every == watched | {tmp_path / "like/2.jpg"}


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
    assert reasons["line 4: like/absent.jpg"] == "image not found"
    assert reasons["like/empty.jpg"] == "cannot read the image: file is empty"
    assert "cannot read the image" in reasons["like/nowhere.jpg"]


def test_csv_without_its_columns_is_an_error_that_names_them(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "like/one.jpg")
    (tmp_path / "boxes.csv").write_text("image,left,top\n")
    with pytest.raises(DataError, match=r"boxes\.csv, line 1 lacks the columns x2, y2; its first line must name them"):
        read(tmp_path)


AWKWARD = ("thumbs up", "кулак", "v1.5", "C++", "like (2)", "NO", "[x]", "a: b", "1e5", "it's")


def test_unknown_labels_are_named_with_lines_that_map_them(tmp_path: Path, save_image: Save, read: Read) -> None:
    for label in AWKWARD:
        save_image(tmp_path / label / "one.jpg")
    with pytest.raises(DataError) as error:
        read(tmp_path)
    lines = str(error.value).partition("\n\n")[2].partition("\n\n")[0]
    mapped = yaml.safe_load(lines)["sources"]["folder"]["labels"]
    assert set(mapped) == set(AWKWARD)
    assert (mapped["thumbs up"], mapped["like (2)"], mapped["v1.5"]) == ("THUMBS_UP", "THUMBS_UP", "ignore")


@pytest.mark.parametrize("label", ["thumbs up", "v1.5", "C++", "like (2)", "NO", "[x]", "a: b", "a,b=c", "shrug"])
def test_suggested_override_maps_the_label(label: str) -> None:
    suggested = unknown_labels.override("folder", {label: "FIST", "like": "ONE"})
    assert suggested is not None
    with initialize_config_dir(str(CONF), version_base="1.3"):
        labels = compose("config", overrides=["sources=[folder]", suggested]).sources.folder.labels
    assert (labels[label], labels["like"], labels["dislike"]) == ("FIST", "ONE", "THUMBS_DOWN")


@pytest.mark.parametrize("label", ["кулак", "it's", "1", "1e5", "true", "null"])
def test_no_override_is_suggested_that_would_not_map_the_label(label: str) -> None:
    assert unknown_labels.override("folder", {label: "FIST"}) is None


def test_suggested_command_works_when_it_is_pasted_in_a_shell(tmp_path: Path, save_image: Save) -> None:
    for label in ("thumbs up", "v1.5", "C++", "like (2)"):
        save_image(tmp_path / "photos" / label / "one.jpg")
    source = Folder(name="folder", root=str(tmp_path / "photos"), labels={"like": "THUMBS_UP"})
    with pytest.raises(DataError) as error:
        list(source.read(Vocabulary(("THUMBS_UP", "FIST"))))
    suggested = str(error.value).rpartition("for one command: ")[2]
    settings = f"'sources=[folder]' sources.folder.root={tmp_path}/photos paths.index={tmp_path}/index"
    command = f"{sys.executable} -m static_gesture_classification.preparation.index {settings} {suggested}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read_samples(tmp_path / "index/samples.parquet")["gesture"].tolist() == ["THUMBS_UP", "THUMBS_UP"]


@pytest.mark.parametrize(
    ("label", "gesture"),
    [
        ("Thumbs Up", "THUMBS_UP"),
        ("thumbs-up 3", "THUMBS_UP"),
        ("fists", "FIST"),
        ("peace2", "TWO"),
        ("кулак", None),
        ("C++", None),
        ("wave", None),
        ("123", None),
    ],
)
def test_gesture_is_suggested_where_the_name_is_near_one(
    label: str, gesture: str | None, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    known = {name: name for name in vocabulary} | labels("folder")
    assert unknown_labels.nearest(label, known) == gesture


SAVED_AS = ("semicolon", "sepline", "utf16tab", "decimalcomma", "quoteddecimal", "capitals", "trailing", "tf")


@pytest.mark.parametrize("saved_as", SAVED_AS)
def test_boxes_are_the_same_however_a_spreadsheet_saved_them(saved_as: str, cases: Path, read: Read) -> None:
    rows, rejected = read(cases / "csv" / saved_as)
    assert not rejected
    assert [(row["image"], row["gesture"]) for row in rows] == [(f"like/{x}.jpg", "THUMBS_UP") for x in "abc"]
    expected = [[122, 56, 263, 219], [59, 42, 192, 214], [144, 73, 220, 166]]
    for row, corners in zip(rows, expected, strict=True):
        assert box(row) == pytest.approx([corner / 336 for corner in corners], abs=0.001)


def test_percent_is_recognised_and_said(
    cases: Path, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    source = Folder(name="folder", root=str(cases / "percent_boxes/percent"), labels=labels("folder"))
    (batch,) = source.read(vocabulary)
    rows = batch.table.to_pylist()
    assert box(rows[0]) == [0.36574, 0.16872, 0.78289, 0.65304]
    assert len(rows) == 3
    (note,) = batch.notes
    assert "in percent of the image's width and height" in note
    assert "sources.folder.units" in note


def test_mixed_units_are_an_error_that_names_lines_and_units(cases: Path, read: Read) -> None:
    with pytest.raises(
        DataError, match=r"boxes\.csv: line 2 \(0\.3657.* in shares .* line 4 \(433.* in pixels; give all"
    ):
        read(cases / "percent_boxes/mixed")
    rows, rejected = read(cases / "percent_boxes/mixed", units="pixels")
    assert [row["image"] for row in rows] == ["like/like_00012.jpg"]
    assert [entry.reason[:25] for entry in rejected] == ["box of no more than two p"] * 2


@pytest.mark.parametrize(
    ("size", "line", "expected"),
    [
        ((640, 480), "320,240,640,480", [0.5, 0.5, 1, 1]),
        ((640, 480), "0.5,0.5,1,1", [0.5, 0.5, 1, 1]),
        ((640, 480), "50.5,50,99.5,100", [0.505, 0.5, 0.995, 1]),
        ((64, 48), "32,24,64,48", [0.5, 0.5, 1, 1]),
        ((64, 48), "50,50,100,100", [0.5, 0.5, 1, 1]),
        ((150, 120), "75,60,90,90", [0.5, 0.5, 0.6, 0.75]),
        ((640, 480), "10,20,60,90", "no number is above 100, .* sources.folder.units=percent is likely"),
        ((150, 120), "7.5,60,90,90", "no number is above 100, .* sources.folder.units=pixels is likely"),
    ],
)
def test_unit_is_told_by_numbers_and_image_sizes_or_asked_for(
    size: tuple[int, int], line: str, expected: Any, tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "like/one.jpg", *size)
    (tmp_path / "boxes.csv").write_text(f"image,x1,y1,x2,y2\nlike/one.jpg,{line}\n")
    if isinstance(expected, list):
        ((row,), _) = read(tmp_path)
        assert box(row) == expected
    else:
        with pytest.raises(DataError, match=expected):
            read(tmp_path)


def test_stated_unit_is_taken(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "like/one.jpg", 640, 480)
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\nlike/one.jpg,16,24,64,96\n")
    assert box(read(tmp_path, units="pixels")[0][0]) == [0.025, 0.05, 0.1, 0.2]
    assert box(read(tmp_path, units="percent")[0][0]) == [0.16, 0.24, 0.64, 0.96]
    with pytest.raises(UserError, match=r"sources\.folder\.units is 'inches'; it is one of pixels, percent, shares"):
        read(tmp_path, units="inches")


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("image,x,y,width,height", "20,10,100,50"),
        ("image,x_center,y_center,w,h", "70,35,100,50"),
        ("image,x1,y1,x2,y2,width,height", "20,10,120,60,200,100"),
    ],
)
def test_corner_or_centre_and_size_are_boxes_too(
    header: str, line: str, tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "like/one.jpg", 200, 100)
    (tmp_path / "boxes.csv").write_text(f"{header}\nlike/one.jpg,{line}\n")
    assert box(read(tmp_path)[0][0]) == [0.1, 0.1, 0.6, 0.6]


def test_image_is_found_by_what_of_its_path_is_there(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("like/one.jpg", "like/two.jpg", "fist/two.jpg"):
        save_image(tmp_path / name, 200, 100)
    names = [r"C:\data\hands\like\one.jpg", "/home/eva/hands/fist/two.jpg", "one.jpg", "two.jpg"]
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\n" + "".join(f"{name},0,0,1,1\n" for name in names))
    rows, rejected = read(tmp_path)
    assert [row["image"] for row in rows] == ["like/one.jpg", "fist/two.jpg", "like/one.jpg", "like/two.jpg"]
    assert [(entry.item, entry.reason) for entry in rejected] == [
        ("line 5: two.jpg", "2 images are called so; name its folder too")
    ]


def test_listed_image_without_a_label_is_an_error_that_names_its_line(
    tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "one.jpg")
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\none.jpg,0,0,1,1\n")
    with pytest.raises(DataError, match=r"boxes\.csv, line 2: one\.jpg lies in no folder that is its label"):
        read(tmp_path)


def test_folders_of_splits_above_the_labels_are_official_splits_and_said(
    tmp_path: Path, save_image: Save, read: Read, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    names = ("train/like/anna/1.jpg", "Validation/like/1.jpg", "testing/fist/2.jpg", "testing/fist/3.jpg", "like/4.jpg")
    for name in names:
        save_image(tmp_path / name)
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\ntesting/fist/3.jpg,0,0,0.5,1\n")
    told = {row["image"]: (row["gesture"], row["split"], row["subject"]) for row in read(tmp_path)[0]}
    assert told == {
        "train/like/anna/1.jpg": ("THUMBS_UP", "train", "folder/anna"),
        "Validation/like/1.jpg": ("THUMBS_UP", "val", ""),
        "testing/fist/2.jpg": ("FIST", "test", ""),
        "testing/fist/3.jpg": ("FIST", "test", ""),
        "like/4.jpg": ("THUMBS_UP", "", ""),
    }
    source = Folder(name="folder", root=str(tmp_path), labels=labels("folder"))
    notes = [note for batch in source.read(vocabulary) for note in batch.notes]
    assert notes == ["official splits by folder: Validation/ is val, testing/ is test, train/ is train"]


def test_splits_of_the_csv_may_be_called_as_people_call_them(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "like/one.jpg")
    lines = [f"like/one.jpg,0,0,1,1,{split}" for split in ("Train", "validation", "TEST", "")]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,x1,y1,x2,y2,split", *lines]))
    assert [row["split"] for row in read(tmp_path)[0]] == ["train", "val", "test", ""]
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,split\nlike/one.jpg,0,0,1,1,held out\n")
    with pytest.raises(DataError, match=r"boxes\.csv, line 2: unknown split 'held out'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("files", "kind", "source"),
    [
        ({"data.yaml": "names: [like]", "train/images/a.txt": ""}, "YOLO", "yolo"),
        ({"images/a.txt": "", "labels/a.txt": "0 0.5 0.5 0.1 0.1"}, "YOLO", "yolo"),
        ({"train/images/a.md": "", "train/labels/a.txt": ""}, "YOLO", "yolo"),
        ({"like/one.txt": "0 0.5 0.5 0.1 0.1\n"}, "YOLO", "yolo"),
        ({"instances.json": '{"images": [], "annotations": [], "categories": []}'}, "COCO", "coco"),
        ({"train/_annotations.coco.json": '{"images": [{"id": 1}], "annotations": []}'}, "COCO", "coco"),
        ({"Annotations/one.xml": "<annotation><folder/></annotation>"}, "Pascal VOC", "voc"),
        ({"like/one.xml": '<?xml version="1.0"?>\n<annotation verified="yes">'}, "Pascal VOC", "voc"),
        ({"annotations.xml": "<annotations><version>1.1</version>"}, "CVAT", "cvat"),
        ({"export.json": '[{"annotations": [{"type": "rectanglelabels"}]}]'}, "Label Studio", "label_studio"),
        ({"annotations/train/like.json": '{"a": {"bboxes": [], "labels": []}}'}, "HaGRID", "hagrid"),
        ({"Subject1/Subject1.txt": "rgb,depth,Punch_VFR\n"}, "HANDS", "hands"),
        ({"monday/session.json": "{}"}, "recorded session", "recorded"),
    ],
)
def test_export_that_another_source_reads_is_an_error_that_names_it(
    files: dict[str, str], kind: str, source: str, tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "like/one.jpg")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"looks like .*{kind}.* sources=\[{source}\]"):
        read(tmp_path)


def test_whole_images_are_taken_beside_an_export_where_that_is_said(
    tmp_path: Path, save_image: Save, read: Read
) -> None:
    save_image(tmp_path / "like/one.jpg")
    (tmp_path / "like/one.xml").write_text("<annotation/>")
    (tmp_path / "like/notes.txt").write_text("taken on 5 May")
    ((row,), _) = read(tmp_path, boxes=None)
    assert box(row) == [0, 0, 1, 1]


def test_root_without_images_is_an_error(tmp_path: Path, read: Read) -> None:
    (tmp_path / "like").mkdir()
    with pytest.raises(DataError, match=r"no <label>/<image> in .*; set sources\.folder\.root"):
        read(tmp_path)


def test_labels_may_be_links_to_folders_elsewhere(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "elsewhere/thumbs/a.jpg")
    (tmp_path / "root/deep").mkdir(parents=True)
    (tmp_path / "root/like").symlink_to("../elsewhere/thumbs")
    (tmp_path / "root/deep/round").symlink_to("..")
    rows, rejected = read(tmp_path / "root")
    assert [row["image"] for row in rows] == ["like/a.jpg"]
    assert not rejected
    assert Folder(name="folder", root=str(tmp_path / "root")).present()


def test_root_without_images_says_what_is_there_instead(tmp_path: Path, read: Read) -> None:
    (tmp_path / "like").mkdir()
    for name in ("a.psd", "b.psd"):
        (tmp_path / "like" / name).touch()
    with pytest.raises(
        DataError, match=r"2 files are no pictures that can be read \(2 \.psd\): like/a\.psd, like/b\.psd"
    ):
        read(tmp_path)


def test_images_beside_the_labels_folders_are_named(tmp_path: Path, save_image: Save, vocabulary: Vocabulary) -> None:
    for name in ("FIST/a.jpg", "stray.jpg"):
        save_image(tmp_path / name)
    batches = list(Folder(name="folder", root=str(tmp_path)).read(vocabulary))
    notes = [note for batch in batches for note in batch.notes]
    assert notes == ["1 image lies in no label's folder and cannot be used: stray.jpg"]


def test_real_photographs_are_all_read(photographs: Path, read: Read) -> None:
    rows, rejected = read(photographs / "hagrid_people")
    assert len(rows) == 95
    assert not rejected
