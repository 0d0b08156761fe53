"""CVAT for images and for video, 1.1 (structure: docs.cvat.ai, "XML annotation format", and exports of real projects,
which write `source`, `z_order`, `subset`, and one box per frame of a track with an `outside` one at its end)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.cvat import Cvat
from tests.support.annotation_formats import nobody

Save = Callable[..., Path]
Read = Callable[..., Any]
META = "<meta><task><original_size><width>200</width><height>100</height></original_size></task></meta>"


def box(
    label: str = 'label="like"', x1: str = "20.00", x2: str = "120.00", inside: str = "", tag: str = "box", **more: str
) -> str:
    extra = "".join(f' {key}="{value}"' for key, value in more.items())
    sides = f'xtl="{x1}" ytl="10.00" xbr="{x2}" ybr="60.00"'
    return f'<{tag} {label} source="manual" occluded="0" {sides} z_order="0"{extra}>{inside}</{tag}>'


def save(root: Path, *content: str, name: str = "annotations.xml") -> None:
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{META}{"".join(content)}'
    (root / name).write_text(f"{text}</annotations>", encoding="utf-8")


def image(name: str, *shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" width="200" height="100"{more}>{"".join(shapes)}</image>'


def test_boxes_are_pixels_and_attributes_tell_who(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "images/like/a.jpg", 200, 100)
    who = '<attribute name="subject">anna</attribute><attribute name="hand">right</attribute>'
    polygon = '<polygon label="fist" points="20.0,10.0;120.0,20.0;60.0,60.0"></polygon>'
    save(tmp_path, image("like/a.jpg", box(inside=who), polygon))
    found = outcome(Cvat, tmp_path)
    assert found.boxes() == [(0.1, 0.1, 0.6, 0.6)] * 2
    assert found.told("image", "gesture", "subject", "hand") == [
        ("images/like/a.jpg", "THUMBS_UP", "cvat/anna", "right"),
        ("images/like/a.jpg", "FIST", nobody(Cvat, "images/like/a.jpg")[0], ""),
    ]


def test_turned_box_becomes_the_box_around_it(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    save(tmp_path, image("a.jpg", box(x2="80", rotation="90.00")))  # 60 x 50 about (50, 35) becomes 50 x 60
    assert outcome(Cvat, tmp_path).boxes() == [(0.125, 0.05, 0.375, 0.65)]


def test_subset_is_the_split(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for folder in ("Train", "Validation", "default"):
        save_image(tmp_path / f"images/{folder}/a.jpg", 200, 100)
    subsets = [image("a.jpg", box(), more=f' subset="{name}"') for name in ("Train", "Validation", "default")]
    save(tmp_path, *subsets)
    assert outcome(Cvat, tmp_path).told("image", "split") == [
        ("images/Train/a.jpg", "train"),
        ("images/Validation/a.jpg", "val"),
        ("images/default/a.jpg", ""),
    ]


def test_tag_labels_a_picture_without_shapes_and_tells_of_those_with(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for name in "abc":
        save_image(tmp_path / f"{name}.jpg", 200, 100)
    person = '<tag label="frame"><attribute name="subject">anna</attribute></tag>'
    save(
        tmp_path,
        image("a.jpg", person, box()),
        image("b.jpg", '<tag label="fist"/>'),
        image("c.jpg", '<tag label="fist"/><tag label="like"/>', '<skeleton label="hand"/>'),
    )
    found = outcome(Cvat, tmp_path)
    assert found.told("image", "gesture", "subject") == [
        ("a.jpg", "THUMBS_UP", "cvat/anna"),
        ("b.jpg", "FIST", nobody(Cvat, "b.jpg")[0]),
    ]
    assert found.boxes()[1] == (0, 0, 1, 1)
    assert found.reasons["c.jpg hand 0"] == "it has several tags: fist, like"
    assert found.notes == ["annotations.xml: shapes that are neither boxes nor polygons are left out: 1 skeleton"]


def test_frames_of_a_video_are_one_session(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for number in range(3):
        save_image(tmp_path / f"images/frame_{number:06d}.PNG", 200, 100)
    boxes = [box("", frame=str(number), outside="0", keyframe="1") for number in (0, 2)]
    end = box("", frame="1", outside="1", keyframe="1")
    missing = box("", frame="9", outside="0", keyframe="0")
    save(tmp_path, f'<track id="0" label="like" source="manual">{"".join([*boxes, end, missing])}</track>')
    found = outcome(Cvat, tmp_path)
    assert found.told("image", "gesture", "session") == [
        ("images/frame_000000.PNG", "THUMBS_UP", "cvat/annotations"),
        ("images/frame_000002.PNG", "THUMBS_UP", "cvat/annotations"),
    ]
    assert found.reasons == {"track 0 frame 9 hand 0": "image not found"}


def test_video_without_its_frames_is_an_error_that_says_how_to_get_them(tmp_path: Path, outcome: Read) -> None:
    save(tmp_path, f'<track id="0" label="like">{box("", frame="0", outside="0")}</track>')
    with pytest.raises(DataError, match=r"CVAT for video, and its frames are not there .* ffmpeg -i VIDEO"):
        outcome(Cvat, tmp_path)


def test_bad_shapes_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    shapes = [box(x1="left"), box(x1="130"), box(x1="-90"), '<polygon label="like" points=""/>']
    save(tmp_path, image("a.jpg", *shapes), image("gone.jpg", box()))
    found = outcome(Cvat, tmp_path)
    assert not found.rows
    assert "its box is not made of numbers: xtl 'left'" in found.reasons["a.jpg box 0 hand 0"]
    assert "box has no area" in found.reasons["a.jpg box 1 hand 1"]
    assert "box outside the image" in found.reasons["a.jpg box 2 hand 2"]
    assert "its polygon is not made of numbers" in found.reasons["a.jpg polygon 3 hand 3"]
    assert found.reasons["gone.jpg box 0 hand 0"] == "image not found"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><image", "it is not whole XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "it declares entities"),
        ('<?xml version="1.0" encoding="klingon"?><annotations/>', "it is not"),
    ],
)
def test_broken_or_dangerous_xml_is_an_error_that_names_the_file(
    text: str, message: str, tmp_path: Path, outcome: Read
) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(DataError, match=rf"annotations\.xml: {message}.*; export it again or delete it"):
        outcome(Cvat, tmp_path)
