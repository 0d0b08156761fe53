"""Training on landmarks: data, augmentation, and the same command as for crops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

import train_static_gestures
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.training.callbacks import EpochLines
from static_gesture_classification.training.checkpoint import (
    Origin,
    build_network,
    load_classifier,
    plain_model,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.datamodule import GestureDataModule, SeededBatches
from static_gesture_classification.training.experiment import build_module, open_data
from static_gesture_classification.training.inputs import KINDS, PreparedHands, kind_of
from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation
from static_gesture_classification.training.models.landmarks import LandmarkNetwork
from static_gesture_classification.training.settings import TrainingSettings
from tests.support.posed_hands import GESTURES, VOCABULARY, hands, write_hands

SMALL = ["gestures.names=[BACKGROUND,ONE,TWO,FIST]", "logger=[]", "trainer.accelerator=cpu"]
train = train_static_gestures.main.__wrapped__  # without the command line
QUICK = [f"train_hyperparams.{each}" for each in ("epochs=2", "passes=12", "batch_size=32")]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*SMALL, "model=landmarks", *overrides])


def settings(*overrides: str) -> TrainingSettings:
    return TrainingSettings.from_config(composed(*overrides))


def datamodule(points=None, samples=None, **changes: object) -> GestureDataModule:
    given, table = hands({"train": 10, "val": 4, "test": 4}, missed=3)
    known = PreparedHands(table if samples is None else samples, points=given if points is None else points)
    return GestureDataModule(
        KINDS["landmarks"], known, **({"vocabulary": VOCABULARY, "batch_size": 8, "seed": 0} | changes)
    )


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_hands(tmp_path, {"train": 40, "val": 10, "test": 10}, missed=3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_model_chooses_its_own_hyperparameters_and_an_explicit_choice_wins() -> None:
    own = composed()
    assert own.train_hyperparams.batch_size >= 128
    assert "noise" in own.augs
    assert own.paths.inputs == own.paths.landmarks
    told = composed("train_hyperparams=default", "optimizer=sgd")
    assert told.train_hyperparams.epochs == 50
    assert told.optimizer._target_ == "torch.optim.SGD"


def test_other_models_see_crops_and_keep_their_hyperparameters() -> None:
    config = composed("model=mobilenet_v2")
    assert kind_of(config.model).name == "crops"
    assert config.paths.inputs == config.paths.crops
    assert "passes" not in config.train_hyperparams


def test_batches_are_whole_and_hands_that_were_not_found_are_left_out() -> None:
    data = datamodule()
    for split, loader in (("train", data.train_dataloader()), ("val", data.val_dataloader())):
        batches = list(loader)
        rows = torch.cat([batch.rows for batch in batches]).numpy()
        assert (data.samples["split"].to_numpy()[rows] == split).all()
        assert len(set(rows.tolist())) == len(rows)
        for batch in batches:
            assert batch.inputs.dtype == torch.float32
            assert np.array_equal(batch.inputs.numpy(), data.hands.points[batch.rows.numpy()])
            assert [GESTURES[target] for target in batch.targets] == data.samples["gesture"][
                batch.rows.numpy()
            ].tolist()
    assert sum(data.counts("train")) == 37
    assert len(rows) == 13


def test_an_epoch_is_several_passes_each_in_an_order_of_its_own() -> None:
    batches = SeededBatches(20, 8, seed=0, passes=3)
    first = [batch.tolist() for batch in batches]
    assert len(first) == len(batches) == 6
    assert [batch.tolist() for batch in batches] == first
    passes = [first[start] + first[start + 1] for start in (0, 2, 4)]
    assert all(len(set(positions)) == 16 for positions in passes)
    assert passes[0] != passes[1] != passes[2]
    batches.set_epoch(1)
    assert [batch.tolist() for batch in batches] != first


def test_fewer_samples_than_a_batch_are_one_batch() -> None:
    assert [len(batch) for batch in SeededBatches(5, 8, seed=0, passes=2)] == [5, 5]


def test_the_fingerprint_changes_with_points_and_labels_of_what_is_trained_on() -> None:
    before = datamodule().fingerprint()
    assert datamodule().fingerprint() == before
    points, samples = hands({"train": 10, "val": 4, "test": 4}, missed=3)
    trained, test = (int(np.flatnonzero(samples["split"] == split)[5]) for split in ("train", "test"))
    for row, same in ((trained, False), (test, True)):
        changed = points.copy()
        changed[row, 0, 0] += 1
        assert (datamodule(points=changed).fingerprint() == before) is same
    samples.loc[trained, "gesture"] = "TWO"
    assert datamodule(samples=samples).fingerprint() != before


def test_landmarks_that_cannot_be_trained_on_are_named() -> None:
    points, samples = hands({"train": 10, "val": 4})
    with pytest.raises(DataError, match="do not fit"):
        datamodule(points=points[1:], samples=samples)
    with pytest.raises(DataError, match=r"landmarks\.extract=always"):
        datamodule(points=np.full_like(points, np.nan), samples=samples)
    points[samples["gesture"] == "FIST"] = np.nan
    with pytest.raises(DataError, match="no sample of FIST"):
        datamodule(points=points, samples=samples)


def test_augmentation_of_crops_gives_what_concerns_landmarks() -> None:
    points = torch.from_numpy(hands({"train": 5})[0])
    for augs, same in (("none", True), ("strong", False), ("landmarks", False)):
        augmentation = LandmarkAugmentation.from_config(composed(f"augs={augs}").augs)
        changed = augmentation(points, torch.Generator().manual_seed(0))
        assert changed.shape == points.shape
        assert torch.allclose(changed, points, atol=1e-4) is same
        assert torch.equal(changed, augmentation(points, torch.Generator().manual_seed(0)))


def test_augmentation_of_landmarks_is_not_for_crops() -> None:
    with pytest.raises(UserError, match="augs=default"):
        KINDS["crops"].augmentation(settings("augs=landmarks").augs)


def test_training_reaches_a_classifier_of_landmarks(prepared: Path) -> None:
    train(composed(*QUICK))
    checkpoint = read_checkpoint(prepared / "models/trained.ckpt")
    assert checkpoint["crop"] is None
    assert set(checkpoint["calibration"]) == {"temperature", "advantage"}
    classifier = load_classifier(prepared / "models/trained.ckpt")
    assert classifier.input == "landmarks"
    points, samples = hands({"test": 20})
    probabilities, embeddings = classifier.predict(points)
    assert embeddings.shape == (80, classifier.network.head.in_features)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    predicted = np.array(GESTURES)[probabilities.argmax(1)]
    assert (predicted == samples["gesture"]).mean() > 0.95
    assert classifier.predict(points[:0])[0].shape == (0, 4)


def test_every_epoch_reports_each_found_hand_once(prepared: Path) -> None:
    train(composed(*QUICK, "train_hyperparams.passes=3"))
    (run,) = (path for path in (prepared / "runs").iterdir() if path.is_dir())
    for epoch in range(2):
        val, seen = (read_predictions(run / f"predictions/{split}/{epoch:04d}.parquet") for split in ("val", "train"))
        assert len(val) == 37
        assert len(seen) == len(set(seen.column("sample_id"))) == 128
    assert list((run / "val/figures/confusion_matrices").iterdir())
    shown = [path for path in run.rglob("sample_0.*") if "train_samples" in path.parts]
    assert shown


def test_an_interrupted_training_ends_as_an_undisturbed_one(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(composed(*QUICK, "paths.runs=whole"))
    whole = (prepared / "models/trained.ckpt").read_bytes()
    config = composed(*QUICK, "paths.runs=parts")

    class InterruptedTrainingError(Exception):
        """What ends the first try."""

    def broken(self, trainer, module) -> None:  # type: ignore[no-untyped-def]
        if trainer.current_epoch == 1:
            raise InterruptedTrainingError

    with monkeypatch.context() as patch:
        patch.setattr(EpochLines, "on_train_epoch_start", broken)
        with pytest.raises(InterruptedTrainingError):
            train(config)
    train(config)
    assert (prepared / "models/trained.ckpt").read_bytes() == whole


def test_crop_checkpoints_without_an_input_are_of_crops(tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["model=timm", "model.name=test_resnet"])
    model = plain_model(config.model)
    assert "input" not in model
    network = build_network({**model, "weights": "none"}, len(VOCABULARY))
    header = Origin(model, VOCABULARY, crop_size=32, crop_margin=0.15).header()
    save({**header, "epoch": 0, "scores": None, "state_dict": network.state_dict()}, tmp_path / "a.ckpt")
    assert load_classifier(tmp_path / "a.ckpt").input == "crops"


def test_an_unknown_input_is_named() -> None:
    with pytest.raises(UserError, match=r"model\.input is 'sounds'"):
        open_data(settings("model.input=sounds", "paths.inputs=nowhere"))


def test_training_can_start_from_a_landmark_checkpoint(prepared: Path) -> None:
    config = composed()
    network = build_network({**plain_model(config.model), "weights": "none"}, 4)
    assert isinstance(network, LandmarkNetwork)
    header = Origin(plain_model(config.model), VOCABULARY).header()
    save({**header, "epoch": 0, "scores": None, "state_dict": network.state_dict()}, prepared / "start.ckpt")
    module = build_module(settings(f"model.weights={prepared / 'start.ckpt'}"), open_data(settings()))
    started = module.network.state_dict()
    assert all(torch.equal(started[name], tensor) for name, tensor in network.state_dict().items())
