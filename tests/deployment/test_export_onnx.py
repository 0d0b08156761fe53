import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hydra import compose, initialize_config_dir

from static_gesture_classification.deployment.export_onnx import (
    ExportedModel,
    ExportOnnxSettings,
    gather_facts,
    main,
    open_graph,
    write_files,
)
from static_gesture_classification.deployment.model_card import Int8Outcome
from static_gesture_classification.deployment.training_data import TrainingData, find_history
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.recording.judging.learning_head import last_layer
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.sources.export import ExportSettings
from static_gesture_classification.training.checkpoint import (
    FOR_USE,
    checkpoint_digest,
    load_classifier,
    read_checkpoint,
    save,
)
from static_gesture_classification.workspace import Workspace
from tests.deployment.conftest import CALIBRATION, configuration
from tests.inference.conftest import MARGIN, SIZE, VOCABULARY

Made = Callable[[str], Path]


@pytest.mark.parametrize("hands", [0, 1, 3, 65])
def test_file_answers_as_the_checkpoint_does_for_any_number_of_hands(
    kind: str, exported: Path, calibrated: Made, hands: int
) -> None:
    original, copy = load_classifier(calibrated(kind)), load_onnx(exported)
    inputs = original.kind.example(hands, original.crop_size)
    ours, theirs = original.answers(inputs), copy.answers(inputs)
    for name in ("probabilities", "embeddings", "strangeness"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one.shape == other.shape
        assert other.dtype == np.float32
        assert np.abs(one - other).max(initial=0) < 1e-4


def test_file_answers_as_the_checkpoint_does_for_photographs(
    kind: str, exported: Path, calibrated: Made, workspace: Workspace
) -> None:
    original, copy = load_classifier(calibrated(kind)), load_onnx(exported)
    data = find_history(calibrated(kind), original, [workspace]).data
    assert data is not None
    usable = np.flatnonzero(original.kind.usable(data.hands.points, len(data.hands.samples)))
    inputs = original.kind.take(data.hands.crops, data.hands.points, usable)
    ours, theirs = original.answers(inputs), copy.answers(inputs)
    assert len(inputs) > 20
    assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-4
    assert np.abs(ours.strangeness - theirs.strangeness).max() < 1e-4
    assert ours.strangeness.min() > 0  # so that it is in the graph
    assert asdict(copy.calibration) == CALIBRATION


def test_file_says_what_it_is(kind: str, exported: Path, calibrated: Made) -> None:
    copy = load_onnx(exported)
    about = copy.session.get_modelmeta().custom_metadata_map
    assert copy.vocabulary == VOCABULARY
    assert copy.input == kind
    if kind == "crops":
        assert (copy.crop_size, copy.crop_margin) == (SIZE, MARGIN)
        assert len(json.loads(about["normalisation"])["mean"]) == 3
    record = json.loads(calibrated(kind).with_suffix(".json").read_text())
    data, scores, parity = (json.loads(about[key]) for key in ("data", "scores", "parity"))
    assert data["version"] == record["data_version"]
    assert [(each["name"], each["licence"]) for each in data["sources"]] == [("hagrid", "CC BY-SA 4.0")]
    assert set(scores) == {"val", "test"}
    assert json.loads(about["calibration"]) == CALIBRATION
    assert (about["checkpoint"], about["precision"]) == (record["sha256"], "float32")
    assert parity["real"]
    assert parity["difference"] < 1e-4


def test_each_file_is_whole_in_itself(exported: Path) -> None:
    files = sorted(path.name for path in exported.parent.iterdir())
    assert files == ["MODEL.md", f"{exported.stem}.int8.onnx", exported.name]
    onnx.checker.check_model(str(exported), full_check=True)


def test_last_layer_of_the_int8_file_is_exact(kind: str, exported: Path, calibrated: Made) -> None:
    reduced = exported.with_suffix(".int8.onnx")
    ours, theirs = last_layer(calibrated(kind)), last_layer(reduced)
    assert np.array_equal(ours.weights, theirs.weights)
    assert np.array_equal(ours.bias, theirs.bias)
    types = {tensor.data_type for tensor in onnx.load(reduced).graph.initializer}
    assert onnx.TensorProto.INT8 in types
    about = load_onnx(reduced).session.get_modelmeta().custom_metadata_map
    assert about["precision"] == "int8"


def test_int8_that_costs_too_much_is_not_kept(
    kind: str, exported: Path, calibrated: Made, workspace: Workspace, tmp_path: Path
) -> None:
    graph = exported.read_bytes()
    settings = ExportOnnxSettings.from_config(configuration(calibrated(kind), tmp_path / "a.onnx", workspace))
    classifier = load_classifier(calibrated(kind))
    made = ExportedModel(graph, open_graph(graph, classifier, calibrated(kind)), 0.0, 1, True, {})
    facts = gather_facts(classifier, find_history(calibrated(kind), classifier, [workspace]), made, settings)
    (tmp_path / "a.int8.onnx").write_text("of an earlier checkpoint")
    written = write_files(settings, replace(facts, int8=Int8Outcome(0.02, 0.005, 0.3, {})), graph, graph)
    assert written.int8_file is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MODEL.md", "a.onnx"]
    assert "8-bit weights were not kept: weighted F1 on val changes by -0.0200" in (tmp_path / "MODEL.md").read_text()


def test_weights_for_use_are_in_the_file_and_the_scores_are_of_the_measured_ones(
    calibrated: Made, workspace: Workspace, tmp_path: Path
) -> None:
    path = calibrated("landmarks")
    entries = read_checkpoint(path)
    random = torch.Generator().manual_seed(1)
    others = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=random) if name.endswith("weight") else tensor
        for name, tensor in entries["state_dict"].items()
    }
    both = tmp_path / "both.ckpt"
    save({**entries, FOR_USE: others}, both)
    record = json.loads(path.with_suffix(".json").read_text()) | {"sha256": checkpoint_digest(both)}
    both.with_suffix(".json").write_text(json.dumps(record))
    run(path, tmp_path / "measured/a.onnx", workspace)
    run(both, tmp_path / "used/a.onnx", workspace)
    measured, used = (load_onnx(tmp_path / name / "a.onnx") for name in ("measured", "used"))
    inputs = used.kind.example(9, 0)
    expected = load_classifier(both, for_use=True).answers(inputs)
    assert np.abs(used.answers(inputs).embeddings - expected.embeddings).max() < 1e-4
    assert np.abs(measured.answers(inputs).embeddings - expected.embeddings).max() > 1e-2
    scores = [each.session.get_modelmeta().custom_metadata_map["scores"] for each in (measured, used)]
    assert scores[0] == scores[1]
    assert "weights that learned from train alone" in (tmp_path / "used/MODEL.md").read_text()
    assert "measured on the file itself" in (tmp_path / "measured/MODEL.md").read_text()


def test_int8_without_a_val_split_is_refused_before_anything_is_written(
    calibrated: Made, workspace: Workspace, tmp_path: Path
) -> None:
    samples = read_samples(workspace.split_table)
    other = Workspace.at(tmp_path / "workspace")
    write_samples(samples.assign(split="train"), other.split_table)
    with pytest.raises(UserError, match=r"version .* are not here any more"):
        run(calibrated("crops"), tmp_path / "out", other, int8=True)
    assert not (tmp_path / "out").exists()


def test_int8_needs_samples_in_val(calibrated: Made, workspace: Workspace) -> None:
    from static_gesture_classification.deployment.int8 import check_data

    classifier = load_classifier(calibrated("crops"))
    data = find_history(calibrated("crops"), classifier, [workspace]).data
    assert data is not None
    with pytest.raises(UserError, match=r"int8=true needs samples in val.*leave int8 out"):
        check_data(TrainingData(data.split("train")), "")


def test_missing_checkpoint_is_named_and_nothing_is_written(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.ckpt"):
        run(tmp_path / "absent.ckpt", tmp_path / "a.onnx", workspace)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", [{"checkpoint": "models/best.ckpt"}, {"format": "onnx"}])
def test_export_of_samples_points_to_the_export_of_checkpoints(asked: dict[str, str], project: Path) -> None:
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        config = compose("config", [f"export.{key}={value}" for key, value in asked.items()] + ["export.output=out"])
    with pytest.raises(UserError, match=r"gestures export-onnx checkpoint=FILE.ckpt output=FILE.onnx"):
        ExportSettings.from_config(config)


def run(checkpoint: Path, output: Path, workspace: Workspace, **changes: object) -> None:
    main.__wrapped__(configuration(checkpoint, output, workspace, **changes))  # type: ignore[attr-defined]
