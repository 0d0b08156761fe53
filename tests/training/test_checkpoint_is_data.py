"""Whatever a checkpoint says: it is data. What reads one refuses what would run, and says which file it is."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.active_learning.retraining.settings import RetrainSettings
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation import evaluate, promote
from static_gesture_classification.evaluation.contenders import find_contender
from static_gesture_classification.inference import predict
from static_gesture_classification.inference.onnx_file import write_onnx
from static_gesture_classification.recording.judging.observer import open_observer
from static_gesture_classification.recording.judging.settings import JudgeSettings
from static_gesture_classification.training import models
from static_gesture_classification.training.backbones import factory
from static_gesture_classification.training.callbacks import AtomicCheckpointIO
from static_gesture_classification.training.checkpoint import (
    Origin,
    build_network,
    export_checkpoint,
    initial_network,
    load_classifier,
    save,
)
from tests.support.patches import VOCABULARY
from tests.support.payloads import MARK, PAYLOADS, Payload, unpickled_by_pandas, write_pickle

CROPS = {
    "name": "test_resnet",
    "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    "backbone": {
        "_target_": "static_gesture_classification.training.models.timm_models.backbone",
        "name": "test_resnet",
    },
}


@pytest.fixture(scope="module")
def plain() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", ["detector=box", "trainer.accelerator=cpu", "trainer.threads=1", "logger=[]"])


@pytest.fixture(scope="module")
def entries() -> dict[str, Any]:
    torch.manual_seed(0)
    state = build_network({**CROPS, "weights": "none"}, len(VOCABULARY)).state_dict()
    return {**Origin(CROPS, VOCABULARY, 32, 0.15).header(), "epoch": 0, "scores": None, "state_dict": state}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / MARK


def with_changed(config: DictConfig, **changes: object) -> DictConfig:
    changed = OmegaConf.merge(config, OmegaConf.create(changes))
    assert isinstance(changed, DictConfig)
    return changed


def by_predict(path: Path, config: DictConfig, folder: Path) -> None:
    predict.Predictor.load(path, predict.DetectorSettings.from_config(config).build())


def by_evaluate(path: Path, config: DictConfig, folder: Path) -> None:
    changed = with_changed(config, evaluate={"checkpoint": str(path), "output": str(folder / "out")})
    evaluate.main.__wrapped__(changed)


def by_recorder(path: Path, config: DictConfig, folder: Path) -> None:
    open_observer(JudgeSettings.from_config(config), path)


def by_compare(path: Path, config: DictConfig, folder: Path) -> None:
    find_contender(str(path), Path(config.paths.runs))


def by_promote(path: Path, config: DictConfig, folder: Path) -> None:
    path.rename(folder / "trained.ckpt")
    (folder / "trained.json").write_text('{"run": "first", "checkpoint": "trained.ckpt", "epoch": 0}')
    promote.main.__wrapped__(with_changed(config, paths={"models": str(folder), "reports": str(folder / "reports")}))


def by_export_to_onnx(path: Path, config: DictConfig, folder: Path) -> None:
    write_onnx(path, folder / "made.onnx")


def by_export(path: Path, config: DictConfig, folder: Path) -> None:
    export_checkpoint(path, folder / "made.ckpt")


def as_first_weights(path: Path, config: DictConfig, folder: Path) -> None:
    initial_network({**CROPS, "weights": str(path)}, VOCABULARY)


def as_start_of_the_quick_loop(path: Path, config: DictConfig, folder: Path) -> None:
    settings = RetrainSettings.from_config(with_changed(config, retrain={"method": "head", "start": str(path)}))
    initial_network(settings.training.model, VOCABULARY)


LOADERS = (
    by_predict,
    by_evaluate,
    by_recorder,
    by_compare,
    by_promote,
    by_export_to_onnx,
    by_export,
    as_first_weights,
    as_start_of_the_quick_loop,
)


def built_without_a_check(node: Any) -> Any:
    """What a builder does that trusts its file."""
    if isinstance(node, list):
        return [built_without_a_check(part) for part in node]
    if not isinstance(node, dict):
        return node
    parts = {key: built_without_a_check(part) for key, part in node.items() if not key.startswith("_")}
    if "_target_" not in node:
        return parts
    make = partial(locate(node["_target_"]), *built_without_a_check(node.get("_args_", [])), **parts)  # type: ignore[arg-type]
    return (lambda *_: make()) if node.get("_partial_") else make()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_would_leave_its_mark(payload: Payload, tmp_path: Path, mark: Path) -> None:
    node = payload(tmp_path)
    with suppress(Exception):  # some fail after it
        built_without_a_check(node)
    assert mark.exists()


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("loader", LOADERS)
def test_checkpoint_that_names_something_to_call_is_refused(
    loader: Callable[..., None],
    payload: Payload,
    entries: dict[str, Any],
    plain: DictConfig,
    tmp_path: Path,
    mark: Path,
) -> None:
    path = tmp_path / "given.ckpt"
    backbone = {**CROPS["backbone"], "name": payload(tmp_path)}  # type: ignore[dict-item]
    save(entries | {"model": {**CROPS, "backbone": backbone}}, path)
    with pytest.raises(UserError, match=r"(given|trained)\.ckpt is refused: model\.backbone\.name\._"):
        loader(path, plain, tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_backbone_is_looked_up_among_ours_and_not_imported(
    payload: Payload, entries: dict[str, Any], tmp_path: Path, mark: Path
) -> None:
    save(entries | {"model": {**CROPS, "backbone": payload(tmp_path)}}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"given\.ckpt"):
        load_classifier(tmp_path / "given.ckpt")
    assert not mark.exists()


def test_module_that_a_checkpoint_names_is_not_even_imported(
    entries: dict[str, Any], tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mischief.py").write_text(f"open({str(mark)!r}, 'w')\ndef backbone(**arguments): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    backbone = {"_target_": "mischief.backbone", "name": "test_resnet"}
    save(entries | {"model": {**CROPS, "backbone": backbone}}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"given\.ckpt: model\.backbone\._target_ is 'mischief\.backbone'"):
        load_classifier(tmp_path / "given.ckpt")
    assert not mark.exists()
    assert "mischief" not in sys.modules


def test_name_that_a_file_only_imports_is_no_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "borrowed.py").write_text("from pandas import read_pickle as backbone\n")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    target = f"{models.__name__}.borrowed.backbone"
    with pytest.raises(UserError, match=r"_target_ is '.*borrowed\.backbone'"):
        factory(target)
    sys.modules.pop(f"{models.__name__}.borrowed", None)


def test_check_is_ours_where_hydra_lets_it_through(entries: dict[str, Any], tmp_path: Path, mark: Path) -> None:
    node = unpickled_by_pandas(tmp_path)
    with suppress(Exception):
        instantiate({"name": node})
    assert mark.exists()  # Hydra's own list does not know it, so that nobody else refuses below
    mark.unlink()
    backbone = {**CROPS["backbone"], "name": node}  # type: ignore[dict-item]
    save(entries | {"model": {**CROPS, "backbone": backbone}}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"_target_ holds 'pandas\.read_pickle'.*calls nothing"):
        load_classifier(tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"model\.backbone has _target_"):  # and whoever built of it all the same
        build_network({**CROPS, "backbone": backbone, "weights": "none"}, 4)
    assert not mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "static_gesture_classification.training.models.timm_models.timm.create_model",
        "static_gesture_classification.training.models.timm_models.get_close_matches",
        "static_gesture_classification.training.models.network.CropNetwork",
        "static_gesture_classification.training.models.network.backbone",
        "static_gesture_classification.training.models.backbone",
        "static_gesture_classification.training.models..backbone",
        "static_gesture_classification.atomic_files.write_text",
        "",
        7,
        None,
    ],
)
def test_only_the_backbones_of_this_program_are_backbones(target: object) -> None:
    with pytest.raises(UserError, match=r"_target_ is .*the backbones are .*timm_models\.backbone"):
        build_network({**CROPS, "backbone": {"_target_": target, "name": "test_resnet"}, "weights": "none"}, 4)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "hf_hub:timm/resnet18", "local-dir:/tmp", "../x"])
@pytest.mark.parametrize("library", ["timm_models", "torchvision_models", "efficientnet_lite"])
def test_name_of_a_network_does_not_reach_a_hub_or_a_folder(
    name: str, library: str, entries: dict[str, Any], tmp_path: Path
) -> None:
    target = f"static_gesture_classification.training.models.{library}.backbone"
    save(entries | {"model": {**CROPS, "backbone": {"_target_": target, "name": name}}}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"given\.ckpt: .*(no model|is not efficientnet_lite0)"):
        load_classifier(tmp_path / "given.ckpt")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {**CROPS, "name": 3}}, r"model\.name is 3"),
        ({"model": {**CROPS, "name": "${oc.env:HOME}"}}, r"model\.name holds '\$\{oc\.env:HOME\}'"),
        ({"model": {**CROPS, "backbone": {**CROPS["backbone"], "name": 3}}}, r"backbone\.name is 3"),  # type: ignore[dict-item]
        ({"model": {**CROPS, "backbone": {**CROPS["backbone"], "x": 3}}}, r"backbone\.x is 3"),  # type: ignore[dict-item]
        ({"model": {**CROPS, "backbone": {**CROPS["backbone"], "pretrained": True}}}, "pretrained"),  # type: ignore[dict-item]
        ({"model": {**CROPS, "normalisation": {"mean": [0.5], "std": [1.0]}}}, r"normalisation\.mean"),
        ({"model": {**CROPS, "normalisation": {"mean": [0.5] * 3, "std": [1.0, 0.0, 1.0]}}}, r"std\[1\] is 0\.0"),
        ({"model": {**CROPS, "input": "sounds"}}, r"model\.input is 'sounds'"),
        ({"model": {**CROPS, "input": "landmarks"}}, "do not fit what its model sees"),
        ({"model": [1]}, r"model is \[1\]"),
        ({"gestures": {"names": ["ONE", 2, "TWO", "FIST"], "background": None}}, r"gestures\.names\[1\] is 2"),
        ({"gestures": {"names": "ONE", "background": None}}, r"gestures\.names is 'ONE'"),
        ({"crop": {"size": "32", "margin": 0.15}}, r"crop\.size is '32'"),
        ({"crop": {"size": 10**9, "margin": 0.15}}, r"crop\.size is 1000000000"),
        ({"crop": {"size": 32, "margin": float("nan")}}, r"crop\.margin is nan"),
        ({"epoch": "last"}, r"epoch is 'last'"),
        ({"scores": {"weighted_f1": "${oc.env:HOME}"}}, r"scores\.weighted_f1 holds"),
        ({"state_dict": {"head.weight": "text"}}, r"state_dict\.head\.weight is 'text'"),
    ],
)
def test_entry_of_another_type_is_named(
    changes: dict[str, Any], told: str, entries: dict[str, Any], tmp_path: Path
) -> None:
    save(entries | changes, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=rf"given\.ckpt.*{told}"):
        load_classifier(tmp_path / "given.ckpt")


@pytest.mark.parametrize(
    "change", [{"hidden": [10**9]}, {"hidden": "wide"}, {"hidden": [64.5]}, {"dropout": 1.0}, {"dropout": "0.1"}]
)
def test_size_of_a_landmark_network_is_a_number_in_its_range(change: dict[str, Any]) -> None:
    target = "static_gesture_classification.training.models.landmarks.backbone"
    sizes = {"hidden": [64], "dropout": 0.1, "features_version": 2}
    backbone = {"_target_": target, "name": "landmarks", **sizes, **change}
    with pytest.raises(UserError, match=rf"model\.backbone\.{next(iter(change))}"):
        build_network({"name": "landmarks", "input": "landmarks", "weights": "none", "backbone": backbone}, 4)


@pytest.mark.parametrize("missing", ["model", "gestures", "crop", "epoch", "scores", "state_dict"])
def test_missing_entry_is_named(missing: str, entries: dict[str, Any], tmp_path: Path) -> None:
    save({name: value for name, value in entries.items() if name != missing}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=rf"given\.ckpt: {missing} is missing"):
        load_classifier(tmp_path / "given.ckpt")


def test_entries_that_hold_themselves_are_refused(entries: dict[str, Any], tmp_path: Path) -> None:
    endless: dict[str, Any] = {**CROPS}
    endless["again"] = endless
    save(entries | {"model": endless}, tmp_path / "given.ckpt")
    with pytest.raises(UserError, match=r"given\.ckpt is refused"):
        load_classifier(tmp_path / "given.ckpt")


@pytest.mark.parametrize("read", [load_classifier, AtomicCheckpointIO().load_checkpoint])
def test_pickle_in_a_checkpoint_is_not_run(read: Callable[[Path], object], tmp_path: Path, mark: Path) -> None:
    path = write_pickle(tmp_path)
    with suppress(Exception):
        torch.load(path, weights_only=False)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(Exception, match=r"readable checkpoint|Weights only load failed"):
        read(path)
    assert not mark.exists()
