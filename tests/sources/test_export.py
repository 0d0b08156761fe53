"""Samples go out in each format and come back the same: real photographs, one of them stored turned."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image, ImageOps

from static_gesture_classification.atomic_files import partial_path
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import BOX, read_samples, sample_id, to_arrow, write_samples
from static_gesture_classification.sources import export as stage
from static_gesture_classification.sources.coco import Coco
from static_gesture_classification.sources.export import FORMATS, export_dataset, main
from static_gesture_classification.sources.exports.pictures import FormatSettings
from static_gesture_classification.sources.exports.yolo import PATTERN
from static_gesture_classification.sources.folder import Folder
from static_gesture_classification.sources.hagrid import Hagrid
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from static_gesture_classification.sources.source import Source
from static_gesture_classification.sources.yolo import Yolo

Save = Callable[..., Path]
Read = Callable[..., Any]
READERS: dict[str, tuple[type[Source], dict[str, Any]]] = {
    "hagrid": (Hagrid, {}),
    "coco": (Coco, {}),
    "yolo": (Yolo, {"subject_pattern": PATTERN}),
    "csv": (Folder, {}),
}


def row(root: Path, image: str, number: int = 0, source: str = "recorded", **more: Any) -> dict[str, Any]:
    """A row of the sample table, of one hand of a picture below `root`."""
    box = dict(zip(BOX, more.pop("box", (0.25, 0.125, 0.75, 0.5)), strict=True))
    told = {"subject": "recorded/anna", "session": "recorded/anna", "hand": "", "split": "train", "landmarks": None}
    fixed = {"sample_id": sample_id(source, image, number), "image": image, "root": str(root), "source": source}
    return fixed | box | {"gesture": "FIST", "source_label": "fist"} | told | more


def marks_in(box: Sequence[float]) -> np.ndarray:
    """21 points inside a box, as a row of the table has them."""
    steps = np.linspace(0.1, 0.9, 21, dtype=np.float32)
    x1, y1, x2, y2 = box
    return np.stack([x1 + (x2 - x1) * steps, y2 - (y2 - y1) * steps], axis=1).ravel().astype(np.float32)


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """A sample table, checked."""
    frame = pd.DataFrame(rows)
    to_arrow(frame)
    return frame


@pytest.fixture
def settings(vocabulary: Vocabulary) -> FormatSettings:
    return FormatSettings(gestures=tuple(vocabulary))


@pytest.fixture(scope="session")
def real(photographs: Path) -> pd.DataFrame:
    """A few photographs of HaGRID's layout, two of them with two hands, and one that a phone stored turned."""
    mini, phone = photographs / "hagrid_mini", photographs.parent / "cases/exif_boxes/phone"
    rows: list[dict[str, Any]] = []
    for split, file in zip(("train", "val", "test"), ("like", "five", "fist"), strict=True):
        path = next(path for path in sorted((mini / "annotations" / split).glob("*.json")) if path.stem >= file[:2])
        for name, entry in list(json.loads(path.read_text()).items())[:3]:
            for number, (x, y, w, h) in enumerate(entry["bboxes"]):
                box = (max(x, 0), max(y, 0), min(x + w, 1), min(y + h, 1))
                told = {"subject": entry["user_id"], "session": entry["user_id"], "split": split}
                marks = marks_in(box) if number == 0 and split == "train" else None
                gesture = "FIST" if number == 0 else "BACKGROUND"
                image = f"{path.stem}/{name}.jpg"
                rows.append(row(mini, image, number, "hagrid", box=box, gesture=gesture, landmarks=marks, **told))
    with Image.open(phone / "like/IMG_0001.jpg") as image:
        width, height = ImageOps.exif_transpose(image).size
        upright = (252 / width, 222 / height, 480 / width, 501 / height)
    rows.append(
        row(phone, "like/IMG_0001.jpg", box=upright, gesture="THUMBS_UP", hand="left", landmarks=marks_in(upright))
    )
    rows.append(row(phone, "like/IMG_0001.jpg", 1, box=(0.5, 0.5, 0.75, 0.75), gesture="FIST", hand="left"))
    return table(*rows)


def read_again(name: str, folder: Path, vocabulary: Vocabulary) -> pd.DataFrame:
    """What the format's source reads in an export, without a label map."""
    kind, options = READERS[name]
    source = kind(name=name, root=str(folder), **options)
    batches = list(source.read(vocabulary))
    assert not [entry for batch in batches for entry in batch.rejected]
    assert not [note for batch in batches for note in batch.notes]
    return pd.DataFrame([each for batch in batches for each in batch.table.to_pylist()])


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values([*BOX, "gesture"], ignore_index=True)


@pytest.mark.parametrize("name", list(READERS))
def test_what_goes_out_comes_back(
    name: str, real: pd.DataFrame, tmp_path: Path, settings: FormatSettings, vocabulary: Vocabulary
) -> None:
    made = export_dataset(real, name, tmp_path / "out", settings)
    assert (made.hands, made.rejected) == (len(real), [])
    back, gone = in_order(read_again(name, tmp_path / "out", vocabulary)), in_order(real)
    sizes = np.array([Image.open(tmp_path / "out" / image).size * 2 for image in back["image"]])
    assert np.abs((back[list(BOX)].to_numpy() - gone[list(BOX)].to_numpy()) * sizes).max() < 0.5  # pixels
    assert back["gesture"].tolist() == gone["gesture"].tolist()
    assert back["split"].tolist() == gone["split"].tolist()
    people = [subject if "/" in subject else f"hagrid/{subject}" for subject in gone["subject"]]
    assert [subject.removeprefix("folder/").removeprefix("csv/") for subject in back["subject"]] == people
    if name in ("coco", "csv", "hagrid"):
        assert back["hand"].tolist() == gone["hand"].tolist()
    if name != "csv":
        for found, wanted in zip(back["landmarks"], gone["landmarks"], strict=True):
            assert (found is None) == (wanted is None)
            assert found is None or np.abs(np.asarray(found) - wanted).max() < 1e-5


@pytest.mark.parametrize("name", ["coco", "yolo", "csv"])
def test_sessions_come_back(
    name: str, tmp_path: Path, save_image: Save, settings: FormatSettings, vocabulary: Vocabulary
) -> None:
    save_image(tmp_path / "in/a.png", 40, 40)
    export_dataset(
        table(row(tmp_path / "in", "a.png", session="recorded/2026 monday")), name, tmp_path / "out", settings
    )
    (back,) = read_again(name, tmp_path / "out", vocabulary).to_dict("records")
    assert back["session"].removeprefix("csv/") == "recorded/2026 monday"


@pytest.mark.parametrize("name", ["hagrid", "coco", "yolo", "csv"])
def test_exported_pictures_are_upright_whatever_a_tool_makes_of_exif(
    name: str, real: pd.DataFrame, tmp_path: Path, settings: FormatSettings
) -> None:
    phone = real[real["source"] == "recorded"]
    export_dataset(phone, name, tmp_path / "out", settings)
    (path,) = [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".jpg"]
    with Image.open(path) as found, Image.open(Path(phone["root"].iloc[0]) / phone["image"].iloc[0]) as stored:
        assert found.getexif().get(0x0112, 1) == 1
        wanted = ImageOps.exif_transpose(stored)
        assert stored.size == wanted.size[::-1] == found.size[::-1]
        assert np.abs(np.asarray(found, float) - np.asarray(wanted.convert("RGB"), float)).mean() < 3


def test_upright_pictures_are_copied_byte_by_byte_or_linked(
    tmp_path: Path, save_image: Save, settings: FormatSettings
) -> None:
    source = save_image(tmp_path / "in/a.jpg", 40, 30)
    for link in (False, True):
        export_dataset(table(row(tmp_path / "in", "a.jpg")), "coco", tmp_path / f"out{link}", settings, link=link)
        copy = tmp_path / f"out{link}/images/train/recorded/a.jpg"
        assert copy.read_bytes() == source.read_bytes()
        assert copy.samefile(source) == link


def test_folders_hold_hands_cut_out_by_gesture_and_person(
    tmp_path: Path, save_image: Save, vocabulary: Vocabulary
) -> None:
    save_image(tmp_path / "in/a.png", 80, 40)
    save_image(tmp_path / "in/b.png", 80, 40)
    hands = [
        row(tmp_path / "in", "a.png", gesture="ONE", session="recorded/s1"),
        row(tmp_path / "in", "a.png", 1, gesture="FIST", session="recorded/s1", box=(0, 0, 0.25, 0.5)),
        row(tmp_path / "in", "b.png", split="", subject="", session=""),
    ]
    export_dataset(table(*hands), "folder", tmp_path / "cut", FormatSettings(gestures=tuple(vocabulary), margin=0.1))
    sizes = {path.relative_to(tmp_path / "cut").as_posix(): Image.open(path).size for path in files(tmp_path / "cut")}
    assert sizes == {
        "train/ONE/recorded_anna/recorded_s1/recorded_a.png": (48, 23),
        "train/FIST/recorded_anna/recorded_s1/recorded_a.png": (22, 22),
        "FIST/recorded_b.png": (48, 23),
    }
    export_dataset(table(*hands), "folder", tmp_path / "whole", FormatSettings(gestures=tuple(vocabulary), cut=False))
    assert {Image.open(path).size for path in files(tmp_path / "whole")} == {(80, 40)}
    source = Folder(name="folder", root=str(tmp_path / "cut/train"))
    told = [each for batch in source.read(vocabulary) for each in batch.table.to_pylist()]
    assert [(each["gesture"], each["subject"], each["session"]) for each in told] == [
        ("FIST", "folder/recorded_anna", "folder/recorded_anna/recorded_s1"),
        ("ONE", "folder/recorded_anna", "folder/recorded_anna/recorded_s1"),
    ]


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


def test_names_that_differ_by_case_suffix_or_folder_stay_apart(
    tmp_path: Path, save_image: Save, settings: FormatSettings, vocabulary: Vocabulary
) -> None:
    names = ["a/1.png", "a_1.png", "A/1.png", "a/1.jpg", "a/1.jpeg", "what?.png"]
    for colour, name in enumerate(names):
        save_image(tmp_path / "in" / name, 40, 30, colour=40 * colour)
    samples = table(*(row(tmp_path / "in", name) for name in names))
    for name in READERS:
        export_dataset(samples, name, tmp_path / name, settings)
        back = read_again(name, tmp_path / name, vocabulary)
        assert len({image.casefold() for image in back["image"]}) == len(names)
        assert not any(set('<>:"|?*\\') & set(image) for image in back["image"])


def test_pictures_that_cannot_be_read_are_left_out_and_said(
    tmp_path: Path, save_image: Save, settings: FormatSettings, vocabulary: Vocabulary
) -> None:
    save_image(tmp_path / "in/a.png", 40, 30)
    (tmp_path / "in/empty.png").touch()
    samples = table(*(row(tmp_path / "in", f"{name}.png") for name in ("a", "empty", "gone")))
    made = export_dataset(samples, "coco", tmp_path / "out", settings)
    assert [(Path(entry.file).name, entry.reason) for entry in made.rejected] == [
        ("empty.png", "the file is empty (zero bytes)"),
        ("gone.png", "the file is missing"),
    ]
    assert "left out: " in (tmp_path / "out/README.txt").read_text()
    assert len(read_again("coco", tmp_path / "out", vocabulary)) == 1
    with pytest.raises(DataError, match=r"none of 1 pictures can be read; the first is .*gone\.png: the file is mis"):
        export_dataset(samples[2:], "coco", tmp_path / "none", settings)
    assert not (tmp_path / "none").exists()


def test_nothing_but_an_earlier_export_is_ever_replaced(
    tmp_path: Path, save_image: Save, settings: FormatSettings
) -> None:
    save_image(tmp_path / "in/a.png", 40, 30)
    samples, out = table(row(tmp_path / "in", "a.png")), tmp_path / "out"
    out.mkdir()
    export_dataset(samples, "coco", out, settings)  # an empty folder may be there
    with pytest.raises(OutputError, match=r"holds an earlier export; .* export\.replace=true"):
        export_dataset(samples, "yolo", out, settings)
    export_dataset(samples, "yolo", out, settings, replace=True)
    assert not (out / "annotations").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty, and no earlier export"):
        export_dataset(samples, "coco", other, settings, replace=True)
    for place in (tmp_path / "in", tmp_path):
        with pytest.raises(OutputError, match="holds the pictures that are to be exported"):
            export_dataset(samples, "coco", place, settings, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "mine", "out"]


def test_export_that_fails_leaves_what_was_there(
    tmp_path: Path, save_image: Save, settings: FormatSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image(tmp_path / "in/a.png", 40, 30)
    samples, out = table(row(tmp_path / "in", "a.png")), tmp_path / "out"
    export_dataset(samples, "coco", out, settings)
    before = sorted(path.relative_to(out) for path in out.rglob("*"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FORMATS["yolo"], "write", killed)
    with pytest.raises(KeyboardInterrupt):
        export_dataset(samples, "yolo", out, settings, replace=True)
    assert sorted(path.relative_to(out) for path in out.rglob("*")) == before
    assert not partial_path(out).exists()


@pytest.fixture(scope="session")
def composed() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config")


@pytest.fixture
def run(composed: DictConfig, tmp_path: Path) -> Callable[..., None]:
    """Run the command with settings of `export_dataset`."""

    def command(**settings: Any) -> None:
        config = composed.copy()
        config.export = OmegaConf.merge(config.export, {"output": f"{tmp_path}/out"} | settings)
        main.__wrapped__(config)  # type: ignore[attr-defined]

    return command


def test_split_and_errors_are_chosen(
    tmp_path: Path, save_image: Save, vocabulary: Vocabulary, run: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        save_image(tmp_path / f"in/{name}.png", 40, 30)
    splits = {"a": "train", "b": "test", "c": "test"}
    samples = table(*(row(tmp_path / "in", f"{name}.png", split=split) for name, split in splits.items()))
    write_samples(samples, tmp_path / "samples.parquet")
    (tmp_path / "predictions").mkdir()
    predicted = samples[["sample_id", "gesture"]].assign(prediction=["ONE", "FIST", ""])
    predicted.to_parquet(tmp_path / "predictions/test.parquet")
    samples_path, predictions = f"{tmp_path}/samples.parquet", f"{tmp_path}/predictions"
    run(samples=samples_path, predictions=predictions, split="test", only="errors")
    assert "1 pictures with 1 hands in" in capsys.readouterr().out.replace("\n", " ")
    assert read_again("coco", tmp_path / "out", vocabulary)["image"].tolist() == ["images/test/recorded/c.png"]
    with pytest.raises(DataError, match=r"has no samples to export \(split val, only errors\)"):
        run(samples=samples_path, predictions=predictions, split="val", only="errors")
    with pytest.raises(DataError, match=r"no predictions in .*; run dvc repro"):
        run(samples=samples_path, predictions=f"{tmp_path}/nowhere", only="errors")


def test_recorded_sessions_are_exported_alone_or_together(
    tmp_path: Path, save_image: Save, vocabulary: Vocabulary, run: Save
) -> None:
    for name, gesture in (("s1", "ONE"), ("s10", "FIST")):
        save_image(tmp_path / f"recorded/{name}/0.jpg", 40, 30)
        images = (RecordedImage("0.jpg", (0.25, 0.25, 0.75, 0.75), "right"),)
        write_session(tmp_path / "recorded" / name, Session(gesture, subject="anna", images=images))
    run(samples=f"{tmp_path}/recorded/s1", format="hagrid")
    (one,) = read_again("hagrid", tmp_path / "out", vocabulary).to_dict("records")
    assert (one["gesture"], one["subject"], one["hand"], one["split"]) == ("ONE", "recorded/anna", "right", "")
    run(samples=f"{tmp_path}/recorded", format="hagrid", replace=True)
    assert len(read_again("hagrid", tmp_path / "out", vocabulary)) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "pascal"}, "export.format is 'pascal'; it must be 'hagrid', 'coco', 'yolo', 'folder' or 'csv'"),
        ({"output": None}, "export.output is None; it must name a folder: export.output=FOLDER"),
        ({"split": "dev"}, "export.split is 'dev'; it must be 'train', 'val' or 'test'"),
        ({"only": "right"}, "export.only is 'right'; it must be 'all' or 'errors'"),
    ],
)
def test_mistyped_options_are_named(settings: dict[str, Any], message: str, run: Save) -> None:
    with pytest.raises(UserError, match=message):
        run(**settings)


def test_table_that_is_exported_is_the_one_on_disk(tmp_path: Path, save_image: Save, settings: FormatSettings) -> None:
    save_image(tmp_path / "in/a.png", 40, 30)
    write_samples(
        table(row(tmp_path / "in", "a.png", landmarks=marks_in((0.25, 0.125, 0.75, 0.5)))), tmp_path / "samples.parquet"
    )
    assert (
        stage.export_dataset(read_samples(tmp_path / "samples.parquet"), "coco", tmp_path / "out", settings).hands == 1
    )
