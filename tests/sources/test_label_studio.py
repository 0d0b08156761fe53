"""Label Studio's JSON and JSON-MIN (structure: HumanSignal/label-studio-converter, tests/data/test_export_yolo, where
the choices for a region share its id; web/libs/editor/src/regions/RectRegion.jsx for the turn about a corner)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.label_studio import LabelStudio
from tests.support.annotation_formats import nobody

Save = Callable[..., Path]
Read = Callable[..., Any]
UPLOAD = "/data/upload/1/0a1b2c3d-a.jpg"


def rectangle(label: str = "like", key: str = "x1", rotation: float = 0, turned: int = 0, **value: Any) -> dict:
    box = {"x": 10.0, "y": 20, "width": 30.0, "height": 40.0, "rotation": rotation, "rectanglelabels": [label]} | value
    return {
        "original_width": 200,
        "original_height": 100,
        "image_rotation": turned,
        "value": box,
        "id": key,
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "origin": "manual",
    }


def choice(label: str, name: str = "choice", key: str = "c1") -> dict[str, Any]:
    return {"value": {"choices": [label]}, "id": key, "from_name": name, "to_name": "image", "type": "choices"}


def annotation(*results: dict, **more: Any) -> dict[str, Any]:
    return {"id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False} | more


def task(number: int, *annotations: dict, image: str = UPLOAD, **data: Any) -> dict[str, Any]:
    return {"id": number, "annotations": list(annotations), "predictions": [], "data": {"image": image} | data}


def save(root: Path, tasks: Any) -> None:
    (root / "project-1-at-2026.json").write_text(json.dumps(tasks), encoding="utf-8")


def test_boxes_are_percent_of_the_picture(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "images/0a1b2c3d-a.jpg", 200, 100)
    polygon = {"points": [[10, 20], [50, 30], [40, 80]], "polygonlabels": ["fist"], "closed": True}
    save(
        tmp_path, [task(1, annotation(rectangle(), {"id": "p", "type": "polygonlabels", "value": polygon}), subject=7)]
    )
    found = outcome(LabelStudio, tmp_path)
    assert found.boxes() == [(0.1, 0.2, 0.4, 0.6), (0.1, 0.2, 0.5, 0.8)]
    assert found.told("image", "gesture", "subject") == [
        ("images/0a1b2c3d-a.jpg", "THUMBS_UP", "label_studio/7"),
        ("images/0a1b2c3d-a.jpg", "FIST", "label_studio/7"),
    ]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (UPLOAD, "a.jpg"),
        ("/data/upload/3/9f8e7d6c-a.jpg", "deep/down/a.jpg"),
        ("/data/local-files/?d=hands%2Flike/a%20b.jpg", "like/a b.jpg"),
        ("s3://bucket/hands/like/a.jpg", "like/a.jpg"),
        ("https://example.org/hands/a.jpg?signature=x%2Fy", "a.jpg"),
    ],
)
def test_pictures_are_found_by_what_their_address_says(
    address: str, path: str, tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    save_image(tmp_path / path, 200, 100)
    save(tmp_path, [task(1, annotation(rectangle()), image=address)])
    assert outcome(LabelStudio, tmp_path).told("image") == [(path,)]


def test_turned_box_becomes_the_box_around_it(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    # A box of 60 x 40 pixels at (100, 20), turned by 90 degrees about that corner, lies left of it: 40 wide, 60 high.
    save(tmp_path, [task(1, annotation(rectangle(rotation=90, x=50)))])
    assert outcome(LabelStudio, tmp_path).boxes() == [(0.3, 0.2, 0.5, 0.8)]


@pytest.mark.parametrize("old", [False, True])
def test_picture_looked_at_sideways(old: bool, tmp_path: Path, save_image: Save, outcome: Read) -> None:
    """Today boxes stay with the picture; before 1.0 they were turned, and width and height exchanged with it."""
    save_image(tmp_path / "a.jpg", 200, 100)
    result = rectangle(turned=90)
    if old:
        result |= {"original_width": 100, "original_height": 200}
    save(tmp_path, [task(1, annotation(result))])
    # Turned clockwise, (x, y) of the picture is seen at (100 - y, x).
    assert outcome(LabelStudio, tmp_path).boxes() == [(0.2, 0.6, 0.6, 0.9) if old else (0.1, 0.2, 0.4, 0.6)]


def test_choices_label_pictures_without_boxes_and_tell_of_regions(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for name in "abc":
        save_image(tmp_path / f"{name}.jpg", 200, 100)
    told = [choice("left", "hand", "x1"), choice("uncertain", "quality", "x1"), choice("anna", "subject", "s")]
    save(
        tmp_path,
        [
            task(1, annotation(rectangle(), *told), image="a.jpg"),
            task(2, annotation(choice("fist"), choice("bo", "subject", "s")), image="b.jpg"),
            task(3, annotation(choice("fist"), choice("like", "other", "o")), image="c.jpg"),
        ],
    )
    found = outcome(LabelStudio, tmp_path)
    assert found.told("image", "gesture", "hand", "subject") == [
        ("a.jpg", "THUMBS_UP", "left", "label_studio/anna"),
        ("b.jpg", "FIST", "", "label_studio/bo"),
    ]
    assert found.boxes() == [(0.1, 0.2, 0.4, 0.6), (0, 0, 1, 1)]
    assert found.reasons["task 3 hand 0"] == "several labels were chosen for it: fist, like"
    chosen = outcome(LabelStudio, tmp_path, choice="other")
    assert chosen.told("image", "gesture")[-1] == ("c.jpg", "THUMBS_UP")


def test_of_several_annotations_the_ground_truth_or_the_latest_counts(
    tmp_path: Path, save_image: Save, outcome: Read
) -> None:
    for name in "abc":
        save_image(tmp_path / f"{name}.jpg", 200, 100)
    early = annotation(rectangle("like"), updated_at="2026-01-01")
    late = annotation(rectangle("fist"), updated_at="2026-02-01")
    save(
        tmp_path,
        [
            task(1, late, early, image="a.jpg"),
            task(2, early | {"ground_truth": True}, late, image="b.jpg"),
            task(3, late | {"was_cancelled": True}, image="c.jpg"),
        ],
    )
    found = outcome(LabelStudio, tmp_path)
    assert found.told("image", "gesture") == [("a.jpg", "FIST"), ("b.jpg", "THUMBS_UP")]
    assert sorted(found.notes) == [
        "project-1-at-2026.json: 1 tasks have no annotation and are left out",
        "project-1-at-2026.json: 2 tasks were annotated more than once; the ground truth or else the latest counts",
    ]


def test_json_min(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    for name in "ab":
        save_image(tmp_path / f"images/0a1b2c3d-{name}.jpg", 200, 100)
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["like"]}
    box |= {"original_width": 200, "original_height": 100}
    common = {"annotator": 1, "created_at": "2026-01-01", "lead_time": 3.5}
    save(
        tmp_path,
        [
            {"image": UPLOAD, "id": 1, "subject": "anna", "label": [box], "updated_at": "2026-01-01"} | common,
            {"image": UPLOAD, "id": 1, "subject": "anna", "label": [box, box], "updated_at": "2026-01-02"} | common,
            {"image": UPLOAD.replace("a.jpg", "b.jpg"), "id": 2, "choice": "fist", "updated_at": ""} | common,
        ],
    )
    found = outcome(LabelStudio, tmp_path)
    assert found.told("gesture", "subject") == [
        ("THUMBS_UP", "label_studio/anna"),
        ("THUMBS_UP", "label_studio/anna"),
        ("FIST", nobody(LabelStudio, "images/0a1b2c3d-b.jpg")[0]),
    ]
    assert found.boxes()[2] == (0, 0, 1, 1)
    assert "annotations of tasks that have a later one" in found.notes[0]


def test_bad_tasks_and_regions_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, outcome: Read) -> None:
    save_image(tmp_path / "a.jpg", 200, 100)
    regions = [
        rectangle(key="1", x="ten"),
        rectangle(key="2", rectanglelabels=["like", "fist"]),
        rectangle(key="3", rectanglelabels=[]),
        rectangle(key="4", width=0),
        rectangle(key="5", x=90),
        rectangle(key="6") | {"original_width": 100, "original_height": 200},
        {"id": "7", "type": "brushlabels", "value": {"format": "rle", "rle": [1], "brushlabels": ["like"]}},
    ]
    save(tmp_path, [task(1, annotation(*regions)), task(2, annotation(rectangle()), image="gone.jpg"), "no task"])
    found = outcome(LabelStudio, tmp_path)
    assert not found.rows
    regions_of = {item.partition(" hand ")[0]: reason for item, reason in found.reasons.items()}
    reasons = [regions_of[f"task 1 region {number}"] for number in range(6)]
    assert "its rectangle is not made of numbers" in reasons[0]
    assert reasons[1] == "it has 2 labels: like, fist"
    assert reasons[2] == "it has no label"
    assert "box has no area" in reasons[3]
    assert "box outside the image" in reasons[4]
    assert "marked as a picture of 100 x 200 pixels, but is 200 x 100" in reasons[5]
    assert found.reasons["task 2 region 0 hand 0"] == "image not found"
    assert found.reasons["entry 2"] == "it is not a task"
    assert "1 regions that are neither boxes nor polygons are left out" in found.notes[0]


def test_root_without_an_export_is_an_error(tmp_path: Path, outcome: Read) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    with pytest.raises(DataError, match=r"no Label Studio export .* in .*; set sources\.label_studio\.root"):
        outcome(LabelStudio, tmp_path)
