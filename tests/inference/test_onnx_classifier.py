"""Whatever an ONNX file says: it is data. What does not fit is refused, and the message names the file."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import ONNX_VERSION, OUTPUT_NAMES, load_onnx

GESTURES = {"names": ["BACKGROUND", "ONE", "FIST"], "background": "BACKGROUND"}
ABOUT = {
    "onnx_version": ONNX_VERSION,
    "gestures": json.dumps(GESTURES),
    "input": "landmarks",
    "crop": json.dumps({"size": 0, "margin": 0.0}),
    "calibration": json.dumps({"temperature": 1.0, "advantage": 0.0}),
}


def write(path: Path, about: dict[str, str], classes: int = 3) -> Path:
    """A network that answers the same for every hand, with the outputs of ours."""
    points = helper.make_tensor_value_info("points", TensorProto.FLOAT, ["hands", 21, 2])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(OUTPUT_NAMES, (["hands", classes], ["hands", classes], ["hands"]), strict=True)
    ]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [42, classes], [0.0] * 42 * classes)
    column = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Flatten", ["points"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
        helper.make_node("Softmax", ["embedding"], ["probabilities"]),
        helper.make_node("ReduceMax", ["probabilities", "axis"], ["strangeness"], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "g", [points], outputs, [weights, column])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, about)
    onnx.save(model, str(path))
    return path


def test_file_that_fits_is_read(tmp_path: Path) -> None:
    assert load_onnx(write(tmp_path / "a.onnx", ABOUT)).vocabulary.names == tuple(GESTURES["names"])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("onnx_version", "1", r"says 1 as its onnx_version"),
        ("gestures", "[", r"its gestures is not whole JSON"),
        ("gestures", '["ONE", "TWO"]', r"its gestures"),
        ("gestures", json.dumps({"names": ["../../etc/x", "ONE", "FIST"], "background": None}), r"no / or"),
        (
            "gestures",
            json.dumps({"names": ["ONE", "FIST"], "background": None}),
            r"not the one that the file describes",
        ),
        ("gestures", json.dumps({**GESTURES, "_target_": "os.system", "background": "BOO"}), r"not in gestures.names"),
        ("input", "os.system", r"its metadata: model.input is 'os.system'"),
        ("input", "crops", r"its crop|not the one that the file describes"),
        ("crop", json.dumps({"size": 10**9, "margin": 0}), r"its crop: size"),
        ("crop", json.dumps({"size": "${oc.env:HOME}", "margin": 0}), r"its crop: size"),
        ("calibration", json.dumps({"temperature": 0, "advantage": 0}), r"its calibration: temperature"),
        ("calibration", '{"temperature": 1, "advantage": NaN}', r"its calibration"),
    ],
)
def test_metadata_are_data(tmp_path: Path, key: str, value: str, message: str) -> None:
    path = write(tmp_path / "given.onnx", ABOUT | {key: value})
    with pytest.raises(UserError, match=message) as error:
        load_onnx(path)
    assert "given.onnx" in str(error.value)
    assert "export it again" in str(error.value)


def test_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"other.onnx says nothing as its onnx_version"):
        load_onnx(write(tmp_path / "other.onnx", {}))


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret.bin", "secret.bin"])
def test_file_that_wants_another_file_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 42 * 3))
    model = onnx.load(write(tmp_path / "given.onnx", ABOUT))
    weights = model.graph.initializer[0]
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    (tmp_path / "given.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"given.onnx is not a readable ONNX file"):
        load_onnx(tmp_path / "given.onnx")


@pytest.mark.parametrize("damage", [b"", b"no network", b"\0" * 100])
def test_broken_file_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(damage)
    with pytest.raises(UserError, match=r"broken.onnx (is not a readable ONNX file|says nothing)"):
        load_onnx(tmp_path / "broken.onnx")


def test_network_with_more_answers_than_gestures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not the one that the file describes"):
        load_onnx(write(tmp_path / "given.onnx", ABOUT, classes=4))


def test_cut_off_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.onnx", ABOUT)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"cut.onnx"):
        load_onnx(path)
