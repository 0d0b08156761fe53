"""Files that were made elsewhere: what they say is data, and what does not fit is refused with the file's name."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from static_gesture_classification.active_learning.mining.review_list import (
    LIST_COLUMNS,
    MinedList,
    MiningOrigin,
    read_list,
    write_list,
)
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    read_plan,
    write_plan,
)
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.file_data import path_inside, plain_name, read_json, read_yaml
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.recording.session_writer import StorageSettings, reopen_unfinished
from static_gesture_classification.recording.subjects import KnownNames, read_known, remember
from static_gesture_classification.samples import write_samples
from static_gesture_classification.sources.hagrid import Hagrid
from static_gesture_classification.sources.recorded import RecordedImage, Session, read_session, write_session
from static_gesture_classification.sources.recorded_legacy import RecordedLegacy
from static_gesture_classification.tracking.run_folder import RunFolder
from tests.support.payloads import MARK, PAYLOADS, Payload
from tests.support.seeded_predictions import sample_table

VOCABULARY = Vocabulary(("BACKGROUND", "ONE", "TWO", "THREE"))
OUTSIDE = ["../outside.jpg", "/outside.jpg", "a/../../outside.jpg", "..", "", "C:\\outside.jpg", "..\\outside.jpg"]
SESSION = Session("ONE", "anna", images=(RecordedImage("000000.jpg", (0.1, 0.1, 0.9, 0.9)),))
PLAN = RecordingPlan(
    PLAN_VERSION,
    "models/best.ckpt",
    (PlannedRecording("ONE", "TWO", 3, 2, 0.5, 0.01, "why", (Example("a", "c/b.jpg", "data", (0, 0, 1, 1)),)),),
)


@dataclass(frozen=True)
class Shape:
    """Something to read."""

    name: str
    sides: tuple[int, ...] = ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_however_it_was_saved(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "fünf", "sides": [1, 2], "more": true}', encoding=encoding)
    assert read_json(tmp_path / "a.json", Shape, "mend it") == Shape("fünf", (1, 2))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"name": "a', r"a\.json is not whole JSON .*; mend it"),
        (b'{"name": "\xff"}', r"a\.json is not whole JSON \(neither UTF-8 nor UTF-16"),
        (b"", r"a\.json is not whole JSON"),
        (b'{"sides": []}', r"a\.json: name is missing; mend it"),
        (b'{"name": 3}', r"a\.json: name is 3, which should be a valid string"),
        (b'{"name": "a", "sides": [1, "2"]}', r"a\.json: sides\[1\] is '2'"),
        (b'{"name": "a", "sides": [true]}', r"a\.json: sides\[0\] is True"),
        (b"[1]", r"a\.json: its content is \[1\]"),
        (b"[" * 100_000, r"a\.json is not whole JSON"),
    ],
)
def test_json_that_does_not_fit_is_named_with_what_is_wrong(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_json(tmp_path / "a.json", Shape, "mend it")


def test_missing_file_a_folder_and_another_version_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*a\.json; make it"):
        read_json(tmp_path / "a.json", Shape, "make it")
    with pytest.raises(DataError, match=r"cannot be read"):
        read_json(tmp_path, Shape, "make it")
    for version in ('"1"', "2", "true", "null"):
        (tmp_path / "a.json").write_text(f'{{"version": {version}, "name": "a"}}')
        with pytest.raises(DataError, match=r"a\.json has version .*, this program reads 1; make it"):
            read_json(tmp_path / "a.json", Shape, "make it", ("version", 1))


@pytest.mark.parametrize("content", ["- a list", "a: [1", "!!python/object/apply:os.system ['true']"])
def test_yaml_that_is_no_mapping_of_plain_values_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(DataError, match=r"config\.yaml"):
        read_yaml(tmp_path / "config.yaml", "delete it")


@pytest.mark.parametrize("path", OUTSIDE)
def test_path_that_leaves_its_folder_is_refused(path: str) -> None:
    for check in (plain_name, path_inside):
        with pytest.raises(ValueError, match="is not"):
            check(path)


@pytest.mark.parametrize("path", ["a.jpg", "Ä b.jpg", "..a.jpg", "a..jpg", ".a"])
def test_name_in_its_folder_is_taken(path: str) -> None:
    assert plain_name(path) == path
    assert path_inside(f"one/two/{path}") == f"one/two/{path}"


# ---- each kind of file -----------------------------------------------------------------------------------------------


def session(folder: Path, said: Any = "anna", **image: Any) -> Callable[[], object]:
    write_session(folder, SESSION)
    content = json.loads((folder / "session.json").read_text())
    content["subject"] = said
    content["images"][0] |= image
    (folder / "session.json").write_text(json.dumps(content))
    return lambda: read_session(folder)


def older_recording(folder: Path, said: Any = "ONE") -> Callable[[], object]:
    (folder / "record_0/images").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48)).save(folder / "record_0/images/image_0.png")
    (folder / "record_0/meta.json").write_text(json.dumps({"bbox": [1, 2, 30, 40], "gesture": said}))
    return lambda: RecordedLegacy(name="recorded_legacy", root=str(folder)).pieces()[0]()[0].label


def plan(folder: Path, said: Any = "models/best.ckpt", **example: Any) -> Callable[[], object]:
    write_plan(PLAN, folder / "plan.json")
    content = json.loads((folder / "plan.json").read_text())
    content["checkpoint"] = said
    content["recordings"][0]["examples"][0] |= example
    (folder / "plan.json").write_text(json.dumps(content))
    return lambda: read_plan(folder / "plan.json")


def mined_list(folder: Path, said: Any = "photos", **sample: Any) -> Callable[[], object]:
    samples = sample_table(["ONE", "TWO"]).assign(**sample)
    table = sample_table(["ONE", "TWO"]).reindex(columns=list(LIST_COLUMNS), fill_value="").assign(keep="yes")
    table["sample_id"] = samples["sample_id"]
    write_list(MinedList(table, samples, MiningOrigin("photos", "models/best.ckpt", "0")), folder)
    origin = json.loads((folder / "mining.json").read_text())
    (folder / "mining.json").write_text(json.dumps(origin | {"pool": said}))
    return lambda: read_list(folder, VOCABULARY).origin


def run(folder: Path, said: Any = "anna") -> Callable[[], object]:
    record = {"run_folder_version": 1, "run_id": "first", "uid": "0", "created": 1.0, "owner": said}
    record |= {"sessions": [{"started": 1.0, "ended": None}], "source_code": {}, "environment": {}, "values": {}}
    (folder / "first").mkdir(exist_ok=True)
    (folder / "first/run.json").write_text(json.dumps(record))
    return lambda: RunFolder.open(folder / "first").record()


READERS = (session, older_recording, plan, mined_list, run)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("reader", READERS)
def test_node_to_build_in_the_place_of_a_text_is_refused(
    reader: Callable[..., Callable[[], object]], payload: Payload, tmp_path: Path
) -> None:
    read = reader(tmp_path, payload(tmp_path))
    with pytest.raises(DataError, match=rf"{tmp_path}.*\.json: .*_target_"):
        read()
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("reader", READERS)
def test_file_with_a_byte_order_mark_says_what_it_says_without(
    reader: Callable[..., Callable[[], object]], tmp_path: Path
) -> None:
    read = reader(tmp_path)
    without = read()
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert read() == without


@pytest.mark.parametrize("file", OUTSIDE)
def test_session_that_names_a_picture_elsewhere_is_refused(file: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.jpg")
    read = session(tmp_path / ".unlabelled-one", file=file)
    with pytest.raises(DataError, match=r"session\.json: images\[0\]\.file is"):
        read()
    assert reopen_unfinished(StorageSettings(root=tmp_path)) == []


@pytest.mark.parametrize("image", OUTSIDE)
def test_plan_whose_example_lies_elsewhere_is_refused(image: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"plan\.json: recordings\[0\]\.examples\[0\]\.image is"):
        plan(tmp_path, image=image)()


@pytest.mark.parametrize("value", OUTSIDE)
@pytest.mark.parametrize("column", ["sample_id", "image"])
def test_mined_hand_that_would_be_read_or_written_elsewhere_is_refused(column: str, value: str, tmp_path: Path) -> None:
    values = [value, "b"]
    with pytest.raises(DataError, match=rf"candidates\.parquet: {column} is"):
        mined_list(tmp_path, **{column: values})()


def test_plan_that_asks_for_no_picture_is_refused(tmp_path: Path) -> None:
    write_plan(replace(PLAN, recordings=(replace(PLAN.recordings[0], count=0),)), tmp_path / "plan.json")
    with pytest.raises(DataError, match=r"recordings\[0\]\.count is 0"):
        read_plan(tmp_path / "plan.json")


def test_annotations_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    entry = {"bboxes": [[0.1, 0.1, 0.5, 0.5]], "labels": ["one"], "user_id": "a"}
    (tmp_path / "train/one.json").write_text(json.dumps({"picture": entry}), encoding="utf-8-sig")
    parsed = Hagrid(name="hagrid", root=str(tmp_path), labels={"one": "ONE"})._parse("train/one.json")
    assert list(parsed) == ["picture"]


def test_people_are_remembered_from_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    remember(tmp_path, "anna", "office")
    memory = tmp_path / ".recorder.json"
    memory.write_text(memory.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert read_known(tmp_path) == KnownNames(("anna",), ("office",))
    memory.write_text('{"people": {"_target_": "os.system"}, "rooms": []}')
    assert read_known(tmp_path) == KnownNames()


@pytest.mark.parametrize(
    "record", ['{"run": "../elsewhere"}', '{"run": {"_target_": "os.system"}}', '{"epoch": "1"}', "[]"]
)
def test_record_of_another_shape_counts_as_none(record: str, tmp_path: Path) -> None:
    (tmp_path / "best.json").write_text(record)
    assert read_checkpoint_record(tmp_path / "best.json") is None
    (tmp_path / "best.json").write_text('{"run": "first", "epoch": 1}', encoding="utf-8-sig")
    assert read_checkpoint_record(tmp_path / "best.json") == {"run": "first", "epoch": 1}


@pytest.mark.parametrize("name", ["../ONE", "a/b", "a\\b", ".hidden", ""])
def test_gesture_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"gestures\.names has"):
        Vocabulary((name, "TWO"))


# ---- ONNX ------------------------------------------------------------------------------------------------------------

SAID = {
    "onnx_version": "2",
    "gestures": json.dumps({"names": list(VOCABULARY), "background": "BACKGROUND"}),
    "input": "landmarks",
    "crop": json.dumps({"size": 0, "margin": 0.0}),
    "calibration": json.dumps({"temperature": 1.0, "advantage": 0.0}),
}


def onnx_file(folder: Path, **said: str) -> Path:
    """A network of points that says the same of all hands, with these metadata."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.zeros((42, 4), np.float32), "head.weight")
    nodes = [
        helper.make_node("Flatten", ["points"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "head.weight"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
        helper.make_node("ReduceMax", ["probabilities", "axis"], ["strangeness"], keepdims=0),
    ]
    takes = [helper.make_tensor_value_info("points", kind, ["n", 21, 2])]
    gives = [
        helper.make_tensor_value_info(*each)
        for each in (("probabilities", kind, ["n", 4]), ("embedding", kind, ["n", 42]), ("strangeness", kind, ["n"]))
    ]
    axis = onnx.numpy_helper.from_array(np.array([1]), "axis")
    graph = helper.make_graph(nodes, "network", takes, gives, [weights, axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, SAID | said)
    onnx.save(model, folder / "made.onnx")
    return folder / "made.onnx"


def test_onnx_file_that_says_what_it_is_is_read(tmp_path: Path) -> None:
    classifier = load_onnx(onnx_file(tmp_path))
    assert classifier.vocabulary.names == VOCABULARY.names
    assert classifier.predict(np.zeros((2, 21, 2), np.float32))[0] == pytest.approx(np.full((2, 4), 0.25))


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("key", ["gestures", "crop", "input", "calibration"])
def test_node_to_build_in_the_metadata_of_an_onnx_file_is_refused(key: str, payload: Payload, tmp_path: Path) -> None:
    node = payload(tmp_path)
    said = {"gestures": {"names": [node, "ONE"]}, "crop": {"size": node, "margin": 0.1}, "input": node}
    said = {**said, "calibration": {"temperature": node, "advantage": 0.0}}[key]
    with pytest.raises(UserError, match=rf"made\.onnx.*(its |model\.){key}"):
        load_onnx(onnx_file(tmp_path, **{key: json.dumps(said)}))
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"gestures": "ONE"}, "its gestures is not whole JSON"),
        (
            {"gestures": json.dumps({"names": ["ONE", "TWO"], "background": None})},
            "not the one that the file describes",
        ),
        ({"crop": "[]"}, "its crop"),
        ({"crop": json.dumps({"size": 10**9, "margin": 0.1})}, "its crop: size is 1000000000"),
        ({"input": "sounds"}, "model.input is 'sounds'"),
        ({"input": "crops"}, "not the one that the file describes"),
        ({"onnx_version": "9"}, "says 9 as its onnx_version"),
    ],
)
def test_onnx_file_that_says_something_else_is_refused(said: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"made\.onnx.*{told}"):
        load_onnx(onnx_file(tmp_path, **said))


def test_samples_of_a_list_are_those_of_its_candidates(tmp_path: Path) -> None:
    assert mined_list(tmp_path)() == MiningOrigin("photos", "models/best.ckpt", "0")
    write_samples(sample_table(["ONE"]), tmp_path / "candidates.parquet")
    with pytest.raises(DataError, match="no such hand"):
        read_list(tmp_path, VOCABULARY)
