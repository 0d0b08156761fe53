"""The second training, whose weights answer in use: it learns val and test too."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

import train_static_gestures
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.inference.onnx_file import write_onnx
from static_gesture_classification.inference.predictor import load_model
from static_gesture_classification.recording.judging.learning_head import last_layer
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training import callbacks, for_use, run
from static_gesture_classification.training.checkpoint import FOR_USE, load_classifier, read_checkpoint
from static_gesture_classification.training.settings import TrainingSettings
from tests.support.posed_hands import hands, write_hands

train = train_static_gestures.main.__wrapped__  # without the command line
SMALL = ["gestures.names=[BACKGROUND,ONE,TWO,FIST]", "logger=[]", "trainer.accelerator=cpu", "model=landmarks"]
QUICK = [f"train_hyperparams.{each}" for each in ("epochs=2", "passes=12", "batch_size=32")]
CHECKPOINT = Path("models/trained.ckpt")


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_hands(tmp_path, {"train": 40, "val": 10, "test": 10}, missed=3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_static_gestures, "EpochCallback", callbacks.Callback)
    return tmp_path


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*SMALL, *QUICK, *overrides])


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def weights(name: str = "state_dict", path: Path = CHECKPOINT) -> torch.Tensor:
    return torch.cat([tensor.flatten().float() for tensor in read_checkpoint(path)[name].values()])


def test_the_measured_weights_and_scores_are_those_of_a_training_without_it() -> None:
    train(composed("train_hyperparams.for_use=[]"))
    alone, record = weights(), json.loads(CHECKPOINT.with_suffix(".json").read_text())
    assert FOR_USE not in read_checkpoint(CHECKPOINT)
    train(composed())
    assert torch.equal(weights(), alone)
    assert not torch.equal(weights(FOR_USE), alone)
    both = json.loads(CHECKPOINT.with_suffix(".json").read_text())
    assert both["scores"] == record["scores"]
    assert both["calibration"] == record["calibration"]


def test_the_same_training_gives_the_same_file() -> None:
    train(composed())
    first = CHECKPOINT.read_bytes()
    train(composed("train_hyperparams.fresh=true"))
    assert CHECKPOINT.read_bytes() == first


def test_it_learns_every_hand_of_the_named_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[Sequence[str]] = []
    wrapped = for_use.build_module

    def noting(settings: TrainingSettings, data: run.GestureDataModule) -> object:
        learned.append(data.samples["split"].to_numpy()[data.rows["train"]])
        return wrapped(settings, data)

    monkeypatch.setattr(for_use, "build_module", noting)
    train(composed("train_hyperparams.for_use=[val]"))
    train(composed())
    assert [sorted(set(each)) for each in learned] == [["train", "val"], ["test", "train", "val"]]


def test_what_test_shows_changes_the_weights_for_use_alone(prepared: Path) -> None:
    train(composed())
    measured, used = weights(), weights(FOR_USE)
    file = prepared / "data/landmarks/landmarks.npy"
    points, split = np.load(file), run.open_data(TrainingSettings.from_config(composed())).samples["split"].to_numpy()
    points[split == "test"] *= (-1, 1)
    np.save(file, points)
    train(composed())
    assert torch.equal(weights(), measured)
    assert not torch.equal(weights(FOR_USE), used)


def test_those_who_answer_take_the_weights_for_use_and_those_who_measure_do_not(prepared: Path) -> None:
    train(composed())
    measured, used = load_classifier(CHECKPOINT), load_classifier(CHECKPOINT, for_use=True)
    points, _ = hands({"test": 5})
    _, embeddings = used.predict(points)
    assert not np.allclose(measured.predict(points)[1], embeddings, atol=1e-3)
    assert used.calibration == measured.calibration
    assert np.array_equal(load_model(CHECKPOINT).predict(points)[1], embeddings)
    assert np.array_equal(last_layer(CHECKPOINT).weights, used.network.head.weight.detach().numpy())
    write_onnx(CHECKPOINT, prepared / "used.onnx")
    assert load_onnx(prepared / "used.onnx").predict(points)[1] == pytest.approx(embeddings, abs=1e-4)


def test_a_training_that_ends_between_the_two_goes_on_to_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    train(composed())
    whole = CHECKPOINT.read_bytes()
    wrapped, settings = run.train_for_use, composed("train_hyperparams.fresh=true")
    monkeypatch.setattr(run, "train_for_use", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(settings)
    monkeypatch.setattr(run, "train_for_use", wrapped)
    CHECKPOINT.unlink()
    train(composed())
    assert CHECKPOINT.read_bytes() == whole
    assert {RunFolder.open(path).status for path in Path("runs").iterdir() if path.is_dir()} == {"finished"}


def test_a_promoted_epoch_has_them_too(prepared: Path) -> None:
    train(composed())
    [folder] = (path for path in Path("runs").iterdir() if path.is_dir())
    kept = RunFolder.open(folder).best_checkpoint()
    run.export_checkpoint(kept, prepared / "promoted.ckpt")
    assert torch.equal(weights(FOR_USE, prepared / "promoted.ckpt"), weights(FOR_USE))


def test_early_stopping_has_nothing_to_stop_it_by() -> None:
    with pytest.raises(UserError, match=r"train_hyperparams.*for_use needs early_stopping=null"):
        TrainingSettings.from_config(composed("train_hyperparams.early_stopping=3"))


def test_a_trial_on_few_samples_has_none() -> None:
    train(composed("train_hyperparams.overfit_samples=16"))
    assert FOR_USE not in read_checkpoint(CHECKPOINT)
