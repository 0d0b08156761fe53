from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.export_onnx import main
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.training.answers import Calibration
from static_gesture_classification.training.checkpoint import load_classifier
from tests.inference.conftest import MARGIN, SIZE, VOCABULARY

Made = Callable[[str], Path]


@pytest.fixture(scope="module", params=["crops", "landmarks"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def exported(kind: str, checkpoint: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported") / f"{kind}.onnx"
    main.__wrapped__(settings(checkpoint(kind), output))  # type: ignore[attr-defined]
    return output


def settings(checkpoint: Path, output: Path) -> DictConfig:
    return OmegaConf.create({"export_onnx": {"checkpoint": str(checkpoint), "output": str(output)}})


@pytest.mark.parametrize("hands", [0, 1, 3, 65])
def test_exported_network_says_what_the_checkpoint_says(
    kind: str, exported: Path, checkpoint: Made, hands: int
) -> None:
    original, copy = load_classifier(checkpoint(kind)), load_onnx(exported)
    inputs = original.kind.example(hands, original.crop_size)
    answers = (vars(each.answers(inputs)).values() for each in (original, copy))
    for ours, theirs in zip(*answers, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.dtype == np.float32
        assert np.abs(ours - theirs).max(initial=0) < 1e-4


def test_exported_network_says_what_it_is(kind: str, exported: Path) -> None:
    copy = load_onnx(exported)
    assert copy.vocabulary == VOCABULARY
    assert copy.input == kind
    assert copy.calibration == Calibration(1.5, 0.25)
    if kind == "crops":
        assert (copy.crop_size, copy.crop_margin) == (SIZE, MARGIN)


def test_exported_network_is_one_file(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]
    onnx.checker.check_model(str(exported), full_check=True)


def test_onnx_file_of_another_program_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    ])  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(UserError, match=r"other.onnx says nothing as its onnx_version"):
        load_onnx(tmp_path / "other.onnx")


def test_missing_checkpoint_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.ckpt"):
        main.__wrapped__(settings(tmp_path / "absent.ckpt", tmp_path / "a.onnx"))  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
