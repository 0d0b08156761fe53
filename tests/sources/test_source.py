from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hydra import compose, initialize_config_dir

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import SCHEMA
from static_gesture_classification.sources import source as source_module
from static_gesture_classification.sources.hagrid import Hagrid
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.source import SampleBatch, spread_over_subjects

Save = Callable[..., Path]
Entry = Callable[..., dict[str, Any]]


def test_source_absent_at_its_usual_place_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "data/annotations").mkdir(parents=True)
    (tmp_path / "data/annotations/.gitkeep").touch()
    for place in ("nowhere", "data"):
        root = str(tmp_path / place)
        assert not Hagrid(name="hagrid", root=root, usual_root=root).present()


@pytest.mark.parametrize("state", ["does not exist", "is empty", "is not a folder"])
def test_absent_root_of_the_users_own_is_an_error(state: str, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    if state == "is empty":
        root.mkdir()
    elif state == "is not a folder":
        root.touch()
    message = rf"source hagrid: .*mine {state}; set sources\.hagrid\.root, or run \"make download-hagrid\""
    with pytest.raises(DataError, match=message):
        Hagrid(
            name="hagrid", root=str(root), usual_root="data/raw/hagrid", how_to_get='run "make download-hagrid"'
        ).present()


def test_label_mapped_to_no_gesture_of_the_vocabulary_is_an_error(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(UserError, match=r"sources\.mine\.labels maps 'like' to APPROVAL, which is not in the vocab"):
        Hagrid(name="mine", root=str(tmp_path), labels={"like": "APPROVAL"}).read(vocabulary)


def test_empty_label_map_maps_nothing(tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry) -> None:
    save_hagrid(tmp_path, "HORNS", {"one": hagrid_entry("HORNS")})
    nothing: Any = None
    (batch,) = Hagrid(name="mine", root=str(tmp_path), labels=nothing).read(Vocabulary(("NONE", "HORNS")))
    assert batch.table["gesture"].to_pylist() == ["HORNS"]


@pytest.mark.parametrize("labels", [{True: "FIST"}, {1: "FIST"}, {"a": False}])
def test_label_that_is_no_text_is_an_error_that_asks_for_quotes(
    labels: Any, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    with pytest.raises(UserError, match=r"sources\.mine\.labels has .*, which is no text .*; put the name in quotes"):
        Hagrid(name="mine", root=str(tmp_path), labels=labels).read(vocabulary)


def test_gestures_own_names_need_no_entry_in_the_label_map(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry
) -> None:
    own = Vocabulary(("NONE", "HORNS"), "NONE")
    save_hagrid(tmp_path, "HORNS", {"one": hagrid_entry("HORNS", "NONE")})
    (batch,) = Hagrid(name="synthetic", root=str(tmp_path)).read(own)
    assert batch.table["gesture"].to_pylist() == ["HORNS", "NONE"]


def test_ignored_labels_are_counted_and_their_flaws_do_not_matter(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, vocabulary: Vocabulary
) -> None:
    save_hagrid(tmp_path, "holy", {"one": hagrid_entry("holy", "holy", box=(2, 2, 2, 2))})
    (batch,) = Hagrid(name="hagrid", root=str(tmp_path), labels={"holy": "ignore"}).read(vocabulary)
    assert (len(batch.table), batch.ignored, batch.rejected) == (0, 2, [])


def test_gestures_chooses_a_subset(
    tmp_path: Path, save_hagrid: Save, hagrid_entry: Entry, vocabulary: Vocabulary
) -> None:
    save_hagrid(tmp_path, "FIST", {"one": hagrid_entry("FIST", "BACKGROUND")})
    (batch,) = Hagrid(name="hagrid", root=str(tmp_path), gestures=["FIST"]).read(vocabulary)
    assert batch.table["gesture"].to_pylist() == ["FIST"]
    with pytest.raises(UserError, match=r"sources\.hagrid\.gestures names 'FISTS'"):
        Hagrid(name="hagrid", root=str(tmp_path), gestures=["FISTS"]).read(vocabulary)


def batches_of(samples: list[tuple[str, str]], size: int) -> Iterator[SampleBatch]:
    """Samples given as (gesture, subject), in batches."""
    for start in range(0, len(samples), size):
        rows = []
        for index, (gesture, subject) in enumerate(samples[start : start + size], start=start):
            texts = dict.fromkeys(("image", "root", "source", "source_label", "session", "hand", "split"), "")
            box = dict(zip(("x1", "y1", "x2", "y2"), (0.0, 0.0, 1.0, 1.0), strict=True))
            rows.append(
                texts | box | {"sample_id": f"{index:06d}", "gesture": gesture, "subject": subject, "landmarks": None}
            )
        yield SampleBatch(pa.Table.from_pylist(rows, schema=SCHEMA))


def chosen(samples: list[tuple[str, str]], most: int, seed: int = 0, size: int = 100) -> list[dict[str, str]]:
    batches = list(spread_over_subjects(batches_of(samples, size), most, seed))
    return pa.concat_tables([batch.table for batch in batches]).to_pylist()


SAMPLES = [("ONE", f"person{i % 7}") for i in range(300)] + [("TWO", "person0")] * 200 + [("FIST", "person1")] * 3


def test_max_per_gesture_takes_from_as_many_subjects_as_there_are() -> None:
    rows = chosen(SAMPLES, most=14)
    assert Counter(row["gesture"] for row in rows) == {"ONE": 14, "TWO": 14, "FIST": 3}
    assert Counter(row["subject"] for row in rows if row["gesture"] == "ONE") == {f"person{i}": 2 for i in range(7)}


def test_max_per_gesture_keeps_the_order_and_depends_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [row["sample_id"] for row in chosen(SAMPLES, most=14)]
    assert ids == sorted(ids)
    assert ids == [row["sample_id"] for row in chosen(SAMPLES, most=14, size=13)]
    assert ids != [row["sample_id"] for row in chosen(SAMPLES, most=14, seed=1)]
    monkeypatch.setattr(source_module, "PENDING", 20)  # samples that are dropped on the way would not have been chosen
    assert ids == [row["sample_id"] for row in chosen(SAMPLES, most=14, size=13)]


def test_every_configured_source_can_be_built() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["sources.hands.enabled=false", "sources.hagrid.root=/mine", "seed=3"])
    sources = {source.name: source for source in Sources.from_config(config)}
    assert list(sources) == ["synthetic", "hagrid", "digits", "folder", "recorded", "in_use", "recorded_legacy"]
    assert sources["hagrid"].usual_root == "data/raw/hagrid"
    assert sources["hagrid"].seed == 3


def test_formats_that_people_bring_can_be_built_when_selected() -> None:
    names = ["coco", "voc", "yolo", "label_studio", "cvat"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        default = compose("config")
        selected = ["sources.coco.root=/mine", "+sources.coco.labels.thumb=THUMBS_UP"]
        config = compose("config", overrides=[f"sources=[{','.join(names)}]", *selected])
    assert not set(names) & set(default.sources)
    sources = Sources.from_config(config)
    assert [source.name for source in sources] == names
    assert sources[0].labels["thumb"] == sources[0].labels["like"] == "THUMBS_UP"
    assert "thumb" not in sources[1].labels


def test_root_of_a_source_that_is_not_selected_selects_nothing() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["sources=[hands]", "+sources.hagrid.root=/mine"])
    assert [source.name for source in Sources.from_config(config)] == ["hands"]


def test_every_published_label_of_the_configured_sources_is_a_gesture_or_ignored(
    vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    for name in ("hagrid", "hands", "digits", "folder", "coco", "cvat"):
        assert set(labels(name).values()) <= {*vocabulary, "ignore"}
    assert len(labels("hagrid")) == 34  # gestures of HaGRID v2, no_gesture among them
